/**
 * Random programs: a list of steps, drawn from a seed. A step is plain data and stands alone: one that
 * names a closed snapshot or scan does nothing, so that any steps may be dropped and the rest still
 * is a program (shrink.ts).
 *
 * Keys are few, so that they collide; they share prefixes and hold the bytes 0, 1 and 0xff. Managed
 * versions stay in one family of the program, because a key is either managed or not. Which kinds of
 * steps are frequent is drawn for each program (swarm testing): many bugs need the absence of something.
 */
import { Prng } from '../../src/base/prng.js';
import type { Durability } from '../../src/engine/options.js';
import { MODEL_FAMILIES, type ModelFamily, type ModelRange } from '../model.js';
import { type TransactionStep, TXN_SLOTS } from './transaction-steps.js';

/** The bytes of a value: valueText makes them. */
export interface ValueSpec {
  readonly id: number;
  readonly size: number;
}

export type WriteSpec =
  | {
      readonly type: 'put';
      readonly family: ModelFamily;
      readonly key: string;
      readonly value: ValueSpec;
      /** Milliseconds from the moment of the write, not positive when it has passed; 0: no expiry. */
      readonly expiresIn: number;
      /** Given as `expiresAt`, not as `ttlMs`. */
      readonly isAbsolute: boolean;
      readonly version: number;
    }
  | {
      readonly type: 'del';
      readonly family: ModelFamily;
      readonly key: string;
      readonly version: number;
    }
  | {
      readonly type: 'deleteRange';
      readonly family: ModelFamily;
      readonly start: string;
      readonly end: string;
      readonly version: number;
    };

/** A snapshot is named by its slot, -1 is none. Version 0 is none. */
export interface ReadSpec {
  readonly family: ModelFamily;
  readonly snapshot: number;
  readonly version: number;
}

export interface ScanSpec extends ReadSpec {
  readonly range: ModelRange;
  readonly reverse: boolean;
  /** -1: none. */
  readonly limit: number;
  readonly keysOnly: boolean;
}

export type Maintenance = 'flush' | 'compact' | 'collect' | 'sync';
/** power: after a sync. cut: power lost without one, so that what was not durable may be gone, from the end. */
export type Reopening = 'close' | 'kill' | 'power' | 'cut';

/** Of an iterator; `key` is for the seeks. */
export interface Move {
  readonly to: 'first' | 'last' | 'next' | 'prev' | 'seek' | 'seekForPrev';
  readonly key: string;
}

export type Step =
  | TransactionStep
  | { readonly op: 'write'; readonly write: WriteSpec; readonly durability?: Durability }
  | {
      readonly op: 'batch';
      readonly writes: readonly WriteSpec[];
      readonly durability?: Durability;
    }
  /** Calls without waiting in between: a list of one is a single write, others are batches. */
  | {
      readonly op: 'burst';
      readonly calls: readonly (readonly WriteSpec[])[];
      readonly durability?: Durability;
    }
  /** Ordinary writes of one family as tables: each key once, each range delete before the keys at and behind its start. */
  | {
      readonly op: 'ingest';
      readonly writes: readonly WriteSpec[];
      readonly move: boolean;
      readonly verify: boolean;
      readonly tableBytes: number;
    }
  | { readonly op: 'get'; readonly key: string; readonly read: ReadSpec }
  | { readonly op: 'has'; readonly key: string; readonly read: ReadSpec }
  | { readonly op: 'getMany'; readonly keys: readonly string[]; readonly read: ReadSpec }
  | { readonly op: 'scan'; readonly scan: ScanSpec; readonly way: 'take' | 'iterate' | 'async' }
  | { readonly op: 'openScan'; readonly slot: number; readonly scan: ScanSpec }
  | { readonly op: 'readScan'; readonly slot: number; readonly count: number }
  | { readonly op: 'closeScan'; readonly slot: number }
  /** Of the scan its snapshot, version and bounds; iterators have no limit and no direction. */
  | { readonly op: 'openIterator'; readonly slot: number; readonly scan: ScanSpec }
  | { readonly op: 'moveIterator'; readonly slot: number; readonly moves: readonly Move[] }
  | { readonly op: 'closeIterator'; readonly slot: number }
  /** Another process that only reads; it stays over a reopening by close. */
  | { readonly op: 'openReader' | 'refreshReader' | 'checkReader' | 'closeReader' }
  | {
      readonly op: 'readReader';
      readonly keys: readonly string[];
      readonly family: ModelFamily;
    }
  /** All that is stored, whatever the level, against all that was written. */
  | { readonly op: 'storedEntries' }
  /** A burst that is not waited for: keys are read over and over while it is under way. */
  | {
      readonly op: 'race';
      readonly calls: readonly (readonly WriteSpec[])[];
      readonly durability?: Durability;
      readonly keys: readonly string[];
      readonly family: ModelFamily;
      /** Turns of the loop with a read after each; then the burst is waited for. */
      readonly turns: number;
    }
  | { readonly op: 'openSnapshot'; readonly slot: number }
  | { readonly op: 'closeSnapshot'; readonly slot: number }
  | {
      readonly op: 'maintain';
      readonly what: Maintenance;
      /** Percent of garbage; only for `collect`. */
      readonly ratio: number;
      readonly isAwaited: boolean;
    }
  | { readonly op: 'turns'; readonly count: number }
  | { readonly op: 'advance'; readonly ms: number }
  | {
      readonly op: 'reopen';
      readonly how: Reopening;
      readonly isChanged: boolean;
      /** A transaction, by its slot, and writes that were under way for so many turns when it crashed; -1: none. */
      readonly commit: number;
      readonly calls: readonly (readonly WriteSpec[])[];
      readonly turns: number;
    }
  /** Everything, in both directions and key by key. */
  | { readonly op: 'checkAll' };

export interface Program {
  readonly seed: number;
  readonly steps: readonly Step[];
}

export const SLOTS = 3;

const FILLER = makeFiller();

function makeFiller(): string {
  const bytes = new Uint8Array(8192);
  new Prng(1).fill(bytes);
  return Buffer.from(bytes).toString('latin1');
}

/** Latin-1 text of a value: its id, then bytes that compress (even ids) or do not. */
export function valueText(spec: ValueSpec): string {
  const start = (spec.id * 7919) % 4096;
  const body =
    spec.id % 2 === 0
      ? FILLER.slice(start, start + 4).repeat(Math.ceil(spec.size / 4))
      : FILLER.slice(start, start + spec.size);
  return `${spec.id}:${body}`.slice(0, spec.size);
}

export function generateProgram(seed: number, operations: number): Program {
  const generator = new Generator(seed, operations);
  const steps: Step[] = [];
  while (steps.length < operations) steps.push(generator.step());
  const end = {
    op: 'reopen',
    how: 'close',
    isChanged: true,
    commit: -1,
    calls: [],
    turns: 0,
  } as const;
  steps.push({ op: 'checkAll' }, end, { op: 'checkAll' });
  return { seed, steps };
}

const ALPHABET = ['\0', '\x01', '\x02', '\xff', '\xfe', 'a', 'b', 'c'];

/**
 * In a program with keys of 64 KiB, one key in so many is one, and fewer in a long program: each costs as much as a
 * thousand others, so that at the same share a program of 10,000 steps would be busy with them for nine tenths of its time.
 */
const HUGE_ONE_IN = 100;
/** A program of up to so many steps has the whole share. */
const HUGE_STEPS = 2500;

/** How often each kind comes, at most: each program draws its own share of it, or none. */
const WEIGHTS = {
  put: 1000,
  del: 250,
  deleteRange: 60,
  batch: 120,
  burst: 120,
  get: 500,
  has: 100,
  getMany: 80,
  scan: 120,
  openScan: 30,
  readScan: 90,
  closeScan: 10,
  openIterator: 30,
  moveIterator: 120,
  closeIterator: 10,
  openReader: 15,
  refreshReader: 40,
  readReader: 60,
  checkReader: 5,
  closeReader: 3,
  storedEntries: 3,
  race: 40,
  beginTxn: 50,
  writeTxn: 200,
  readTxn: 120,
  scanTxn: 40,
  openTxnIterator: 20,
  moveTxnIterator: 60,
  savepoint: 20,
  rollbackTo: 15,
  rollbackTxn: 5,
  commitTxns: 50,
  openSnapshot: 20,
  closeSnapshot: 18,
  flush: 10,
  compact: 3,
  collect: 4,
  sync: 10,
  turns: 40,
  advance: 40,
  reopen: 5,
  ingest: 25,
  checkAll: 2,
} as const;
type Kind = keyof typeof WEIGHTS;

/** Never left out: without writes and reads there is nothing to find. */
const ALWAYS: readonly Kind[] = ['put', 'get', 'scan'];

class Generator {
  readonly #random: Prng;
  readonly #kinds: Kind[];
  readonly #cumulative: number[];
  readonly #keys: string[];
  /** Of 64 KiB; empty in most programs. */
  readonly #hugeKeys: string[];
  /** One key in so many is huge. */
  readonly #hugeOneIn: number;
  /** The family of managed versions, if the program has one. */
  readonly #managed: ModelFamily | undefined;
  readonly #versionMax: number;
  readonly #valueSizeMax: number;
  readonly #hasExpiry: boolean;
  #valueId: number;
  /** Steps of a transaction that come soon, with few others in between: one that lives for long never commits. */
  readonly #soon: Step[];
  /** While one is planned. */
  #familyOfPlan: ModelFamily | undefined;

  constructor(seed: number, operations: number) {
    const random = new Prng(seed);
    this.#random = random;
    this.#kinds = [];
    this.#cumulative = [];
    let sum = 0;
    for (const kind of Object.keys(WEIGHTS) as Kind[]) {
      const share = ALWAYS.includes(kind) ? 1 + random.below(2) : random.below(4);
      sum += WEIGHTS[kind] * share;
      this.#kinds.push(kind);
      this.#cumulative.push(sum);
    }
    this.#keys = drawKeys(random);
    this.#hugeKeys = random.chance(1, 6) ? ['\0'.repeat(65_535), drawHugeKey(random)] : [];
    this.#hugeOneIn = Math.ceil(HUGE_ONE_IN * Math.max(1, operations / HUGE_STEPS));
    this.#managed = random.chance(2, 3) ? this.#oneOf(MODEL_FAMILIES) : undefined;
    this.#versionMax = this.#oneOf([3, 30, 1_000_000]);
    this.#valueSizeMax = this.#oneOf([20, 300, 3000]);
    this.#hasExpiry = random.chance(1, 2);
    this.#valueId = 0;
    this.#soon = [];
    this.#familyOfPlan = undefined;
  }

  step(): Step {
    if (this.#soon.length > 0 && this.#random.chance(4, 5)) return this.#soon.shift() as Step;
    const drawn = this.#random.below(this.#cumulative.at(-1) as number);
    const kind = this.#kinds[this.#cumulative.findIndex((sum) => drawn < sum)] as Kind;
    switch (kind) {
      case 'put':
      case 'del':
      case 'deleteRange':
        return { op: 'write', write: this.#write(kind), ...this.#durability() };
      case 'batch':
        return { op: 'batch', writes: this.#writes(), ...this.#durability() };
      case 'burst':
        return { op: 'burst', calls: this.#calls(), ...this.#durability() };
      case 'get':
      case 'has':
        return { op: kind, key: this.#key(), read: this.#read() };
      case 'getMany': {
        const keys = Array.from({ length: this.#random.below(8) }, () => this.#key());
        return { op: 'getMany', keys, read: this.#read() };
      }
      case 'scan':
        return { op: 'scan', scan: this.#scan(), way: this.#oneOf(['take', 'iterate', 'async']) };
      case 'openScan':
        return { op: 'openScan', slot: this.#slot(), scan: this.#scan() };
      case 'readScan':
        return { op: 'readScan', slot: this.#slot(), count: 1 + this.#random.below(20) };
      case 'openIterator':
        return { op: 'openIterator', slot: this.#slot(), scan: this.#scan() };
      case 'moveIterator':
        return { op: 'moveIterator', slot: this.#slot(), moves: this.#moves() };
      case 'openReader':
      case 'refreshReader':
      case 'checkReader':
      case 'closeReader':
      case 'storedEntries':
        return { op: kind };
      case 'readReader': {
        const keys = Array.from({ length: 1 + this.#random.below(5) }, () => this.#key());
        return { op: 'readReader', keys, family: this.#family() };
      }
      case 'race':
        return this.#race();
      case 'closeScan':
      case 'closeIterator':
      case 'openSnapshot':
      case 'closeSnapshot':
        return { op: kind, slot: this.#slot() };
      case 'flush':
      case 'compact':
      case 'collect':
      case 'sync':
        return {
          op: 'maintain',
          what: kind,
          ratio: 1 + this.#random.below(99),
          isAwaited: this.#random.chance(1, 2),
        };
      case 'turns':
        return { op: 'turns', count: 1 + this.#random.below(6) };
      case 'advance':
        return { op: 'advance', ms: this.#oneOf([1, 10, 1000, 100_000]) };
      case 'reopen': {
        const reopen = this.#reopen();
        return reopen.commit < 0 ? reopen : this.#transaction(reopen.commit, reopen);
      }
      case 'beginTxn': {
        const slot = this.#random.below(TXN_SLOTS);
        if (this.#random.chance(1, 4)) return this.#transactionStep(kind, slot);
        return this.#transaction(slot, this.#transactionStep('commitTxns', slot));
      }
      case 'writeTxn':
      case 'readTxn':
      case 'scanTxn':
      case 'openTxnIterator':
      case 'moveTxnIterator':
      case 'savepoint':
      case 'rollbackTo':
      case 'rollbackTxn':
      case 'commitTxns':
        return this.#transactionStep(kind, this.#random.below(TXN_SLOTS));
      case 'ingest':
        return this.#ingest();
      case 'checkAll':
        return { op: 'checkAll' };
    }
  }

  /**
   * A transaction that begins now, or after the one that is planned; `end` is its commit. It keeps to one family mostly,
   * so that it reads what it writes.
   */
  #transaction(slot: number, end: Step): Step {
    this.#soon.push(this.#transactionStep('beginTxn', slot));
    this.#familyOfPlan = this.#family();
    for (let i = 1 + this.#random.below(8); i > 0; i--) {
      const op = this.#oneOf([
        'writeTxn',
        'writeTxn',
        'writeTxn',
        'readTxn',
        'readTxn',
        'scanTxn',
        'openTxnIterator',
        'moveTxnIterator',
        'savepoint',
        'rollbackTo',
      ] as const);
      this.#soon.push(this.#transactionStep(op, slot));
    }
    this.#familyOfPlan = undefined;
    this.#soon.push(end);
    return this.#soon.shift() as Step;
  }

  #transactionStep(op: TransactionStep['op'], slot: number): TransactionStep {
    const random = this.#random;
    switch (op) {
      case 'beginTxn':
        return {
          op,
          slot,
          isolation: this.#oneOf(['serializable', 'snapshot']),
          isReadOnly: random.chance(1, 15),
          detectsConflicts: !random.chance(1, 15),
          calls: random.chance(1, 3) ? this.#calls() : [],
          turns: random.below(3),
        };
      case 'writeTxn':
        return { op, slot, write: this.#anyWrite() };
      case 'readTxn': {
        const keys = Array.from({ length: 1 + random.below(3) }, () => this.#key());
        return {
          op,
          slot,
          way: this.#oneOf(['get', 'has', 'getMany']),
          keys,
          family: this.#family(),
        };
      }
      case 'scanTxn':
        return { op, slot, scan: this.#scan(), way: this.#oneOf(['take', 'iterate', 'async']) };
      case 'openTxnIterator':
        return { op, slot, scan: this.#scan() };
      case 'moveTxnIterator':
        return { op, slot, moves: this.#moves() };
      case 'savepoint':
      case 'rollbackTxn':
        return { op, slot };
      case 'rollbackTo':
        return { op, slot, back: random.below(3) };
      case 'commitTxns': {
        const isAlone = random.chance(1, 2);
        const slots = isAlone
          ? [slot]
          : Array.from({ length: TXN_SLOTS }, (_, i) => (slot + i) % TXN_SLOTS);
        const calls = random.chance(1, 3) ? this.#calls() : [];
        return { op, slots, calls, ...this.#durability() };
      }
    }
  }

  #moves(): Move[] {
    const random = this.#random;
    return Array.from({ length: 1 + random.below(8) }, () => {
      const isSeek = random.chance(1, 3);
      const steps = ['next', 'next', 'next', 'prev', 'prev', 'first', 'last'] as const;
      const to = isSeek ? this.#oneOf(['seek', 'seekForPrev'] as const) : this.#oneOf(steps);
      return { to, key: isSeek && !random.chance(1, 30) ? this.#bound() : '' };
    });
  }

  #race(): Step {
    const calls = this.#calls();
    const family = this.#family();
    const written = calls
      .flat()
      .flatMap((write) => (write.type === 'deleteRange' ? [] : [write.key]));
    const keys = Array.from({ length: 1 + this.#random.below(5) }, () =>
      written.length > 0 && this.#random.chance(3, 4) ? this.#oneOf(written) : this.#key(),
    );
    const turns = 1 + this.#random.below(10);
    return { op: 'race', calls, keys, family, turns, ...this.#durability() };
  }

  #reopen(): Extract<Step, { op: 'reopen' }> {
    const how = this.#oneOf<Reopening>(['close', 'close', 'kill', 'power', 'cut', 'cut']);
    const isCrash = how === 'kill' || how === 'cut';
    return {
      op: 'reopen',
      how,
      isChanged: this.#random.chance(1, 2),
      commit: isCrash && this.#random.chance(2, 3) ? this.#random.below(TXN_SLOTS) : -1,
      calls: isCrash && this.#random.chance(1, 2) ? this.#calls() : [],
      turns: this.#random.below(6),
    };
  }

  #ingest(): Step {
    const random = this.#random;
    const family = this.#oneOf(MODEL_FAMILIES.filter((one) => one !== this.#managed));
    const count = 1 + random.below(random.chance(1, 4) ? 60 : 8);
    const byStart = new Map<string, WriteSpec>();
    const rows = new Map<string, WriteSpec>();
    for (let i = 0; i < count; i++) {
      const write = { ...this.#anyWrite(), family, version: 0 };
      if (write.type === 'deleteRange') byStart.set(write.start, write);
      else rows.set(write.key, write);
    }
    const starts = new Set([...byStart.keys(), ...rows.keys()]);
    const writes = [...starts]
      .sort((a, b) => (a < b ? -1 : 1))
      .flatMap((start) => [byStart.get(start) ?? [], rows.get(start) ?? []].flat());
    return {
      op: 'ingest',
      writes,
      move: random.chance(1, 2),
      verify: random.chance(1, 2),
      tableBytes: this.#oneOf([4096, 65_536]),
    };
  }

  #write(type: 'put' | 'del' | 'deleteRange'): WriteSpec {
    const family = this.#family();
    const version = family === this.#managed ? 1 + this.#random.below(this.#versionMax) : 0;
    if (type === 'del') return { type, family, key: this.#key(), version };
    if (type === 'deleteRange') {
      const [start, end] = [this.#bound(), this.#bound()].sort() as [string, string];
      const after = end.length < 1000 ? `${end}\0` : '\xff\xff';
      return { type, family, start, end: start === end ? after : end, version };
    }
    const hasExpiry = this.#hasExpiry && this.#random.chance(1, 4);
    const isAbsolute = this.#random.chance(1, 2);
    const expiresIn = !hasExpiry ? 0 : this.#oneOf([1, 5, 500, 50_000, 5_000_000]);
    return {
      type,
      family,
      key: this.#key(),
      value: this.#value(),
      expiresIn: isAbsolute && this.#random.chance(1, 8) ? -expiresIn : expiresIn,
      isAbsolute,
      version,
    };
  }

  #anyWrite(): WriteSpec {
    const drawn = this.#random.below(10);
    return this.#write(drawn < 7 ? 'put' : drawn < 9 ? 'del' : 'deleteRange');
  }

  #writes(): WriteSpec[] {
    const count = this.#random.chance(1, 20) ? this.#random.below(300) : this.#random.below(10);
    return Array.from({ length: count }, () => this.#anyWrite());
  }

  #calls(): WriteSpec[][] {
    return Array.from({ length: 1 + this.#random.below(12) }, () =>
      this.#random.chance(1, 4) ? this.#writes() : [this.#anyWrite()],
    );
  }

  #value(): ValueSpec {
    const id = ++this.#valueId;
    const sizeMax = this.#random.chance(1, 8) ? 3000 : this.#valueSizeMax;
    return { id, size: this.#random.chance(1, 50) ? 0 : 1 + this.#random.below(sizeMax) };
  }

  #read(): ReadSpec {
    const family = this.#family();
    const isVersioned = family === this.#managed && this.#random.chance(1, 2);
    return {
      family,
      snapshot: this.#random.chance(1, 4) ? this.#slot() : -1,
      version: isVersioned ? 1 + this.#random.below(this.#versionMax + 1) : 0,
    };
  }

  #scan(): ScanSpec {
    const random = this.#random;
    const range: { -readonly [Name in keyof ModelRange]: ModelRange[Name] } = {};
    if (random.chance(1, 3)) range.prefix = this.#bound().slice(0, random.below(4));
    if (random.chance(1, 3)) range[this.#oneOf<'gte' | 'gt'>(['gte', 'gt'])] = this.#bound();
    if (random.chance(1, 3)) range[this.#oneOf<'lte' | 'lt'>(['lte', 'lt'])] = this.#bound();
    return {
      ...this.#read(),
      range,
      reverse: random.chance(1, 2),
      limit: random.chance(1, 3) ? random.below(20) : -1,
      keysOnly: random.chance(1, 5),
    };
  }

  /** A key, or something beside one. Never empty. */
  #bound(): string {
    const key = this.#key();
    if (this.#random.chance(2, 3) || key.length > 1000) return key;
    return this.#oneOf([`${key}\0`, `${key}\xff`, key.slice(0, -1) || key]);
  }

  #durability(): { durability?: Durability } {
    const drawn = this.#random.below(8);
    return drawn > 1 ? {} : { durability: drawn === 0 ? 'disk' : 'os' };
  }

  #family(): ModelFamily {
    if (this.#familyOfPlan !== undefined && this.#random.chance(4, 5)) return this.#familyOfPlan;
    return this.#random.chance(1, 2) ? 'default' : this.#oneOf(MODEL_FAMILIES);
  }

  #key(): string {
    if (this.#hugeKeys.length > 0 && this.#random.chance(1, this.#hugeOneIn))
      return this.#oneOf(this.#hugeKeys);
    return this.#oneOf(this.#keys);
  }

  #slot(): number {
    return this.#random.below(SLOTS);
  }

  #oneOf<T>(choices: readonly T[]): T {
    return choices[this.#random.below(choices.length)] as T;
  }
}

/** 20 to 400 keys of a small alphabet over a few prefixes. */
function drawKeys(random: Prng): string[] {
  const text = (length: number): string =>
    Array.from({ length }, () => ALPHABET[random.below(ALPHABET.length)]).join('');
  const prefixes = ['', '', ...Array.from({ length: 4 }, () => text(1 + random.below(12)))];
  const count = [20, 100, 400][random.below(3)] as number;
  const keys = new Set<string>();
  while (keys.size < count) {
    const prefix = prefixes[random.below(prefixes.length)] as string;
    keys.add(prefix + text(1 + random.below(4)));
  }
  return [...keys];
}

function drawHugeKey(random: Prng): string {
  return 'b'.repeat(65_534) + (ALPHABET[random.below(ALPHABET.length)] as string);
}
