/** The machine and this process, read once. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Host } from '../base/env.js';

export function createNodeHost(): Host {
  return { bootId: readBootId(), pid: process.pid, name: hostname() };
}

/**
 * Linux names every boot. Elsewhere '' (not known): a time of boot computed from the uptime moves
 * with the wall clock, and an identity that changes under a living process would make its lock
 * look abandoned.
 */
function readBootId(): string {
  try {
    const id = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return /^[\x21-\x7e]{1,64}$/.test(id) ? id : '';
  } catch {
    return '';
  }
}
