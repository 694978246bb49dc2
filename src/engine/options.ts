/**
 * Every option of `open()`: default, unit, range. One table drives validation, the "did you mean" of
 * unknown names and docs/options.md. The caller's object is never changed.
 */
import { closestName } from '../base/closest-name.js';
import { NokvError } from '../base/errors.js';
import {
  GIB,
  KEY_BYTES_MAX,
  KIB,
  MIB,
  VALUE_BYTES_MAX,
  VALUE_LOG_FILE_BYTES_MAX,
} from '../base/limits.js';
import { isUtf8Text } from '../base/utf8.js';

/** os: acknowledged = survives kill -9. disk: acknowledged = survives power loss. */
export type Durability = 'os' | 'disk';
export type MemtableKind = 'art' | 'skiplist';
export type CompactionPolicy = 'leveled' | 'tiered' | 'hybrid';
export type Compression = 'none' | 'lz4';
export type FamilyName = 'default' | 'lock' | 'write';

/** One rule for where values go; the first rule that matches family and prefix decides. */
export interface ValuePolicy {
  /** Default: every family. */
  readonly columnFamily?: FamilyName;
  /** User key prefix; default: every key. */
  readonly prefix?: string | Uint8Array;
  /** inline: never separated. offload: always separated. threshold: by this rule's own threshold. */
  readonly strategy: 'inline' | 'offload' | 'threshold';
  /** Bytes; only with strategy `threshold`. */
  readonly threshold?: number;
}

/**
 * One rule for what filters of tables hold beside keys: for the keys with `prefix` their first `length` bytes, or all up
 * to the first `delimiter` behind the prefix. No prefix may begin with that of another rule for the same family.
 */
export interface PrefixFilter {
  /** Default: every family. */
  readonly columnFamily?: FamilyName;
  /** User key prefix; default: every key. */
  readonly prefix?: string | Uint8Array;
  /** Bytes of the user key, 1 to 255, at least those of the prefix. */
  readonly length?: number;
  /** One printable ASCII character. */
  readonly delimiter?: string;
}

export interface OpenOptions {
  /** Take no lock, write nothing, follow a live writer by `refresh()`. Default false. */
  readonly readOnly?: boolean;
  /** Create the workdir when it is not there. Default true. */
  readonly createIfMissing?: boolean;
  /** Fail when a database is there already. Default false. */
  readonly errorIfExists?: boolean;
  /** When a write is acknowledged; every write may choose again. Default `os`. */
  readonly durability?: Durability;
  /** Index of the memtables. Default `art`. */
  readonly memtable?: MemtableKind;
  /** Size of one memtable and its log segment, bytes. Default 64 MiB. */
  readonly memtableBytes?: number;
  /** Memtables in memory, the active one included; writes stop when all are full. Default 4. */
  readonly memtableCount?: number;
  /** Block cache, bytes; 0 disables it. Default 64 MiB. */
  readonly cacheBytes?: number;
  /** Decoded table indexes and filters, bytes. Default 64 MiB. */
  readonly indexCacheBytes?: number;
  /** Data block target, bytes before compression. Default 4 KiB. */
  readonly blockBytes?: number;
  /** Bloom filter bits per key; 0 disables filters. Default 10. */
  readonly filterBitsPerKey?: number;
  /** What filters hold beside keys, so that scans within one part of the keys pass tables by. Default none. */
  readonly prefixFilters?: readonly PrefixFilter[];
  /** Block compression. Default `none`. */
  readonly compression?: Compression;
  /** Table size of the levels below L0, bytes. Default 64 MiB. */
  readonly tableBytes?: number;
  /** Up to this size of the last level there is no level between L0 and it. Default 2 GiB. */
  readonly baseLevelBytes?: number;
  /** Default `leveled`. */
  readonly compactionPolicy?: CompactionPolicy;
  /** Background compaction. Default true; `compact()` works either way. */
  readonly autoCompaction?: boolean;
  /** L0 tables that start a compaction. Default 8. */
  readonly l0CompactionTrigger?: number;
  /** L0 tables at which writes are slowed down. Default 24. */
  readonly l0SlowdownTrigger?: number;
  /** L0 tables at which writes stop. Default 48. */
  readonly l0StopTrigger?: number;
  /** Values of at least this many bytes go to the value log. Default 2048. */
  readonly valueThreshold?: number;
  /** Rules that override the threshold. Default none. */
  readonly valuePolicies?: readonly ValuePolicy[];
  /** Size of one value-log segment, bytes. Default 256 MiB. */
  readonly valueLogFileBytes?: number;
  /** Generations of value-log segments: bucket 0 takes new values, bucket n survivors of n collections. Default 4. */
  readonly valueLogBuckets?: number;
  /** Share of garbage at which a segment is collected, in (0, 1). Default 0.5. */
  readonly valueLogGcRatio?: number;
  /** Collect value-log segments in the background. Default true. */
  readonly valueLogGc?: boolean;
  /** Manifest size at which it is rewritten, bytes. Default 4 MiB. */
  readonly manifestRewriteBytes?: number;
  /** A transaction that is open for longer is rolled back, milliseconds; 0: never. Default 0. */
  readonly transactionTimeoutMs?: number;
  /** Memory for the keys written while transactions are open, bytes. Default 64 MiB. */
  readonly transactionHistoryBytes?: number;
  /** Hot keys: one read, and one write, in so many is counted; 0: none. Default 64. */
  readonly hotKeySampling?: number;
  /** What hot keys are the hottest of: the last so many milliseconds. Default 10,000. */
  readonly hotKeyWindowMs?: number;
  /** Hot keys in the stats, of reads and of writes each. Default 16. */
  readonly hotKeyTop?: number;
  /** Counters of keys, of reads and of writes each. Default 1024. */
  readonly hotKeyNodes?: number;
  /** Writes of one key in the window; more are refused with BusyError. 0: no limit. Default 0. */
  readonly hotKeyWriteLimit?: number;
}

/** All options with their values. */
export type Options = {
  readonly [Name in keyof Required<OpenOptions>]: Required<OpenOptions>[Name];
};

interface NumberRule {
  readonly kind: 'number';
  readonly initial: number;
  readonly min: number;
  readonly max: number;
  readonly isInteger: boolean;
  /** A size: bytes, and in an options file also "64MiB". */
  readonly isBytes: boolean;
}
interface BooleanRule {
  readonly kind: 'boolean';
  readonly initial: boolean;
}
interface ChoiceRule {
  readonly kind: 'choice';
  readonly initial: string;
  readonly choices: readonly string[];
}
interface PoliciesRule {
  readonly kind: 'policies';
  readonly initial: readonly ValuePolicy[];
}
interface PrefixesRule {
  readonly kind: 'prefixes';
  readonly initial: readonly PrefixFilter[];
}
type Rule = NumberRule | BooleanRule | ChoiceRule | PoliciesRule | PrefixesRule;

const bytes = (initial: number, min: number, max: number): NumberRule => ({
  kind: 'number',
  initial,
  min,
  max,
  isInteger: true,
  isBytes: true,
});
const count = (initial: number, min: number, max: number): NumberRule => ({
  ...bytes(initial, min, max),
  isBytes: false,
});
const share = (initial: number, min: number, max: number): NumberRule => ({
  ...count(initial, min, max),
  isInteger: false,
});
const flag = (initial: boolean): BooleanRule => ({ kind: 'boolean', initial });
const choice = (initial: string, ...others: string[]): ChoiceRule => ({
  kind: 'choice',
  initial,
  choices: [initial, ...others],
});

export const OPTION_RULES: { readonly [Name in keyof Required<OpenOptions>]: Rule } = {
  readOnly: flag(false),
  createIfMissing: flag(true),
  errorIfExists: flag(false),
  durability: choice('os', 'disk'),
  memtable: choice('art', 'skiplist'),
  memtableBytes: bytes(64 * MIB, 64 * KIB, GIB),
  memtableCount: count(4, 2, 64),
  cacheBytes: bytes(64 * MIB, 0, 1024 * GIB),
  indexCacheBytes: bytes(64 * MIB, 0, 1024 * GIB),
  blockBytes: bytes(4 * KIB, 256, 4 * MIB),
  filterBitsPerKey: count(10, 0, 32),
  prefixFilters: { kind: 'prefixes', initial: [] },
  compression: choice('none', 'lz4'),
  tableBytes: bytes(64 * MIB, 16 * KIB, 2 * GIB),
  baseLevelBytes: bytes(2 * GIB, 64 * KIB, 1024 * GIB),
  compactionPolicy: choice('leveled', 'tiered', 'hybrid'),
  autoCompaction: flag(true),
  l0CompactionTrigger: count(8, 1, 1000),
  l0SlowdownTrigger: count(24, 2, 1000),
  l0StopTrigger: count(48, 3, 2000),
  valueThreshold: bytes(2048, 0, VALUE_BYTES_MAX + 1),
  valuePolicies: { kind: 'policies', initial: [] },
  valueLogFileBytes: bytes(256 * MIB, 64 * KIB, VALUE_LOG_FILE_BYTES_MAX),
  valueLogBuckets: count(4, 1, 256),
  valueLogGcRatio: share(0.5, 0.01, 0.99),
  valueLogGc: flag(true),
  manifestRewriteBytes: bytes(4 * MIB, 4 * KIB, GIB),
  transactionTimeoutMs: count(0, 0, 2 ** 31 - 1),
  transactionHistoryBytes: bytes(64 * MIB, 64 * KIB, 4 * GIB),
  hotKeySampling: count(64, 0, 4096),
  hotKeyWindowMs: count(10_000, 100, 3_600_000),
  hotKeyTop: count(16, 1, 256),
  hotKeyNodes: count(1024, 64, 2 ** 18),
  hotKeyWriteLimit: count(0, 0, 1_000_000_000),
};

/** The fields of the rules of options that are lists of rules. */
export const RULE_FIELDS = {
  policies: ['columnFamily', 'prefix', 'strategy', 'threshold'],
  prefixes: ['columnFamily', 'prefix', 'length', 'delimiter'],
} as const;

const FAMILIES: readonly unknown[] = ['default', 'lock', 'write'];
const STRATEGIES: readonly unknown[] = ['inline', 'offload', 'threshold'];

/**
 * Fills in the defaults and checks every value.
 * @throws NokvError NOKV_INVALID naming the option, its value and its range.
 */
export function resolveOptions(given: OpenOptions): Options {
  if (!isRecord(given)) throw new TypeError('The options must be an object');
  const names = Object.keys(OPTION_RULES);
  const resolved: Record<string, unknown> = {};
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) throw unknownOption(name, names);
  }
  for (const name of names) {
    const rule = OPTION_RULES[name as keyof OpenOptions];
    const value = given[name as keyof OpenOptions];
    resolved[name] = value === undefined ? rule.initial : checkOption(name, rule, value);
  }
  const options = resolved as unknown as Options;
  checkTriggers(options);
  return options;
}

/** `last` is the part of the name to look for among `names`. */
function unknownOption(name: string, names: readonly string[], last = name): NokvError {
  const closest = closestName(last, names);
  const suggestion = closest === undefined ? '' : `; did you mean "${closest}"?`;
  return new NokvError('NOKV_INVALID', `Cannot open: unknown option "${name}"${suggestion}`, {
    details: { option: name, suggestion: closest ?? null },
  });
}

function checkOption(name: string, rule: Rule, value: unknown): unknown {
  switch (rule.kind) {
    case 'boolean':
      if (typeof value !== 'boolean') throw badOption(name, value, 'true or false');
      return value;
    case 'choice':
      if (!rule.choices.includes(value as string)) {
        throw badOption(name, value, `one of ${rule.choices.join(', ')}`);
      }
      return value;
    case 'number': {
      const isFine =
        typeof value === 'number' &&
        value >= rule.min &&
        value <= rule.max &&
        (!rule.isInteger || Number.isInteger(value));
      if (isFine) return value;
      const what = rule.isInteger ? 'an integer' : 'a number';
      throw badOption(name, value, `${what} from ${rule.min} to ${rule.max}`);
    }
    case 'policies':
    case 'prefixes':
      return checkRules(name, rule.kind, value);
  }
}

function badOption(name: string, value: unknown, expected: string): NokvError {
  const shown = describeValue(value);
  return new NokvError('NOKV_INVALID', `Cannot open: option "${name}" must be ${expected}`, {
    details: { option: name, value: shown, expected },
    hint: `Got ${shown}; give ${expected}`,
  });
}

/** A wrong value for the eye, short. */
function describeValue(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  const text = JSON.stringify(value) ?? 'undefined';
  // JSON has no NaN and no infinity.
  if (typeof value === 'number') return String(value);
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

/** A list of rules, each with known fields, a family and a prefix; the rest is by their kind. */
function checkRules(option: string, kind: keyof typeof RULE_FIELDS, value: unknown): unknown {
  if (!Array.isArray(value)) throw badOption(option, value, 'an array of rules');
  const fields: readonly string[] = RULE_FIELDS[kind];
  // With its holes, which forEach passes over.
  const rules: readonly unknown[] = Array.from(value);
  rules.forEach((rule, i) => {
    const name = `${option}[${i}]`;
    if (!isRecord(rule)) throw badOption(name, rule, `a rule with some of ${fields.join(', ')}`);
    for (const field of Object.keys(rule)) {
      if (!fields.includes(field)) throw unknownOption(`${name}.${field}`, fields, field);
    }
    if (kind === 'policies') checkStrategy(name, rule);
    const { columnFamily, prefix } = rule;
    if (columnFamily !== undefined && !FAMILIES.includes(columnFamily)) {
      throw badOption(`${name}.columnFamily`, columnFamily, `one of ${FAMILIES.join(', ')}`);
    }
    if (prefix !== undefined) checkPrefix(`${name}.prefix`, prefix);
    if (kind === 'policies') checkThreshold(name, rule);
    else checkPart(name, rule, rules.slice(0, i) as PrefixFilter[]);
  });
  return value;
}

/** Can a key begin with it? */
function checkPrefix(name: string, prefix: unknown): void {
  if (typeof prefix === 'string') {
    if (!isUtf8Text(prefix)) {
      throw badOption(name, prefix, 'without half of a surrogate pair, which has no UTF-8');
    }
  } else if (!(prefix instanceof Uint8Array)) {
    throw badOption(name, prefix, 'a string or bytes');
  }
  const length = typeof prefix === 'string' ? Buffer.byteLength(prefix) : prefix.length;
  if (length > KEY_BYTES_MAX) throw badOption(name, prefix, `at most ${KEY_BYTES_MAX} bytes long`);
}

function checkStrategy(name: string, { strategy }: Readonly<Record<string, unknown>>): void {
  if (STRATEGIES.includes(strategy)) return;
  throw badOption(`${name}.strategy`, strategy, `one of ${STRATEGIES.join(', ')}`);
}

function checkThreshold(name: string, policy: Readonly<Record<string, unknown>>): void {
  const { strategy, threshold } = policy;
  const isThreshold = Number.isInteger(threshold) && (threshold as number) >= 0;
  if (strategy === 'threshold' ? !isThreshold : threshold !== undefined) {
    throw badOption(
      `${name}.threshold`,
      threshold,
      'an integer from 0, exactly with strategy threshold',
    );
  }
}

/** Exactly one of length and delimiter, and no other rule for the same keys. */
function checkPart(name: string, filter: PrefixFilter, others: readonly PrefixFilter[]): void {
  const { length, delimiter } = filter;
  const prefix = Buffer.from(filter.prefix ?? '');
  if (delimiter === undefined) {
    const min = Math.max(1, prefix.length);
    const isFine = Number.isInteger(length) && Number(length) >= min && Number(length) <= 255;
    if (!isFine) throw badOption(`${name}.length`, length, `an integer from ${min} to 255`);
  } else if (typeof delimiter !== 'string' || !/^[\x20-\x7e]$/.test(delimiter)) {
    throw badOption(`${name}.delimiter`, delimiter, 'one printable ASCII character');
  } else if (length !== undefined) {
    throw badOption(`${name}.length`, length, 'left out beside a delimiter');
  }
  for (const other of others) {
    const isApart =
      filter.columnFamily !== undefined &&
      other.columnFamily !== undefined &&
      filter.columnFamily !== other.columnFamily;
    const given = Buffer.from(other.prefix ?? '');
    const shared = Math.min(given.length, prefix.length);
    if (isApart || !given.subarray(0, shared).equals(prefix.subarray(0, shared))) continue;
    throw badOption(`${name}.prefix`, filter.prefix, 'none that begins like that of another rule');
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkTriggers(options: Options): void {
  const { l0CompactionTrigger, l0SlowdownTrigger, l0StopTrigger } = options;
  if (l0CompactionTrigger <= l0SlowdownTrigger && l0SlowdownTrigger < l0StopTrigger) return;
  throw badOption(
    'l0SlowdownTrigger',
    l0SlowdownTrigger,
    `at least l0CompactionTrigger (${l0CompactionTrigger}) and below l0StopTrigger (${l0StopTrigger})`,
  );
}
