/**
 * Checks one disk that a crash left: it opens, holds what was promised, opens again to the same, gives no
 * file number twice, keeps nothing that the manifest does not name, and goes on working.
 *
 * Many crashes recover to one and the same disk. What comes after the first open depends on that disk alone, so it is
 * done once for each.
 */
import { parseFileName } from '../../src/engine/file-names.js';
import type { OpenOptions } from '../../src/engine/options.js';
import type { MemFs } from '../../src/env/mem-fs.js';
import { type Content, type History, type Promised, readContent } from './history.js';
import {
  filesBelow,
  fingerprint,
  highestFileNumber,
  namedFiles,
  abandon,
  type Opened,
  openOn,
} from './simulation.js';

/** A disk to look at later, because opening it takes turns that the crashed process must not get. */
export interface Crashed {
  readonly fs: MemFs;
  readonly promised: Promised;
  readonly what: string;
}

export class CrashChecker {
  /** Disks that were opened. */
  checked: number;
  /** Disks equal to one that was opened with the same promises. */
  repeated: number;
  readonly #history: History;
  readonly #options: OpenOptions;
  /** Fingerprints, with the highest `low` they were checked for. */
  readonly #seen: Map<string, number>;
  /** What recovery left, and how many operations were found in it: the rest of the check is done. */
  readonly #recovered: Set<string>;
  #queue: Crashed[];

  constructor(history: History, options: OpenOptions) {
    this.checked = 0;
    this.repeated = 0;
    this.#history = history;
    this.#options = options;
    this.#seen = new Map();
    this.#recovered = new Set();
    this.#queue = [];
  }

  /** Takes a disk, unless an equal one was checked for as much. */
  add(fs: MemFs, promised: Promised, what: string): void {
    const key = `${fs.bootCount} ${fingerprint(fs)}`;
    if ((this.#seen.get(key) ?? -1) >= promised.low) {
      this.repeated++;
      return;
    }
    this.#seen.set(key, promised.low);
    this.#queue.push({ fs, promised, what });
  }

  /** Checks everything taken so far. @throws Error naming the crash */
  async drain(): Promise<void> {
    const queue = this.#queue;
    this.#queue = [];
    for (const crashed of queue) {
      this.checked++;
      try {
        const isKnown = this.#isKnown.bind(this);
        await checkCrashed(crashed, this.#history, this.#options, isKnown);
      } catch (error) {
        throw new Error(
          `${crashed.what}: ${error instanceof Error ? error.message : String(error)}`,
          {
            cause: error,
          },
        );
      }
    }
  }

  #isKnown(fs: MemFs, found: number): boolean {
    const key = `${found} ${fs.bootCount} ${fingerprint(fs)}`;
    if (this.#recovered.has(key)) return true;
    this.#recovered.add(key);
    return false;
  }
}

/**
 * Opens, compares, dies again, opens again, closes; returns how many operations were found. `isKnown`: was a disk with
 * this content, left by the first open, gone on with before?
 */
export async function checkCrashed(
  { fs, promised }: Crashed,
  history: History,
  options: OpenOptions,
  isKnown: (fs: MemFs, found: number) => boolean = () => false,
): Promise<number> {
  const numbers = watchNumbers(fs);
  const opened = await openOn(fs, options);
  const found = history.match(readContent(opened.db), promised);
  if (typeof found === 'string') throw new Error(found);
  numbers.mustBeFresh(opened.db.recovery.isNew);
  const again = fs.killClone();
  abandon(opened);
  if (isKnown(again, found)) return found;
  const second = await openOn(again, options);
  const exactly = { low: found, operations: found };
  const content = readContent(second.db);
  mustMatch(history, content, exactly, 'opened twice');
  await goOn(second, again, options, content);
  return found;
}

function mustMatch(history: History, content: Content, promised: Promised, when: string): void {
  const found = history.match(content, promised);
  if (typeof found === 'string') throw new Error(`${when}: ${found}`);
}

/** Writes, settles, closes; only named files are left, and the next open finds the close clean. */
async function goOn(
  { db }: Opened,
  fs: MemFs,
  options: OpenOptions,
  before: Content,
): Promise<void> {
  await db.put('after', 'crash');
  await db.put('later', Buffer.alloc(400, 'l'));
  await db.settle();
  await db.close();
  const files = filesBelow(fs, '/db').sort();
  const named = namedFiles(fs);
  if (files.join() !== named.join()) {
    throw new Error(`files after the close: ${files.join(' ')}; named: ${named.join(' ')}`);
  }
  const { db: third } = await openOn(fs, options);
  if (!third.recovery.wasCleanClose) throw new Error('the close was not clean');
  const after = readContent(third);
  await third.close();
  if (after.size !== before.size + 2) throw new Error(`${after.size} rows, not ${before.size + 2}`);
  for (const [key, value] of before) {
    if (after.get(key)?.equals(value) !== true) throw new Error(`${key} changed by going on`);
  }
}

/** Sees to it that no file gets a number that is on the disk already. */
function watchNumbers(fs: MemFs): { mustBeFresh: (isNew: boolean) => void } {
  const highest = highestFileNumber(fs);
  const created: number[] = [];
  fs.onOperation = ({ op, path }, when) => {
    if (op !== 'create' || when !== 'before') return;
    const name = parseFileName(path.slice(path.lastIndexOf('/') + 1));
    if (name !== undefined) created.push(name.fileNumber);
  };
  return {
    mustBeFresh(isNew) {
      fs.onOperation = undefined;
      const reused = created.filter((number) => number <= highest);
      // Without CURRENT there is no database yet, and nothing refers to what is there.
      if (!isNew && reused.length > 0) throw new Error(`file numbers reused: ${reused.join(' ')}`);
    },
  };
}
