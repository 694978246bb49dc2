/**
 * What was written and what of it was promised. Operations are written in the order in which they are
 * issued, so the content after a crash must be that after some operation of the history: at or behind
 * the last one that was promised, whole operations only, nothing else.
 */
import type { Db } from '../../src/engine/db.js';
import type { BatchInput } from '../../src/engine/requests.js';
import type { Durability } from '../../src/engine/options.js';
import { hasCode, NokvError } from '../../src/base/errors.js';

/** Content of a database: values by key. */
export type Content = ReadonlyMap<string, Buffer>;

export type Write =
  | { readonly type: 'put'; readonly key: string; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: string }
  | { readonly type: 'deleteRange'; readonly start: string; readonly end: string };

type Status = 'pending' | 'acknowledged' | 'failed' | 'unknown';

interface Operation {
  readonly writes: readonly Write[];
  status: Status;
}

/** What a crash may leave: the content after operation `low`, or after a later one. */
export interface Promised {
  readonly low: number;
  readonly operations: number;
}

export class History {
  readonly #operations: Operation[];
  /** The contents after 0, 1, 2 ... operations that did not fail; as far as they were asked for. */
  #contents: Map<string, Buffer>[];
  /** Operations from this one on are not in #contents. */
  #applied: number;
  /** Position behind the last operation that survives a kill, and a power loss. */
  #acknowledged: number;
  #durable: number;

  constructor() {
    this.#operations = [];
    this.#contents = [new Map()];
    this.#applied = 0;
    this.#acknowledged = 0;
    this.#durable = 0;
  }

  get issued(): number {
    return this.#operations.length;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  promisedAfterKill(): Promised {
    return { low: this.#acknowledged, operations: this.issued };
  }

  promisedAfterPowerLoss(): Promised {
    return { low: this.#durable, operations: this.issued };
  }

  /** Issues one operation; resolves when it is acknowledged or has failed, and gives the error then. */
  async write(
    db: Db,
    writes: readonly Write[],
    durability: Durability,
  ): Promise<NokvError | undefined> {
    const operation: Operation = { writes, status: 'pending' };
    const position = this.#operations.push(operation);
    try {
      await issue(db, writes, durability);
    } catch (error) {
      if (!(error instanceof NokvError)) throw error;
      operation.status = error.outcome === 'none' ? 'failed' : 'unknown';
      if (operation.status === 'failed') this.#forgetContents(position - 1);
      return error;
    }
    operation.status = 'acknowledged';
    this.#acknowledged = Math.max(this.#acknowledged, position);
    if (durability === 'disk') this.#durable = Math.max(this.#durable, position);
    return undefined;
  }

  /** Everything acknowledged by now will survive a power loss when the returned function is called. */
  beginSync(): () => void {
    const position = this.#acknowledged;
    return () => {
      this.#durable = Math.max(this.#durable, position);
    };
  }

  /** The content that all operations but the failed ones make. */
  latest(): Content {
    return this.#contentAfter(this.issued);
  }

  /**
   * How many operations this content is the result of, or why it is none of the allowed ones.
   */
  match(found: Content, promised: Promised): number | string {
    let closest = { differences: Infinity, position: 0, text: '' };
    for (let position = promised.low; position <= promised.operations; position++) {
      const differences = differencesOf(this.#contentAfter(position), found);
      if (differences.length === 0) return position;
      if (differences.length < closest.differences) {
        const text = differences.slice(0, 4).join('; ');
        closest = { differences: differences.length, position, text };
      }
    }
    return (
      `content matches none of the operations ${promised.low} to ${promised.operations}; ` +
      `closest is ${closest.position}: ${closest.text}`
    );
  }

  /**
   * After a crash that left the content of `position`: operations behind it never happened, those up to it did.
   * Those up to `durable` are durable, the others when the next open has ended.
   */
  rewind(position: number, durable: number): void {
    this.#operations.length = position;
    for (const operation of this.#operations) {
      if (operation.status === 'pending' || operation.status === 'unknown')
        operation.status = 'acknowledged';
    }
    this.#acknowledged = position;
    this.#durable = durable;
    this.#forgetContents(position);
  }

  /** A reopened database was found after `position` operations: what became of the unknown ones is known now. */
  settle(position: number): void {
    this.#operations.forEach((operation, i) => {
      if (operation.status === 'unknown')
        operation.status = i < position ? 'acknowledged' : 'failed';
    });
    this.#forgetContents(0);
  }

  #contentAfter(position: number): Content {
    while (this.#applied < position) {
      const operation = this.#operations[this.#applied++] as Operation;
      const last = this.#contents[this.#contents.length - 1] as Map<string, Buffer>;
      this.#contents.push(operation.status === 'failed' ? last : applied(last, operation.writes));
    }
    return this.#contents[position] as Content;
  }

  #forgetContents(from: number): void {
    if (this.#applied <= from) return;
    this.#applied = from;
    this.#contents.length = from + 1;
  }
}

function issue(db: Db, writes: readonly Write[], durability: Durability): Promise<void> {
  const [only] = writes;
  if (writes.length > 1 || only === undefined) {
    return db.batch(
      writes.map((write): BatchInput => write),
      { durability },
    );
  }
  switch (only.type) {
    case 'put':
      return db.put(only.key, only.value, { durability });
    case 'del':
      return db.del(only.key, { durability });
    case 'deleteRange':
      return db.deleteRange(only.start, only.end, { durability });
  }
}

function applied(content: Content, writes: readonly Write[]): Map<string, Buffer> {
  const next = new Map(content);
  for (const write of writes) {
    if (write.type === 'put') next.set(write.key, write.value);
    else if (write.type === 'del') next.delete(write.key);
    else for (const key of content.keys()) if (isCovered(key, write)) next.delete(key);
    // A range delete covers what earlier writes of the same batch put, too.
    if (write.type === 'deleteRange')
      for (const key of [...next.keys()]) if (isCovered(key, write)) next.delete(key);
  }
  return next;
}

function isCovered(key: string, range: { readonly start: string; readonly end: string }): boolean {
  return key >= range.start && key < range.end;
}

function differencesOf(expected: Content, found: Content): string[] {
  const differences: string[] = [];
  for (const [key, value] of expected) {
    const other = found.get(key);
    if (other === undefined || Buffer.compare(other, value) !== 0) {
      differences.push(`${key} is ${show(other)}, expected ${show(value)}`);
    }
  }
  for (const [key, value] of found) {
    if (!expected.has(key)) differences.push(`${key} is ${show(value)}, expected nothing`);
  }
  return differences;
}

function show(value: Buffer | undefined): string {
  if (value === undefined) return 'nothing';
  return `${value.length} bytes "${value.subarray(0, 12).toString('latin1')}"`;
}

/** Reads everything by scan, and again key by key. @throws NokvError; Error when the two differ */
export function readContent(db: Db): Content {
  const content = new Map<string, Buffer>();
  for (const { key, value } of db.scan()) {
    content.set(Buffer.from(key).toString('latin1'), Buffer.from(value));
  }
  for (const [key, value] of content) {
    const got = db.get(key);
    if (got === undefined || Buffer.compare(got, value) !== 0) {
      throw new Error(`get and scan differ at ${key}`);
    }
  }
  return content;
}

/** The error is one that an operator can act on: a NokvError that names a file of the workdir, in itself or a cause. */
export function namesFile(error: unknown): boolean {
  let current: unknown = error;
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    if (current instanceof NokvError) {
      const { file, path } = current.details;
      if (typeof file === 'string' || typeof path === 'string') return true;
    }
    current = current.cause;
  }
  return hasCode(error, 'NOKV_CLOSED');
}
