/**
 * Picker scenarios as text: testdata/picker.txt. A tree is one line per level, L0 newest first:
 *
 *     L0: 5:[a .. m] bytes=64 seqs=10-20 tombs=3 entries=9
 *
 * A table is NUMBER:[LOWER .. UPPER) of one-letter-or-more keys; attributes follow until the next table. Sizes
 * are in MiB. Attributes: bytes (64), seqs=min-max (1-1), entries (100), tombs, rdels, stale (MiB),
 * expiry, created, vlog=FILE,... ; `busy` marks a table that a running job holds.
 *
 * Commands: `pick` and `manual` (from=, to=) show the plan; `shape` shows base level, targets and scores.
 * Arguments: l0-trigger (4), base (MiB, 2048), table (MiB, 64), policy, pinned=seq,..., keep-from,
 * floor, now, empty=FILE,..., idle.
 */
import { describe, expect, it } from 'vitest';
import { MIB, SEQ_MAX } from '../../../src/base/limits.js';
import { Claims } from '../../../src/engine/compaction/claims.js';
import {
  type CompactionInput,
  type CompactionPick,
  pickCompaction,
  pickManual,
  type PickContext,
  type PickOptions,
} from '../../../src/engine/compaction/picker.js';
import { tablesOf, treeShape, type Tree } from '../../../src/engine/compaction/score.js';
import type { TableMeta } from '../../../src/engine/table-meta.js';
import { type DataCase, runDataDriven } from '../../datadriven.js';
import { tableMeta } from '../table-metas.js';

const utf8 = new TextEncoder();

interface Scenario {
  readonly tree: Tree;
  readonly busy: readonly CompactionInput[];
}

function parseTable(text: string): { meta: TableMeta; isBusy: boolean } {
  const match = /^(\d+):\[(\S+) \.\. (\S+?)\)(.*)$/.exec(text.trim());
  if (match === null) throw new Error(`not a table: ${text}`);
  const words = (match[4] as string).trim().split(/\s+/);
  const values = new Map(words.map((word) => word.split('=') as [string, string]));
  const number = (name: string, initial: number): number => Number(values.get(name) ?? initial);
  const [minSeq, maxSeq] = (values.get('seqs') ?? '1-1').split('-').map(Number) as [number, number];
  const files = (values.get('vlog') ?? '').split(',').filter((file) => file !== '');
  const meta = tableMeta({
    fileNumber: Number(match[1]),
    lower: utf8.encode(match[2]),
    upper: utf8.encode(match[3]),
    bytes: number('bytes', 64) * MIB,
    rawBytes: number('bytes', 64) * MIB,
    entries: number('entries', 100),
    tombstones: number('tombs', 0),
    rangeTombstones: number('rdels', 0),
    staleBytes: number('stale', 0) * MIB,
    earliestExpiry: number('expiry', 0),
    createdMs: number('created', 0),
    minSeq,
    maxSeq,
    valueLog: files.map((file) => ({ fileNumber: Number(file), bytes: 1, count: 1 })),
  });
  return { meta, isBusy: values.has('busy') };
}

function parseTree(lines: readonly string[]): Scenario {
  const levels: TableMeta[][] = [[], [], [], [], [], [], []];
  const busy: CompactionInput[] = [];
  for (const line of lines) {
    const match = /^L(\d): (.*)$/.exec(line);
    if (match === null) throw new Error(`not a level: ${line}`);
    const level = Number(match[1]);
    for (const text of (match[2] as string).split(/\s+(?=\d+:\[)/)) {
      const { meta, isBusy } = parseTable(text);
      (levels[level] as TableMeta[]).push(meta);
      if (isBusy) busy.push({ level, meta });
    }
  }
  return { tree: { levels }, busy };
}

function optionsOf({ args }: DataCase): PickOptions {
  return {
    l0CompactionTrigger: Number(args.get('l0-trigger') ?? 4),
    baseLevelBytes: Number(args.get('base') ?? 2048) * MIB,
    tableBytes: Number(args.get('table') ?? 64) * MIB,
    compactionPolicy: (args.get('policy') ?? 'leveled') as PickOptions['compactionPolicy'],
  };
}

function contextOf({ args }: DataCase, busy: readonly CompactionInput[]): PickContext {
  const claims = new Claims();
  for (const input of busy) {
    const { lower, upper } = input.meta;
    claims.claim({ inputs: [input], outputLevel: input.level, lower, upper });
  }
  const numbers = (name: string, initial: string): number[] =>
    (args.get(name) ?? initial).split(',').filter(Boolean).map(Number);
  return {
    claims,
    retention: {
      pinnedSeqs: numbers('pinned', '1000'),
      keepVersionsFrom: Number(args.get('keep-from') ?? SEQ_MAX),
      tombstoneFloor: Number(args.get('floor') ?? SEQ_MAX),
      nowMs: Number(args.get('now') ?? 0),
    },
    valueLogsToEmpty: new Set(numbers('empty', '')),
    isIdle: args.has('idle'),
  };
}

function showPick(pick: CompactionPick | undefined): string {
  if (pick === undefined) return 'nothing';
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  const levels = [...new Set(pick.inputs.map((input) => input.level))];
  const files = levels.map((level) =>
    pick.inputs
      .filter((input) => input.level === level)
      .map((input) => input.meta.fileNumber)
      .join(' '),
  );
  const older = pick.olderRanges.map((range) => `[${text(range.lower)} .. ${text(range.upper)})`);
  return [
    `${levels.map((level) => `L${level}`).join('+')} -> L${pick.outputLevel}`,
    pick.reason,
    `score=${pick.score.toFixed(2)}`,
    `inputs=(${files.join(' | ')})`,
    `range=[${text(pick.lower)} .. ${text(pick.upper)})`,
    ...(pick.isMove ? ['move'] : []),
    ...(pick.valueLogsToEmpty.length > 0 ? [`empty=(${pick.valueLogsToEmpty.join(' ')})`] : []),
    ...(older.length > 0 ? [`older=${older.join(' ')}`] : []),
  ].join('  ');
}

function showShape(tree: Tree, options: PickOptions, claims: Claims): string {
  const { baseLevel, scores } = treeShape(tree, options, claims);
  const filled = scores.filter(({ bytes, level }) => bytes > 0 || level === baseLevel);
  const mib = (bytes: number): string => (bytes / MIB).toFixed(0);
  return [
    `base=L${baseLevel}`,
    ...filled.map(
      ({ level, score, bytes, target }) =>
        `L${level}: score=${score.toFixed(2)} bytes=${mib(bytes)} target=${mib(target)}`,
    ),
  ].join('\n');
}

function handle(run: DataCase): string {
  const { tree, busy } = parseTree(run.input);
  const options = optionsOf(run);
  const context = contextOf(run, busy);
  switch (run.command) {
    case 'pick':
      return showPick(pickCompaction(tree, options, context));
    case 'manual': {
      const range = {
        lower: utf8.encode(run.args.get('from') ?? ''),
        upper: utf8.encode(run.args.get('to') ?? '~'),
      };
      return showPick(pickManual(tree, options, context, range, SEQ_MAX));
    }
    case 'shape':
      return showShape(tree, options, context.claims);
    default:
      throw new Error(`unknown command ${run.command}`);
  }
}

/** Pieces that are written when so many tables of one piece each, neighbours, are compacted by hand. */
function writtenByHand(count: number): { written: number; left: number } {
  const key = (i: number): Uint8Array => utf8.encode(String(i).padStart(6, '0'));
  const nothing: DataCase = { command: '', args: new Map(), input: [] };
  const [options, context] = [optionsOf(nothing), contextOf(nothing, [])];
  const tables = Array.from({ length: count }, (_, i) =>
    tableMeta({ fileNumber: i + 1, lower: key(i), upper: key(i + 1) }),
  );
  for (let written = 0; ;) {
    const tree = { levels: [[], [], [], [], [], [], tables] };
    const all = { lower: key(0), upper: key(count) };
    const pick = pickManual(tree, options, context, all, SEQ_MAX);
    if (pick === undefined) return { written, left: tables.length };
    const { inputs, lower, upper } = pick;
    const entries = inputs.reduce((sum, { meta }) => sum + meta.entries, 0);
    written += entries;
    const joined = tableMeta({ fileNumber: count + written, lower, upper, entries });
    tables.splice(tables.indexOf((inputs[0] as CompactionInput).meta), inputs.length, joined);
  }
}

describe('pickManual', () => {
  it('joins thousands of tables without writing each of them dozens of times', () => {
    const { written, left } = writtenByHand(4000);
    expect(left).toBe(1);
    expect(written).toBeLessThan(10 * 4000);
  });
});

describe('pickCompaction', () => {
  it('plans as the scenarios say', () => {
    runDataDriven(new URL('testdata/picker.txt', import.meta.url), handle);
  });
});

describe('Claims', () => {
  it('release gives back files and ranges, also when input and output level are the same', () => {
    const { tree } = parseTree(['L6: 1:[a .. c) 2:[d .. f)']);
    const [one, two] = tablesOf(tree, 6) as [TableMeta, TableMeta];
    const claims = new Claims();
    const job = (meta: TableMeta) => ({
      inputs: [{ level: 6, meta }],
      outputLevel: 6,
      lower: meta.lower,
      upper: meta.upper,
    });
    const first = claims.claim(job(one));
    const second = claims.claim(job(two));
    expect([claims.hasTable(one), claims.hasRange(6, one), claims.hasRange(5, one)]).toEqual([
      true,
      true,
      false,
    ]);
    claims.release(first);
    expect([claims.hasTable(one), claims.hasRange(6, one), claims.hasRange(6, two)]).toEqual([
      false,
      false,
      true,
    ]);
    claims.release(second);
    expect([claims.count, claims.hasRange(6, two)]).toEqual([0, false]);
    expect(() => claims.release(second)).toThrow('released twice');
  });
});
