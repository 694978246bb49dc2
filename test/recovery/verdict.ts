/**
 * What opening a workdir comes to, as one line: opened, and with what, or refused with code, file and offset.
 * A case of the recovery matrix says which verdict it expects; any other is a deviation.
 */
import { NokvError } from '../../src/base/errors.js';
import type { OpenOptions } from '../../src/engine/options.js';
import type { MemFs } from '../../src/env/mem-fs.js';
import { CrashChecker } from '../crash/crash-check.js';
import type { History } from '../crash/history.js';
import { readContent } from '../crash/history.js';
import { abandon, openOn, WORKDIR } from '../crash/simulation.js';

/** A disk, what was written to it, and what opening it must come to. */
export interface Situation {
  readonly fs: MemFs;
  readonly options: OpenOptions;
  readonly history: History;
  readonly expected: Expected;
}

export type Expected =
  /** Everything that was written is there. `orphans`: files removed, exactly. */
  | { readonly opens: 'whole'; readonly orphans?: number }
  /** All operations up to `low` are there, the log lost its end, and the report says so. */
  | { readonly opens: 'cut'; readonly low: number }
  /** An empty database, where none had been finished. */
  | { readonly opens: 'new' }
  | {
      readonly refused: string;
      /** Name of the file below the workdir; undefined: the error is about no file. */
      readonly file?: string;
      /** Highest offset that names the damage: errors name the start of the record or block. */
      readonly offsetMax?: number;
    };

export interface Verdict {
  readonly text: string;
  /** undefined: as expected. */
  readonly deviation: string | undefined;
}

/** Opens the disk, reads everything, and where it opens goes on with it: again after a kill, then writes and closes. */
export async function verdictOf(situation: Situation): Promise<Verdict> {
  const { fs, options } = situation;
  const untouched = fs.clone();
  let opened;
  try {
    // Not a copy: locks stay behind with the disk.
    opened = await openOn(fs, options);
    const content = readContent(opened.db);
    const report = opened.db.recovery;
    abandon(opened);
    const { issued } = situation.history;
    const found = situation.history.match(content, { low: 0, operations: issued });
    const text =
      typeof found === 'string'
        ? 'opened with wrong content'
        : `opened: ${report.isNew ? 'new' : `${found} of ${issued} operations`}` +
          (report.walTornBytes > 0 ? `, ${report.walTornBytes} bytes of the log cut` : '') +
          (report.walLostSegments > 0 ? `, ${report.walLostSegments} segments lost` : '') +
          (report.orphansRemoved > 0 ? `, ${report.orphansRemoved} orphans removed` : '');
    if (typeof found === 'string') return { text, deviation: found };
    const isTold = report.walTornBytes + report.walLostSegments > 0;
    const deviation =
      deviationOfOpen(situation, {
        found,
        isTold,
        isNew: report.isNew,
        orphans: report.orphansRemoved,
      }) ?? (await goOn({ ...situation, fs: untouched }, found));
    return { text, deviation };
  } catch (error) {
    if (opened !== undefined) abandon(opened);
    if (!(error instanceof NokvError)) throw error;
    return refusal(error, situation.expected, opened !== undefined);
  }
}

interface Found {
  readonly found: number;
  readonly isTold: boolean;
  readonly isNew: boolean;
  readonly orphans: number;
}

function deviationOfOpen({ expected, history }: Situation, is: Found): string | undefined {
  if ('refused' in expected) return `expected to be refused with ${expected.refused}`;
  switch (expected.opens) {
    case 'new':
      return is.isNew ? undefined : 'expected a new database';
    case 'whole': {
      if (is.isNew && history.issued > 0) return 'expected an old database';
      if (is.found < history.issued) return 'expected every operation';
      if (expected.orphans === undefined || expected.orphans === is.orphans) return undefined;
      return `expected ${expected.orphans} orphans to be removed`;
    }
    case 'cut': {
      if (is.found < expected.low) return `expected at least ${expected.low} operations`;
      if (is.found === history.issued) return 'expected the log to lose its end';
      return is.isTold ? undefined : 'the report says nothing of the loss';
    }
  }
}

/** Opened twice, written to, closed: crash-check.ts. */
async function goOn(
  { fs, options, history }: Situation,
  found: number,
): Promise<string | undefined> {
  // The checker takes a file that nobody names for a left-over.
  for (const name of ['MODE.json', 'README.txt']) {
    const path = `${WORKDIR}/${name}`;
    if (fs.stat(path) !== undefined) fs.remove(path);
  }
  const checker = new CrashChecker(history, options);
  checker.add(fs, { low: found, operations: found }, 'going on');
  try {
    await checker.drain();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function refusal(error: NokvError, expected: Expected, isAtRead: boolean): Verdict {
  const { file, path, offset } = error.details;
  const named = String(file ?? path ?? '').replace(`${WORKDIR}/`, '');
  const where =
    named === '' ? '' : `: ${named}${offset === undefined ? '' : ` at ${String(offset)}`}`;
  const text = `refused${isAtRead ? ' at the first read' : ''}: ${error.code}${where}`;
  return { text, deviation: deviationOfRefusal(error, expected, named, offset) };
}

function deviationOfRefusal(
  error: NokvError,
  expected: Expected,
  named: string,
  offset: unknown,
): string | undefined {
  if (!('refused' in expected)) return `expected to open; ${error.message}`;
  if (error.code !== expected.refused) return `expected ${expected.refused}; ${error.message}`;
  if (expected.file !== undefined && named !== expected.file) return `expected ${expected.file}`;
  if (expected.offsetMax === undefined) return undefined;
  const isNear = typeof offset === 'number' && offset <= expected.offsetMax;
  return isNear ? undefined : `expected an offset up to ${expected.offsetMax}`;
}
