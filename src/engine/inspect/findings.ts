/**
 * What an inspection met that is not as it should be, as plain data. Inspectors go on where they can:
 * damage becomes a finding, and everything readable is still read.
 *
 *   damage   bytes that are not what was written: the exit status of a command is that of corruption
 *   format   a file of a newer format than this build reads: nothing is wrong with it as far as one can tell
 *   missing  a file that the manifest names is not there: the same
 *   tail     what a crash, or a writer at work, leaves at the end of a log: the next open cuts it
 *   orphan   a file of ours that nothing refers to: the next open removes it
 *   foreign  a file that is none of ours: never touched
 */
import type { Fs } from '../../base/env.js';
import { CorruptionError, FormatError, IoError } from '../../base/errors.js';
import { familyName, isEncodedKey, userKeyOf } from '../key.js';

export type FindingKind = 'damage' | 'format' | 'missing' | 'tail' | 'orphan' | 'foreign';

/** User keys, both included. */
export interface KeyRange {
  readonly lower: Uint8Array;
  readonly upper: Uint8Array;
  /** The column families of the two, where they differ: the keys by themselves may be the wrong way round then. */
  readonly lower_family?: string;
  readonly upper_family?: string;
}

export interface Finding {
  readonly kind: FindingKind;
  /** Name within the workdir, with '/' between the parts. */
  readonly file: string;
  /** Byte offset in the file. */
  readonly offset: number;
  readonly what: string;
  /** Keys that may be affected. */
  readonly key_range?: KeyRange;
}

/** Findings of one inspection, in the order met, each place once. */
export class FindingList {
  readonly all: Finding[];
  readonly #prefix: string;
  readonly #seen: Set<string>;

  constructor(fs: Fs, workdir: string) {
    this.all = [];
    // The separator is that of the platform.
    this.#prefix = fs.join(workdir, 'x').slice(0, -1);
    this.#seen = new Set();
  }

  /** Damage was met, a file is missing, or one can not be read by this build. */
  get isDamaged(): boolean {
    return this.all.some(({ kind }) => ['damage', 'missing', 'format'].includes(kind));
  }

  /** The name of a path within the workdir. */
  nameOf(path: string): string {
    const name = path.startsWith(this.#prefix) ? path.slice(this.#prefix.length) : path;
    return name.replaceAll('\\', '/');
  }

  /** Adds a finding; `path` is that of the file, or its name in the workdir. */
  add(kind: FindingKind, path: string, offset: number, what: string, keyRange?: KeyRange): void {
    const file = this.nameOf(path);
    const place = `${file} ${offset} ${kind === 'tail' ? kind : ''}`;
    if (this.#seen.has(place)) return;
    this.#seen.add(place);
    this.all.push({
      kind,
      file,
      offset,
      what,
      ...(keyRange === undefined ? {} : { key_range: keyRange }),
    });
  }

  /** Adds what an error says of a file. @throws the error itself when it is about anything else */
  addError(error: unknown, keyRange?: KeyRange): void {
    if (error instanceof CorruptionError) {
      const what = String(error.details['what'] ?? error.message);
      const kind = what === FILE_MISSING ? 'missing' : 'damage';
      this.add(kind, error.file, error.offset, what, keyRange);
      return;
    }
    if (error instanceof FormatError) {
      this.add('format', String(error.details['file'] ?? ''), 0, error.message, keyRange);
      return;
    }
    if (error instanceof IoError && error.errno === 'ENOENT') {
      this.add('missing', error.path, 0, FILE_MISSING, keyRange);
      return;
    }
    if (error instanceof IoError && error.errno === 'EIO') {
      this.add('damage', error.path, 0, 'the disk cannot read it', keyRange);
      return;
    }
    throw error;
  }

  /** Runs a step; what it meets becomes a finding. False when it met something. */
  attempt(step: () => void, keyRange?: KeyRange): boolean {
    try {
      step();
      return true;
    } catch (error) {
      this.addError(error, keyRange);
      return false;
    }
  }
}

export const FILE_MISSING = 'file is missing';

/** The user keys of an encoded range [lower, upper). */
export function keyRangeOf(lower: Uint8Array, upper: Uint8Array): KeyRange {
  const keys = { lower: userKeyOfBound(lower), upper: userKeyOfBound(upper) };
  const [lowerFamily = 0, upperFamily = 0] = [lower[0], upper[0]];
  if (lowerFamily === upperFamily) return keys;
  return {
    ...keys,
    lower_family: familyName(lowerFamily),
    upper_family: familyName(upperFamily),
  };
}

/** A bound is an encoded key, its successor (one zero byte more), or a key cut short by an index. */
function userKeyOfBound(bound: Uint8Array): Uint8Array {
  if (isEncodedKey(bound, 0, bound.length)) return userKeyOf(bound);
  const before = bound.subarray(0, bound.length - 1);
  if (isEncodedKey(before, 0, before.length)) return userKeyOf(before);
  const terminated = new Uint8Array(bound.length + 1);
  terminated.set(bound);
  return bound.length > 1 ? userKeyOf(terminated) : new Uint8Array(0);
}
