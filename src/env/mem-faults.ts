/**
 * Faults of the simulated disk: rules that make chosen calls fail. A rule counts the calls it
 * matches, so "the third write to a .wal file fails with EIO" is one rule.
 */
import { Prng } from '../base/prng.js';
import { changesDisk } from './mem-operation.js';
import type { MemOperationName } from './mem-operation.js';

export interface FaultRule {
  /** Which calls; absent: all that change the disk. */
  readonly op?: MemOperationName | readonly MemOperationName[];
  /** Part of the path, or a test of it; absent: every path. A rename matches by its source. */
  readonly path?: string | ((path: string) => boolean);
  /** The first matching call that fails, counted from 1. Default 1. */
  readonly nth?: number;
  /** How many fail from then on. Default 1; Infinity for ever. */
  readonly times?: number;
  /** Of the calls in that range only one in so many fails, by seeded chance. Default 1 (each). */
  readonly oneIn?: number;
  /** POSIX name. Absent: the call does not fail (for a write with `shortBytes`). */
  readonly errno?: string;
  /** The call takes effect all the same, then fails. */
  readonly applied?: boolean;
  /** A write stops after this many bytes, and fails only if `errno` is given. */
  readonly shortBytes?: number;
}

/** A rule at work. */
export interface Fault {
  readonly rule: FaultRule;
  /** Calls that matched op and path so far. */
  readonly matches: number;
  /** Calls that were made to fail (or to stop short). */
  readonly hits: number;
  cancel(): void;
}

class ActiveFault implements Fault {
  readonly rule: FaultRule;
  matches: number;
  hits: number;
  readonly #owner: MemFaults;

  constructor(rule: FaultRule, owner: MemFaults) {
    this.rule = rule;
    this.matches = 0;
    this.hits = 0;
    this.#owner = owner;
  }

  cancel(): void {
    this.#owner.remove(this);
  }
}

export class MemFaults {
  readonly #random: Prng;
  #active: ActiveFault[];

  constructor(seed: number) {
    this.#random = new Prng(seed);
    this.#active = [];
  }

  add(rule: FaultRule): Fault {
    const fault = new ActiveFault(rule, this);
    this.#active.push(fault);
    return fault;
  }

  remove(fault: Fault): void {
    this.#active = this.#active.filter((one) => one !== fault);
  }

  /** The rule that strikes this call, if any. Every rule counts every call that it matches. */
  strike(op: MemOperationName, path: string): FaultRule | undefined {
    let struck: ActiveFault | undefined;
    for (const fault of this.#active) {
      if (!matches(fault.rule, op, path)) continue;
      fault.matches++;
      const { nth = 1, times = 1, oneIn = 1 } = fault.rule;
      if (fault.matches < nth || fault.matches >= nth + times) continue;
      if (oneIn > 1 && !this.#random.chance(1, oneIn)) continue;
      struck ??= fault;
    }
    if (struck === undefined) return undefined;
    struck.hits++;
    return struck.rule;
  }
}

function matches(rule: FaultRule, op: MemOperationName, path: string): boolean {
  if (rule.op === undefined ? !changesDisk(op) : !includesOp(rule.op, op)) return false;
  if (rule.path === undefined) return true;
  return typeof rule.path === 'string' ? path.includes(rule.path) : rule.path(path);
}

function includesOp(
  ops: MemOperationName | readonly MemOperationName[],
  op: MemOperationName,
): boolean {
  return typeof ops === 'string' ? ops === op : ops.includes(op);
}
