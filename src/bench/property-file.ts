/**
 * YCSB core property files ("workloada" and friends): Java properties, of which the ones that mean
 * something to a single-table key-value run are taken. Everything else is reported, never guessed.
 */
import type { NokvError } from '../base/errors.js';
import { CHOOSER_DEFAULTS, type ChooserOptions } from './choosers.js';
import type { InsertOrder } from './keys.js';
import {
  DISTRIBUTIONS,
  type Distribution,
  type Operation,
  type Workload,
  invalid,
  normalizeMix,
} from './workloads.js';

export interface PropertyFile {
  readonly workload: Workload;
  readonly chooser: ChooserOptions;
  /** What the file does not say is undefined. */
  readonly records: number | undefined;
  readonly operations: number | undefined;
  readonly concurrency: number | undefined;
  /** Operations per second. */
  readonly rate: number | undefined;
  /** fieldcount * fieldlength, bytes. */
  readonly valueBytes: number | undefined;
  readonly insertOrder: InsertOrder | undefined;
  /** Properties without meaning here, in file order. */
  readonly ignored: readonly string[];
}

const PROPORTIONS: Readonly<Record<string, Operation>> = {
  readproportion: 'read',
  updateproportion: 'update',
  insertproportion: 'insert',
  scanproportion: 'scan',
  readmodifywriteproportion: 'rmw',
};
/** YCSB's own defaults for shares a file leaves out. */
const YCSB_SHARES: Readonly<Record<Operation, number>> = {
  read: 0.95,
  update: 0.05,
  insert: 0,
  scan: 0,
  rmw: 0,
};
/** Fields per record and bytes per field when a file gives only one of them. */
const YCSB_FIELD_COUNT = 10;
const YCSB_FIELD_LENGTH = 100;
/** Accepted without effect: they only name YCSB's own class. */
const SILENT = new Set(['workload']);

/** @throws NokvError NOKV_INVALID naming the property and the value that cannot be used. */
export function parsePropertyFile(text: string, name: string): PropertyFile {
  const properties = readProperties(text);
  const take = (key: string): string | undefined => {
    const value = properties.get(key);
    properties.delete(key);
    return value;
  };
  const number = (key: string): number | undefined => numberOf(key, take(key));
  const count = (key: string): number | undefined => countOf(key, number(key));

  const shares: Record<Operation, number> = { ...YCSB_SHARES };
  for (const [key, operation] of Object.entries(PROPORTIONS)) {
    shares[operation] = number(key) ?? shares[operation];
  }
  const distribution = distributionOf(take('requestdistribution'));
  const scanLengthMax = count('maxscanlength');
  checkScanLengths(take('scanlengthdistribution'));
  const chooser: ChooserOptions = {
    theta: number('zipfianconstant') ?? CHOOSER_DEFAULTS.theta,
    hotRecords: number('hotspotdatafraction') ?? CHOOSER_DEFAULTS.hotRecords,
    hotOperations: number('hotspotopnfraction') ?? CHOOSER_DEFAULTS.hotOperations,
  };
  const settings = {
    records: count('recordcount'),
    operations: count('operationcount'),
    concurrency: count('threadcount'),
    rate: number('target'),
    valueBytes: valueBytes(count('fieldcount'), count('fieldlength')),
    insertOrder: insertOrderOf(take('insertorder')),
  };
  const mix = normalizeMix(shares);
  const workload: Workload =
    scanLengthMax === undefined
      ? { name, mix, distribution }
      : { name, mix, distribution, scanLengthMax };
  const ignored = [...properties.keys()].filter((key) => !SILENT.has(key));
  return { workload, chooser, ...settings, ignored };
}

/** `key=value`, `key: value` or `key value`; # and ! start comments; a backslash joins lines. */
function readProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>();
  for (const raw of text.replaceAll(/\\\r?\n[ \t]*/g, '').split(/\r?\n/)) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith('!')) continue;
    const match = /^([^\s=:]+)\s*[=:\s]\s*(.*)$/.exec(line);
    if (match === null) properties.set(line, '');
    else properties.set(match[1] as string, match[2] as string);
  }
  return properties;
}

function numberOf(key: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text === '' || !Number.isFinite(value) || value < 0) throw badProperty(key, text, 'a number');
  return value;
}

function countOf(key: string, value: number | undefined): number | undefined {
  if (value === undefined || (Number.isInteger(value) && value > 0)) return value;
  throw badProperty(key, String(value), 'a whole number above zero');
}

function distributionOf(text: string | undefined): Distribution {
  if (text === undefined) return 'uniform';
  const found = DISTRIBUTIONS.find((name) => name === text.toLowerCase());
  if (found === undefined) {
    throw badProperty('requestdistribution', text, `one of ${DISTRIBUTIONS.join(', ')}`);
  }
  return found;
}

function checkScanLengths(text: string | undefined): void {
  if (text === undefined || text === 'uniform') return;
  throw badProperty('scanlengthdistribution', text, 'uniform');
}

function insertOrderOf(text: string | undefined): InsertOrder | undefined {
  if (text === undefined || text === 'hashed' || text === 'ordered') return text;
  throw badProperty('insertorder', text, 'hashed or ordered');
}

function valueBytes(fields: number | undefined, length: number | undefined): number | undefined {
  if (fields === undefined && length === undefined) return undefined;
  return (fields ?? YCSB_FIELD_COUNT) * (length ?? YCSB_FIELD_LENGTH);
}

function badProperty(key: string, value: string, expected: string): NokvError {
  return invalid(`property ${key} is "${value}"`, `Give ${expected}`);
}
