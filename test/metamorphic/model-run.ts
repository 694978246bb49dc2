/**
 * The model's side of a program: what every step must be answered with. It goes step by step beside the database,
 * because a crash may leave one of several states; the one that was found is the one from which both go on.
 */
import { SIM_START_MS } from '../../src/env/sim-clock.js';
import {
  Model,
  MODEL_FAMILIES,
  type ModelRead,
  type ModelRow,
  type ModelSnapshot,
  type ModelWrite,
  nextSeq,
} from '../model.js';
import { type Answer, differenceOf, STORED_PARTS, storedOf } from './answers.js';
import { ModelIterator } from './model-iterator.js';
import type { Forecast } from './model-transaction.js';
import { ModelTransactions } from './model-transactions.js';
import { type ReadSpec, type ScanSpec, type Step, valueText, type WriteSpec } from './program.js';
import { isTransactionStep, type TransactionStep } from './transaction-steps.js';

/** Says what is wrong with an answer, undefined when nothing is. */
export type Judge = (answer: Answer) => string | undefined;

type RaceStep = Extract<Step, { op: 'race' }>;
type ReopenStep = Extract<Step, { op: 'reopen' }>;

/** Open slots decide whether a step does anything. */
export class ModelRun {
  readonly #model: Model;
  readonly #snapshots: Map<number, ModelSnapshot>;
  readonly #scans: Map<number, ModelRow[]>;
  readonly #iterators: Map<number, ModelIterator>;
  readonly #transactions: ModelTransactions;
  /** Sequence numbers at which a call ended: a crash leaves one of these. */
  readonly #ends: Set<number>;
  /** Sequence number up to which the other process sees; undefined: there is none. */
  #readerSeq: number | undefined;

  constructor() {
    this.#model = new Model(SIM_START_MS);
    this.#snapshots = new Map();
    this.#scans = new Map();
    this.#iterators = new Map();
    this.#transactions = new ModelTransactions({
      model: this.#model,
      modelWrite: (write) => modelWrite(write, this.#model.nowMs),
      write: (writes) => this.#apply(writes),
      isEnd: (seq) => this.#ends.has(seq),
    });
    this.#ends = new Set([0]);
    this.#readerSeq = undefined;
  }

  /** Sequence number of the last write. */
  get seq(): number {
    return this.#model.seq;
  }

  /** The same when these are written, too. */
  seqAfter(writes: readonly { readonly version: number }[]): number {
    return writes.reduce(nextSeq, this.#model.seq);
  }

  /** What the commit of a transaction would come to now. */
  forecast(slot: number): Forecast | undefined {
    return this.#transactions.forecast(slot);
  }

  /** The same when these are ingested. */
  seqAfterIngest(writes: readonly WriteSpec[]): number {
    return this.#model.seq + (writes.some(({ type }) => type !== 'deleteRange') ? 2 : 1);
  }

  /** Does the step, and says how its answer is judged. */
  judge(step: Step): Judge {
    if (isTransactionStep(step)) return (answer) => this.#transactions.judge(step, answer);
    switch (step.op) {
      case 'race':
        return this.#race(step);
      case 'reopen':
        return this.#reopen(step);
      case 'storedEntries':
        return (answer) => this.#judgeStored(answer);
      default: {
        const expected = this.#answer(step);
        return (answer) => differenceOf(answer, expected);
      }
    }
  }

  #answer(
    step: Exclude<Step, TransactionStep | { op: 'race' | 'reopen' | 'storedEntries' }>,
  ): Answer {
    const model = this.#model;
    switch (step.op) {
      case 'write':
        return this.#write([step.write]);
      case 'batch':
        return this.#write(step.writes);
      case 'burst':
        for (const writes of step.calls) this.#write(writes);
        return undefined;
      case 'ingest':
        model.ingest(...step.writes.map((write) => modelWrite(write, model.nowMs)));
        this.#ends.add(model.seq);
        return undefined;
      case 'advance':
        model.nowMs += step.ms;
        return undefined;
      case 'maintain':
      case 'turns':
        return undefined;
      case 'openSnapshot':
        this.#snapshots.set(step.slot, model.snapshot());
        return undefined;
      case 'closeSnapshot':
        this.#snapshots.delete(step.slot);
        return undefined;
      case 'openScan': {
        const rows = this.#scan(step.scan);
        if (rows !== undefined) this.#scans.set(step.slot, rows);
        return undefined;
      }
      case 'closeScan':
        this.#scans.delete(step.slot);
        return undefined;
      case 'openIterator': {
        const rows = this.#scan({ ...step.scan, reverse: false, limit: -1, keysOnly: false });
        if (rows !== undefined) this.#iterators.set(step.slot, new ModelIterator(rows));
        return undefined;
      }
      case 'closeIterator':
        this.#iterators.delete(step.slot);
        return undefined;
      case 'openReader':
      case 'refreshReader':
      case 'readReader':
      case 'checkReader':
      case 'closeReader':
        return this.#reader(step);
      case 'checkAll':
        return this.#everything(model.snapshot());
      default:
        return this.#query(step);
    }
  }

  #query(
    step: Extract<Step, { op: 'get' | 'has' | 'getMany' | 'scan' | 'readScan' | 'moveIterator' }>,
  ): Answer {
    const model = this.#model;
    if (step.op === 'moveIterator') {
      const iterator = this.#iterators.get(step.slot);
      return iterator === undefined ? undefined : step.moves.flatMap((move) => iterator.move(move));
    }
    if (step.op === 'readScan') {
      const rows = this.#scans.get(step.slot);
      return rows === undefined ? undefined : flat(rows.splice(0, step.count));
    }
    if (step.op === 'scan') {
      const rows = this.#scan(step.scan);
      return rows === undefined ? undefined : flat(rows);
    }
    const read = this.#read(step.read);
    if (read === undefined) return undefined;
    if (step.op === 'has') return [String(model.has(step.key, read))];
    const keys = step.op === 'get' ? [step.key] : step.keys;
    return keys.map((key) => model.get(key, read) ?? null);
  }

  /** It sees what was acknowledged when it was opened or refreshed last, with what has expired by now gone. */
  #reader(
    step: Extract<
      Step,
      { op: 'openReader' | 'refreshReader' | 'readReader' | 'checkReader' | 'closeReader' }
    >,
  ): Answer {
    const model = this.#model;
    if (step.op === 'openReader') this.#readerSeq = model.seq;
    const seq = this.#readerSeq;
    if (seq === undefined) return undefined;
    const snapshot = { seq, createdMs: model.nowMs };
    switch (step.op) {
      case 'openReader':
        return undefined;
      case 'refreshReader':
        this.#readerSeq = model.seq;
        return undefined;
      case 'closeReader':
        this.#readerSeq = undefined;
        return undefined;
      case 'readReader':
        return step.keys.map((key) => model.get(key, { family: step.family, snapshot }) ?? null);
      case 'checkReader':
        return this.#everything(snapshot);
    }
  }

  /**
   * Every answer is that after some of the calls: never fewer than were acknowledged by then, never fewer than an
   * earlier answer showed. An answer is the number of acknowledged calls, then the values.
   */
  #race({ calls, keys, family }: RaceStep): Judge {
    const read = (): (string | null)[] =>
      keys.map((key) => this.#model.get(key, { family }) ?? null);
    const states = [read()];
    for (const writes of calls) {
      this.#write(writes);
      states.push(read());
    }
    return (answer = []) => {
      let shown = 0;
      for (let at = 0; at < answer.length; at += 1 + keys.length) {
        shown = Math.max(shown, Number(answer[at]));
        const values = answer.slice(at + 1, at + 1 + keys.length);
        const first = states[shown];
        while (shown < states.length && differenceOf(values, states[shown]) !== undefined) shown++;
        if (shown < states.length) continue;
        const number = at / (1 + keys.length);
        return (
          `read ${number} of ${JSON.stringify(keys)}, ${answer[at]} of ${calls.length} calls acknowledged, ` +
          `shows no state that was: ${differenceOf(values, first)}`
        );
      }
      return undefined;
    };
  }

  /**
   * The answer: the sequence number that must be there at least, the one that was found, the batch that was being
   * committed, and everything.
   */
  #reopen({ calls, how, commit }: ReopenStep): Judge {
    return ([low, seq, order, ...content] = []) => {
      const wrong = order ? this.#transactions.commitBlindly(commit, order) : undefined;
      if (wrong !== undefined) return wrong;
      for (const writes of calls) this.#write(writes);
      this.#transactions.clear();
      this.#snapshots.clear();
      this.#scans.clear();
      this.#iterators.clear();
      if (how !== 'close') this.#readerSeq = undefined;
      const found = Number(seq);
      if (found < Number(low)) return `writes ${found + 1} to ${low} are gone, and were promised`;
      if (found > this.#model.seq) return `there are ${found} writes of ${this.#model.seq}`;
      if (!this.#ends.has(found)) return `write ${found} is not the end of a call`;
      if (found < this.#model.seq) this.#rewind(found);
      return differenceOf(content, this.#everything(this.#model.snapshot()));
    };
  }

  #rewind(seq: number): void {
    this.#model.rewind(seq);
    for (const end of this.#ends) if (end > seq) this.#ends.delete(end);
  }

  /**
   * Entries come in order, each was written (an expired one may have become a delete), and none that somebody
   * may see is missing.
   */
  #judgeStored(answer: Answer = []): string | undefined {
    const model = this.#model;
    const stored = new Set<string>();
    let before: ReturnType<typeof storedOf> | undefined;
    for (let at = 0; at < answer.length; at += STORED_PARTS) {
      const entry = storedOf(answer, at);
      const { family, key, seq, version, value } = entry;
      const what = `${family} ${JSON.stringify(key)} version ${version} seq ${seq}`;
      if (before !== undefined && !isBefore(before, entry)) return `${what} is out of order`;
      before = entry;
      const written = model.entryAt(family, key, seq);
      if (written?.version !== version) return `${what} was never written`;
      const isExpired = written.expiresAt !== 0 && written.expiresAt <= model.nowMs;
      if (value === null ? written.value !== undefined && !isExpired : value !== written.value) {
        return `${what} has another value than was written`;
      }
      stored.add(`${family} ${seq} ${key}`);
    }
    const open = [...this.#snapshots.values(), ...this.#transactions.snapshots()];
    for (const snapshot of [model.snapshot(), ...open]) {
      for (const family of MODEL_FAMILIES) {
        for (const { key, seq } of model.visibleEntries(family, snapshot)) {
          if (stored.has(`${family} ${seq} ${key}`)) continue;
          return `${family} ${JSON.stringify(key)} seq ${seq} is seen and not stored`;
        }
      }
    }
    return undefined;
  }

  #write(writes: readonly WriteSpec[]): undefined {
    this.#apply(writes.map((write) => modelWrite(write, this.#model.nowMs)));
    return undefined;
  }

  /** One call. */
  #apply(writes: readonly ModelWrite[]): void {
    this.#model.write(...writes);
    this.#ends.add(this.#model.seq);
  }

  #scan(spec: ScanSpec): ModelRow[] | undefined {
    const read = this.#read(spec);
    if (read === undefined) return undefined;
    const { range, reverse, limit, keysOnly } = spec;
    return this.#model.scan({
      ...read,
      ...range,
      reverse,
      keysOnly,
      ...(limit < 0 ? {} : { limit }),
    });
  }

  /** undefined when the snapshot is not open. */
  #read(spec: ReadSpec): ModelRead | undefined {
    const snapshot = this.#snapshots.get(spec.snapshot);
    if (spec.snapshot >= 0 && snapshot === undefined) return undefined;
    return {
      family: spec.family,
      snapshot,
      version: spec.version === 0 ? undefined : spec.version,
    };
  }

  #everything(snapshot: ModelSnapshot): Answer {
    return MODEL_FAMILIES.flatMap((family) => {
      const rows = this.#model.scan({ family, snapshot });
      const reversed = this.#model.scan({ family, snapshot, reverse: true });
      return [...flat(rows), ...flat(reversed), ...rows.map((row) => row.value)];
    });
  }
}

type Stored = ReturnType<typeof storedOf>;

/** By family and key, then newest first. */
function isBefore(a: Stored, b: Stored): boolean {
  if (a.family !== b.family)
    return MODEL_FAMILIES.indexOf(a.family) < MODEL_FAMILIES.indexOf(b.family);
  if (a.key !== b.key) return a.key < b.key;
  return a.version > b.version || (a.version === b.version && a.seq > b.seq);
}

function modelWrite(write: WriteSpec, nowMs: number): ModelWrite {
  if (write.type !== 'put') return write;
  const { type, family, key, version } = write;
  const expiresAt = write.expiresIn === 0 ? 0 : nowMs + write.expiresIn;
  return { type, family, key, value: valueText(write.value), expiresAt, version };
}

function flat(rows: readonly ModelRow[]): string[] {
  return rows.flatMap(({ key, value }) => [key, value]);
}
