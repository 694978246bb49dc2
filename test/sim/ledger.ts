/**
 * As History (test/crash/history.ts), for operations that are not one call: transactions and ingests take their place in
 * the order of writes when they take their turn, not when they are called. Frozen at the crash: what the dead
 * process still says about its writes counts no more.
 */
import type { Prng } from '../../src/base/prng.js';
import { NokvError } from '../../src/base/errors.js';
import { type Content, differences } from './content.js';

export type Change =
  /** `isGone`: it expires before anybody looks. */
  | {
      readonly type: 'put';
      readonly key: string;
      readonly value: Buffer;
      readonly isGone?: boolean;
    }
  | { readonly type: 'del'; readonly key: string }
  | { readonly type: 'deleteRange'; readonly start: string; readonly end: string };

type Status = 'pending' | 'acknowledged' | 'failed' | 'unknown';

interface Operation {
  readonly changes: readonly Change[];
  readonly what: string;
  readonly position: number;
  status: Status;
  /** It had failed when the process died, for all anybody knows: the error was on its way. */
  mayHaveFailed: boolean;
}

export class Ledger {
  #operations: Operation[];
  #contents: Map<string, Buffer>[];
  #acknowledged: number;
  #durable: number;
  #isFrozen: boolean;

  constructor() {
    this.#operations = [];
    this.#contents = [new Map()];
    this.#acknowledged = 0;
    this.#durable = 0;
    this.#isFrozen = false;
  }

  get issued(): number {
    return this.#operations.length;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  get durable(): number {
    return this.#durable;
  }

  /** What was found after the crash, and what of it is durable; the next life begins there. */
  rewind(position: number, durable: number): void {
    this.#operations.length = position;
    for (const operation of this.#operations) {
      if (operation.status !== 'failed') operation.status = 'acknowledged';
      operation.mayHaveFailed = false;
    }
    this.#acknowledged = position;
    this.#durable = Math.max(this.#durable, durable);
    this.#contents = [new Map()];
    this.#isFrozen = false;
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  /** Takes the next place in the order; `undefined` when nobody counts any more. */
  begin(changes: readonly Change[], what: string): Operation | undefined {
    if (this.#isFrozen) return undefined;
    const position = this.#operations.length + 1;
    const operation: Operation = {
      changes,
      what,
      position,
      status: 'pending',
      mayHaveFailed: false,
    };
    this.#operations.push(operation);
    return operation;
  }

  done(operation: Operation | undefined, isDurable: boolean): void {
    if (operation === undefined || this.#isFrozen) return;
    operation.status = 'acknowledged';
    this.#acknowledged = Math.max(this.#acknowledged, operation.position);
    if (isDurable) this.#durable = Math.max(this.#durable, operation.position);
  }

  /** @throws what is no error of the database */
  failed(operation: Operation | undefined, error: unknown): void {
    if (!(error instanceof NokvError)) throw error;
    if (operation === undefined) return;
    // Of an ingest nobody knows, and yet others may be written behind it.
    const isIngest = operation.what.startsWith('ingest');
    if (this.#isFrozen) {
      operation.mayHaveFailed =
        operation.status === 'pending' && (isIngest || error.outcome === 'none');
      return;
    }
    operation.mayHaveFailed = isIngest && error.outcome !== 'none';
    operation.status = error.outcome === 'none' ? 'failed' : 'unknown';
    if (operation.status === 'failed')
      this.#contents.length = Math.min(this.#contents.length, operation.position);
  }

  /** Runs one operation that has its place now. */
  async run(
    changes: readonly Change[],
    what: string,
    isDurable: boolean,
    call: () => Promise<unknown>,
  ): Promise<NokvError | undefined> {
    const operation = this.begin(changes, what);
    try {
      await call();
    } catch (error) {
      this.failed(operation, error);
      return error as NokvError;
    }
    this.done(operation, isDurable);
    return undefined;
  }

  /** What is acknowledged now is durable when the returned function is called. */
  beginSync(): () => void {
    const position = this.#acknowledged;
    return () => {
      if (!this.#isFrozen) this.#durable = Math.max(this.#durable, position);
    };
  }

  contentAfter(position: number): Content {
    while (this.#contents.length <= position) {
      const operation = this.#operations[this.#contents.length - 1] as Operation;
      const last = this.#contents[this.#contents.length - 1] as Map<string, Buffer>;
      this.#contents.push(operation.status === 'failed' ? last : applied(last, operation.changes));
    }
    return this.#contents[position] as Content;
  }

  /** The first position from `low` on with this content, or why there is none. */
  match(found: Content, low: number, high = this.issued): number | string {
    const asTold = this.#match(found, low, high);
    if (typeof asTold === 'number') return asTold;
    const doubtful = this.#operations.filter(({ mayHaveFailed }) => mayHaveFailed);
    const before = doubtful.map(({ status }) => status);
    // What failed together stands together: one that waits is refused with those around it.
    for (const isFailed of choices(doubtful.length)) {
      doubtful.forEach((operation, i) => {
        operation.status = isFailed(i) ? 'failed' : (before[i] as Status);
      });
      this.#contents = [new Map()];
      const position = this.#match(found, low, high);
      if (typeof position === 'number') return position;
    }
    doubtful.forEach((operation, i) => {
      operation.status = before[i] as Status;
    });
    this.#contents = [new Map()];
    return asTold;
  }

  /** For the trace: every operation with its keys and what became of it. */
  describe(): string {
    return this.#operations
      .map(({ position, what, status, mayHaveFailed, changes }) => {
        const keys = changes.map((change) =>
          change.type === 'put'
            ? `${change.key}=${change.value.subarray(0, 12).toString('latin1')}${change.isGone === true ? ' gone' : ''}`
            : `${change.type} ${change.type === 'del' ? change.key : `${change.start}-${change.end}`}`,
        );
        return `${position} ${what} ${status}${mayHaveFailed ? '?' : ''}: ${keys.join(', ')}`;
      })
      .join('\n');
  }

  #match(found: Content, low: number, high: number): number | string {
    let closest = { count: Infinity, position: 0, text: '' };
    for (let position = low; position <= high; position++) {
      const texts = differences(this.contentAfter(position), found);
      if (texts.length === 0) return position;
      if (texts.length < closest.count)
        closest = { count: texts.length, position, text: texts.slice(0, 4).join('; ') };
    }
    let elsewhere = '';
    for (let position = 0; position <= this.issued; position++)
      if (differences(this.contentAfter(position), found).length === 0)
        elsewhere = `; it is that of ${position}`;
    return (
      `content matches none of the operations ${low} to ${high}; closest is ${closest.position}: ` +
      `${closest.text}${elsewhere}; next: ${this.#operations
        .slice(closest.position, closest.position + 3)
        .map((o) => `${o.what} ${o.status}`)
        .join(', ')}`
    );
  }
}

/** All choices of a few, of many those that lie side by side. */
function* choices(count: number): Generator<(i: number) => boolean> {
  if (count <= 6) for (let bits = 1; bits < 1 << count; bits++) yield (i) => (bits >> i) % 2 === 1;
  else
    for (let start = 0; start < count; start++)
      for (let end = count; end > start; end--) yield (i) => i >= start && i < end;
}

function applied(content: Content, changes: readonly Change[]): Map<string, Buffer> {
  const next = new Map(content);
  for (const change of changes) {
    if (change.type === 'put') {
      if (change.isGone === true) next.delete(change.key);
      else next.set(change.key, change.value);
    } else if (change.type === 'del') next.delete(change.key);
    else
      for (const key of [...next.keys()])
        if (key >= change.start && key < change.end) next.delete(key);
  }
  return next;
}

export function pick<T>(random: Prng, ...choices: readonly T[]): T {
  return choices[random.below(choices.length)] as T;
}
