/**
 * A run against an older one: the JSON of `nokv bench ycsb --json`, or any document with its rows.
 * Rows meet by engine and workload; what only one side has is reported and fails nothing, unless no row meets another.
 */
import { NokvError } from '../base/errors.js';
import type { BenchRow } from './rows.js';
import { invalid } from './workloads.js';

export interface BaseRow {
  readonly engine: string;
  readonly workload: string;
  readonly opsPerSec: number;
}

export interface ComparedRow {
  readonly engine: string;
  readonly workload: string;
  readonly opsPerSec: number;
  readonly baseOpsPerSec: number;
  /** opsPerSec / baseOpsPerSec. */
  readonly ratio: number;
  /** Slower than the limit allows. */
  readonly isSlower: boolean;
}

export interface Comparison {
  /** Loss that is still accepted, 0 to 1. */
  readonly limit: number;
  readonly rows: readonly ComparedRow[];
  /** "engine workload" of rows without a partner. */
  readonly onlyHere: readonly string[];
  readonly onlyInBase: readonly string[];
}

/** Settings that need not be the same: rows meet by name. */
const OF_ROWS: ReadonlySet<string> = new Set(['workloads', 'engines', 'rounds']);

/** Share from "10%", "10 %" or "0.1". @throws NokvError NOKV_INVALID. */
export function parseShare(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(%?)\s*$/.exec(text);
  const value = match === null ? NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1);
  if (value >= 0 && value < 1) return value;
  throw invalid(`"${text}" is not a share`, 'Write it as 10% or 0.1, below 100%');
}

/** Takes the envelope of --json, its `data`, or `{rows: [...]}`. @throws NokvError NOKV_INVALID. */
export function parseBase(text: string): BaseRow[] {
  const document = field(parseJson(text), 'data') ?? parseJson(text);
  const rows = field(document, 'rows');
  if (!Array.isArray(rows)) throw notResults();
  return rows.map((row: unknown) => {
    const engine = field(row, 'engine');
    const workload = field(row, 'workload');
    const opsPerSec = field(row, 'ops_per_sec');
    if (
      typeof engine !== 'string' ||
      typeof workload !== 'string' ||
      typeof opsPerSec !== 'number'
    ) {
      throw notResults();
    }
    return { engine, workload, opsPerSec };
  });
}

/**
 * "records: 1000, in the base 2000" of every setting that makes rows differ and is another one in the base. `settings`
 * as --json prints them. A base without settings differs in none.
 */
export function differentSettings(text: string, settings: unknown): string[] {
  const document = field(parseJson(text), 'data') ?? parseJson(text);
  const inBase = field(document, 'settings');
  if (typeof inBase !== 'object' || inBase === null) return [];
  const here = new Map(settingsIn(settings));
  const there = new Map(settingsIn(inBase));
  const names = new Set([...here.keys(), ...there.keys()]);
  const shown = (value: string | undefined): string => value ?? 'none';
  return [...names]
    .filter((name) => here.get(name) !== there.get(name))
    .map((name) => `${name}: ${shown(here.get(name))}, in the base ${shown(there.get(name))}`);
}

export function compareRows(
  rows: readonly BenchRow[],
  base: readonly BaseRow[],
  limit: number,
): Comparison {
  const label = (row: BaseRow): string => `${row.engine} ${row.workload}`;
  const baseByLabel = new Map(base.map((row) => [label(row), row]));
  const compared: ComparedRow[] = [];
  const onlyHere: string[] = [];
  for (const row of rows) {
    const partner = baseByLabel.get(label(row));
    baseByLabel.delete(label(row));
    if (partner === undefined || partner.opsPerSec <= 0) onlyHere.push(label(row));
    else compared.push(compareRow(row, partner, limit));
  }
  return { limit, rows: compared, onlyHere, onlyInBase: [...baseByLabel.keys()] };
}

/** The error that a slower run ends with, or one that met no row of the base; undefined when all is well. */
export function comparisonFailure(comparison: Comparison): NokvError | undefined {
  if (comparison.rows.length === 0) {
    return new NokvError('NOKV_INVALID', 'Cannot compare: the base has no row of this run', {
      hint: 'Run the workloads and engines that the base has',
      details: {
        only_here: comparison.onlyHere.join(', '),
        only_in_base: comparison.onlyInBase.join(', '),
      },
    });
  }
  const slower = comparison.rows.filter((row) => row.isSlower);
  if (slower.length === 0) return undefined;
  const list = slower
    .map((row) => `${row.engine} ${row.workload} ${formatChange(row.ratio)}`)
    .join(', ');
  return new NokvError('NOKV_UNHEALTHY', `Slower than the base by more than the limit: ${list}`, {
    hint: 'Repeat the run with more --rounds on a quiet machine before you believe it',
    details: { limit: comparison.limit, slower: slower.length },
  });
}

/** "-12.3 %". */
export function formatChange(ratio: number): string {
  const percent = (ratio - 1) * 100;
  return `${percent < 0 ? '' : '+'}${percent.toFixed(1)} %`;
}

/** Paths and values of all settings but those that say which rows there are, and how often. */
function* settingsIn(value: unknown, path = ''): Generator<[string, string], void, void> {
  if (typeof value !== 'object' || value === null) {
    yield [path, JSON.stringify(value)];
    return;
  }
  for (const [name, inner] of Object.entries(value)) {
    if (path !== '') yield* settingsIn(inner, `${path}.${name}`);
    else if (!OF_ROWS.has(name)) yield* settingsIn(inner, name);
  }
}

function compareRow(row: BenchRow, base: BaseRow, limit: number): ComparedRow {
  const ratio = row.opsPerSec / base.opsPerSec;
  return {
    engine: row.engine,
    workload: row.workload,
    opsPerSec: row.opsPerSec,
    baseOpsPerSec: base.opsPerSec,
    ratio,
    isSlower: ratio < 1 - limit,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw notResults();
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

function notResults(): NokvError {
  return invalid('the base has no benchmark rows', 'Give the output of "nokv bench ycsb --json"');
}
