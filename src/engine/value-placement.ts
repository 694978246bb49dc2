/** Where a value goes: inline in the tree, or to the value log (ValuePolicy, in order, then the threshold). */
import { compareBytes } from '../base/bytes.js';
import { FAMILY_DEFAULT, FAMILY_LOCK, FAMILY_WRITE, KeyBuffer } from './key.js';
import type { FamilyName, Options, ValuePolicy } from './options.js';

interface Rule {
  /** 0: every family. */
  readonly family: number;
  /** Encoded prefix behind the family byte; empty: every key. */
  readonly prefix: Uint8Array;
  /** Values of at least this many bytes are separated. */
  readonly threshold: number;
  readonly name: string;
}

const FAMILY_BYTES: Readonly<Record<FamilyName, number>> = {
  default: FAMILY_DEFAULT,
  lock: FAMILY_LOCK,
  write: FAMILY_WRITE,
};

export class ValuePlacement {
  readonly #threshold: number;
  readonly #rules: readonly Rule[];
  /** Decisions by rule, the last one by the threshold alone. */
  readonly #decisions: Float64Array;

  constructor(options: Options) {
    this.#threshold = options.valueThreshold;
    this.#rules = options.valuePolicies.map(ruleOf);
    this.#decisions = new Float64Array(this.#rules.length + 1);
  }

  /** Hot: once per write. */
  isSeparated(family: number, key: KeyBuffer, valueLength: number): boolean {
    const rules = this.#rules;
    if (rules.length === 0) return valueLength >= this.#threshold;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i] as Rule;
      if (!matches(rule, family, key)) continue;
      this.#decisions[i] = (this.#decisions[i] as number) + 1;
      return valueLength >= rule.threshold;
    }
    const last = this.#decisions.length - 1;
    this.#decisions[last] = (this.#decisions[last] as number) + 1;
    return valueLength >= this.#threshold;
  }

  /** How often each rule decided, by `family:prefix:strategy`; empty without rules. */
  counters(): Record<string, number> {
    const counters: Record<string, number> = {};
    this.#rules.forEach((rule, i) => {
      counters[rule.name] = (counters[rule.name] ?? 0) + (this.#decisions[i] as number);
    });
    if (this.#rules.length > 0) {
      counters['_total_decisions'] = this.#decisions.reduce((sum, count) => sum + count, 0);
    }
    return counters;
  }
}

function ruleOf(policy: ValuePolicy): Rule {
  const family = policy.columnFamily === undefined ? 0 : FAMILY_BYTES[policy.columnFamily];
  const buffer = new KeyBuffer();
  buffer.encodePrefix(FAMILY_DEFAULT, policy.prefix ?? '');
  const shown =
    typeof policy.prefix === 'string'
      ? policy.prefix
      : Buffer.from(policy.prefix ?? '').toString('hex');
  return {
    family,
    prefix: buffer.copy().subarray(1),
    threshold: thresholdOf(policy),
    name: `${policy.columnFamily ?? '*'}:${shown}:${policy.strategy}`,
  };
}

function thresholdOf(policy: ValuePolicy): number {
  switch (policy.strategy) {
    case 'inline':
      return Number.POSITIVE_INFINITY;
    case 'offload':
      return 0;
    case 'threshold':
      return policy.threshold as number;
  }
}

function matches(rule: Rule, family: number, key: KeyBuffer): boolean {
  if (rule.family !== 0 && rule.family !== family) return false;
  const { prefix } = rule;
  if (key.length <= prefix.length) return false;
  return compareBytes(prefix, 0, prefix.length, key.bytes, 1, prefix.length) === 0;
}
