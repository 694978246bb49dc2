/**
 * Results as text, CSV and JSON. The table has the columns of the reference; more figures are in CSV
 * and JSON. With several rounds the figures are medians, and every round's throughput stands beside.
 */
import type { Comparison } from './compare.js';
import { formatChange } from './compare.js';
import { type BenchRow, COLUMNS, type JsonRow, medianRows, rowName, toJsonRow } from './rows.js';

export interface ReportColumn {
  readonly name: string;
  readonly align: 'left' | 'right';
}

const LEFT = new Set(['ENGINE', 'OPERATION', 'MODE', 'ROUNDS (OPS/S)']);
const MEGABYTE = 1024 * 1024;

type TableCell = readonly [name: string, text: (row: BenchRow) => string];

const TABLE: readonly TableCell[] = [
  ['ENGINE', (row) => row.engine],
  ['OPERATION', rowName],
  ['MODE', (row) => row.mode],
  ['OPS/S', (row) => formatInteger(row.opsPerSec)],
  ['AVG LATENCY', (row) => formatNs(row.avgNs)],
  ['P50', (row) => formatNs(row.p50Ns)],
  ['P95', (row) => formatNs(row.p95Ns)],
  ['P99', (row) => formatNs(row.p99Ns)],
  ['TOTAL OPS', (row) => formatInteger(row.ops)],
  ['READS', (row) => formatInteger(row.reads)],
  ['UPDATES', (row) => formatInteger(row.updates)],
  ['INSERTS', (row) => formatInteger(row.inserts)],
  ['SCANS', (row) => formatInteger(row.scans)],
  ['SCAN ITEMS', (row) => formatInteger(row.scanItems)],
  ['RMW', (row) => formatInteger(row.rmw)],
  ['VAL AVG', (row) => formatInteger(row.valAvg)],
  ['VAL P95', (row) => formatInteger(row.valP95)],
  ['DATA (MB)', (row) => (row.dataBytes / MEGABYTE).toFixed(2)],
  ['DURATION', (row) => formatNs(row.durationNs)],
];

const MACHINE_TABLE: readonly TableCell[] = [
  ['ENGINE', (row) => row.engine],
  ['OPERATION', rowName],
  ['P99.9', (row) => formatNs(row.p999Ns)],
  ['MAX', (row) => formatNs(row.maxNs)],
  ['SETTLE', (row) => formatNs(row.settleNs)],
  ['CPU', (row) => formatNs(row.cpuMs * 1e6)],
  ['RSS (MB)', (row) => formatInteger(row.rssPeakBytes / MEGABYTE)],
  ['RSS BASE (MB)', (row) => formatInteger(row.rssBaseBytes / MEGABYTE)],
  ['DISK (MB)', (row) => formatInteger(row.diskBytes / MEGABYTE)],
  ['WRITE AMP', (row) => row.writeAmplification?.toFixed(2) ?? '-'],
  ['MISSES', (row) => formatInteger(row.misses)],
];

export interface TextTable {
  readonly columns: readonly ReportColumn[];
  readonly rows: readonly (readonly string[])[];
}

/** The reference's table of `medians`; with more than one round also the throughput of each. */
export function summaryTable(medians: readonly BenchRow[], rounds: readonly BenchRow[]): TextTable {
  const base = textTable(TABLE, medians);
  if (!rounds.some((row) => row.round > 1)) return base;
  return {
    columns: [...base.columns, { name: 'ROUNDS (OPS/S)', align: 'left' }],
    rows: base.rows.map((cells, i) => [...cells, roundsText(medians[i] as BenchRow, rounds)]),
  };
}

/** Tail, memory, CPU, disk. */
export function machineTable(medians: readonly BenchRow[]): TextTable {
  return textTable(MACHINE_TABLE, medians);
}

export function comparisonTable(comparison: Comparison): TextTable {
  return {
    columns: [
      { name: 'ENGINE', align: 'left' },
      { name: 'WORKLOAD', align: 'left' },
      { name: 'OPS/S', align: 'right' },
      { name: 'BASE', align: 'right' },
      { name: 'CHANGE', align: 'right' },
      { name: 'VERDICT', align: 'left' },
    ],
    rows: comparison.rows.map((row) => [
      row.engine,
      row.workload,
      formatInteger(row.opsPerSec),
      formatInteger(row.baseOpsPerSec),
      formatChange(row.ratio),
      row.isSlower ? 'slower' : 'ok',
    ]),
  };
}

/** Plain text of a table: two spaces between columns, no trailing blanks. */
export function tableText(table: TextTable): string {
  const widths = table.columns.map((column, i) =>
    Math.max(column.name.length, ...table.rows.map((row) => (row[i] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => {
        const width = widths[i] as number;
        return table.columns[i]?.align === 'right' ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [line(table.columns.map((column) => column.name)), ...table.rows.map(line)].join('\n');
}

/** CSV (RFC 4180 quoting, LF): the rows of every round, in the order they ran. */
export function csvText(rows: readonly BenchRow[]): string {
  const lines = [COLUMNS.map((column) => column.name)];
  for (const row of rows) lines.push(COLUMNS.map((column) => csvCell(column.of(row))));
  return lines.map((cells) => cells.join(',')).join('\n') + '\n';
}

/** All names in snake case. */
export interface JsonReport {
  /** What was asked for: RunSettings, engines, rounds. */
  readonly settings: unknown;
  readonly machine: Readonly<Record<string, string | number>>;
  /** Medians over the rounds, one row per engine and workload. */
  readonly rows: readonly JsonRow[];
  /** Every row of every round, in the order they ran. */
  readonly rounds: readonly JsonRow[];
  /** Comparison, or null when nothing was compared. */
  readonly comparison: unknown;
}

/** What surrounds the rows. */
export interface ReportContext {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly comparison: Comparison | null;
}

export function jsonReport(rounds: readonly BenchRow[], context: ReportContext): JsonReport {
  return {
    settings: inSnakeCase(context.settings),
    machine: context.machine,
    rows: medianRows(rounds).map(toJsonRow),
    rounds: rounds.map(toJsonRow),
    comparison: inSnakeCase(context.comparison),
  };
}

/** Nanoseconds with a unit and three digits: "812 ns", "1.24 us", "38.0 ms", "2.41 s". */
export function formatNs(ns: number): string {
  if (ns < 999.5) return `${ns.toFixed(0)} ns`;
  if (ns < 999.5e3) return `${threeDigits(ns / 1e3)} us`;
  if (ns < 999.5e6) return `${threeDigits(ns / 1e6)} ms`;
  return `${threeDigits(ns / 1e9)} s`;
}

/** "1,234,567". */
export function formatInteger(value: number): string {
  return value.toFixed(0).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

/** Plain data with the names of its fields in snake case. */
function inSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inSnakeCase);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, inner]): [string, unknown] => [
    name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    inSnakeCase(inner),
  ]);
  return Object.fromEntries(entries);
}

function threeDigits(value: number): string {
  if (value < 9.995) return value.toFixed(2);
  return value < 99.95 ? value.toFixed(1) : value.toFixed(0);
}

function textTable(cells: readonly TableCell[], rows: readonly BenchRow[]): TextTable {
  return {
    columns: cells.map(([name]) => ({ name, align: LEFT.has(name) ? 'left' : 'right' })),
    rows: rows.map((row) => cells.map(([, text]) => text(row))),
  };
}

function roundsText(median: BenchRow, rounds: readonly BenchRow[]): string {
  return rounds
    .filter((row) => row.engine === median.engine && row.workload === median.workload)
    .map((row) => formatInteger(row.opsPerSec))
    .join(' ');
}

function csvCell(value: string | number | null): string {
  if (value === null) return '';
  const text = String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
