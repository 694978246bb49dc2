/** `nokv redis` as a process of its own, on free ports, in a directory that goes with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { cleanEnv, ROOT } from './spawn.js';

const BIN = join(ROOT, 'bin/run.js');
export const TLS_CERT = join(ROOT, 'test/cli/fixtures/tls/cert.pem');
export const TLS_KEY = join(ROOT, 'test/cli/fixtures/tls/key.pem');

interface Ready {
  readonly event: 'ready';
  readonly port: number;
  readonly tls_port: number;
  readonly metrics: string | null;
  readonly keys: number;
}

export interface Stopped {
  readonly status: number | null;
  /** The last line of its output. */
  readonly end: unknown;
}

/** A directory that is removed with the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'nokv-redis-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export class RedisProcess {
  readonly ready: Ready;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<unknown>;

  private constructor(
    child: ChildProcess,
    lines: AsyncIterator<string>,
    exited: Promise<unknown>,
    ready: Ready,
  ) {
    this.#child = child;
    this.#lines = lines;
    this.#exited = exited;
    this.ready = ready;
  }

  /** Returns when it is ready. Killed with the test, if it still runs. */
  static async start(
    workdir: string,
    args: readonly string[] = [],
    env: Record<string, string> = {},
  ): Promise<RedisProcess> {
    const all = [
      'redis',
      '--json',
      '--quiet',
      '--workdir',
      workdir,
      '--addr',
      '127.0.0.1:0',
      ...args,
    ];
    const child = spawn(process.execPath, [BIN, ...all], {
      env: cleanEnv(env),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    const reader: Interface = createInterface(child.stdout);
    const lines = reader[Symbol.asyncIterator]();
    const exited = once(child, 'exit');
    const first = await lines.next();
    if (first.done === true) throw new Error('nokv redis ended before it was ready');
    return new RedisProcess(child, lines, exited, JSON.parse(first.value) as Ready);
  }

  get port(): number {
    return this.ready.port;
  }

  signal(name: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): void {
    this.#child.kill(name);
  }

  /** Waits for its end. */
  async ended(): Promise<Stopped> {
    const last = await this.#lines.next();
    await this.#exited;
    const end: unknown = last.done === true ? undefined : JSON.parse(last.value);
    return { status: this.#child.exitCode, end };
  }
}
