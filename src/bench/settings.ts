/**
 * From what a user gave to the settings of a run: given values first, then those of a property file,
 * then the defaults, which are those of the published figures. Pure.
 */
import { MIB } from '../base/limits.js';
import type { OpenOptions } from '../engine/options.js';
import { CHOOSER_DEFAULTS, type ChooserOptions } from './choosers.js';
import type { BenchDurability, EngineOptions } from './engine.js';
import { type InsertOrder, KEYS_MAX } from './keys.js';
import { type PropertyFile, parsePropertyFile } from './property-file.js';
import type { RunSettings } from './runner.js';
import { valueSizesFromFlags } from './values.js';
import {
  DISTRIBUTIONS,
  type Distribution,
  LOAD,
  type Workload,
  WORKLOADS,
  invalid,
  parseMix,
  parseWorkloads,
} from './workloads.js';

export const DEFAULTS = {
  workloads: 'ABCDEF',
  records: 1_000_000,
  operations: 1_000_000,
  concurrency: 16,
  warmup: 0,
  rate: 0,
  seed: 42,
  scanLength: 100,
  valueSize: 1000,
  valueThreshold: 2048,
  cacheMb: 512,
  memtableMb: 64,
  compressibility: 0,
} as const;

/** What is drawn has a typed array of this many elements. */
const OPERATIONS_MAX = 1_000_000_000;
/** The workload of --mix. */
const MIX = 'mix';
const CLIENTS_MAX = 65_536;

/** What a user may give; undefined = not given. Sizes in bytes unless the name says otherwise. */
export interface GivenSettings {
  readonly workloads?: string | undefined;
  /** "read=50,update=50"; a workload of its own, named mix. */
  readonly mix?: string | undefined;
  /** Of the mix; default zipfian. */
  readonly distribution?: string | undefined;
  readonly propertyFile?: { readonly name: string; readonly text: string } | undefined;
  readonly records?: number | undefined;
  readonly operations?: number | undefined;
  readonly concurrency?: number | undefined;
  readonly warmup?: number | undefined;
  readonly rate?: number | undefined;
  readonly seed?: number | undefined;
  readonly insertOrder?: InsertOrder | undefined;
  readonly theta?: number | undefined;
  readonly hotRecords?: number | undefined;
  readonly hotOperations?: number | undefined;
  readonly scanLength?: number | undefined;
  readonly valueSize?: number | undefined;
  readonly valueDistribution?: string | undefined;
  readonly valueMin?: number | undefined;
  readonly valueMax?: number | undefined;
  readonly valueDeviation?: number | undefined;
  readonly valuePercentiles?: string | undefined;
  readonly compressibility?: number | undefined;
  readonly fresh?: boolean | undefined;
  readonly durability?: BenchDurability | undefined;
  readonly memtable?: 'art' | 'skiplist' | undefined;
  readonly cacheMb?: number | undefined;
  readonly memtableMb?: number | undefined;
  readonly valueThreshold?: number | undefined;
  /** Of nokv, from a file; what is given by name wins. */
  readonly options?: OpenOptions | undefined;
}

export interface ResolvedSettings {
  readonly settings: RunSettings;
  /** Properties of the file that mean nothing here. */
  readonly ignoredProperties: readonly string[];
}

/** @throws NokvError NOKV_INVALID naming what is wrong. */
export function resolveSettings(given: GivenSettings): ResolvedSettings {
  const file =
    given.propertyFile === undefined
      ? undefined
      : parsePropertyFile(given.propertyFile.text, given.propertyFile.name);
  const settings: RunSettings = {
    workloads: workloadsOf(given, file),
    records: between('records', given.records ?? file?.records ?? DEFAULTS.records, 1, KEYS_MAX),
    operations: between(
      'operations',
      given.operations ?? file?.operations ?? DEFAULTS.operations,
      1,
      OPERATIONS_MAX,
    ),
    warmup: between('warmup', given.warmup ?? DEFAULTS.warmup, 0, OPERATIONS_MAX),
    clients: between(
      'concurrency',
      given.concurrency ?? file?.concurrency ?? DEFAULTS.concurrency,
      1,
      CLIENTS_MAX,
    ),
    rate: between('rate', given.rate ?? file?.rate ?? DEFAULTS.rate, 0, 1e9),
    seed: given.seed ?? DEFAULTS.seed,
    insertOrder: given.insertOrder ?? file?.insertOrder ?? 'hashed',
    chooser: chooserOf(given, file),
    values: valueSizesFromFlags({
      distribution: given.valueDistribution ?? 'fixed',
      size: given.valueSize ?? file?.valueBytes ?? DEFAULTS.valueSize,
      min: given.valueMin,
      max: given.valueMax,
      deviation: given.valueDeviation,
      percentiles: given.valuePercentiles,
    }),
    compressibility: between(
      'value-compressibility',
      given.compressibility ?? DEFAULTS.compressibility,
      0,
      1,
    ),
    scanLengthMax: between(
      'scan-length',
      given.scanLength ?? DEFAULTS.scanLength,
      1,
      OPERATIONS_MAX,
    ),
    fresh: given.fresh ?? false,
    engine: engineOptionsOf(given),
  };
  return { settings, ignoredProperties: file?.ignored ?? [] };
}

/** What other engines have too is theirs as well: rivals get the same durability, cache and write buffer. */
function engineOptionsOf(given: GivenSettings): EngineOptions {
  const options = given.options ?? {};
  const bytesOf = (mib: number | undefined): number | undefined =>
    mib === undefined ? undefined : mib * MIB;
  return {
    durability: given.durability ?? options.durability ?? 'os',
    memtable: given.memtable ?? options.memtable ?? 'art',
    cacheBytes: bytesOf(given.cacheMb) ?? options.cacheBytes ?? DEFAULTS.cacheMb * MIB,
    memtableBytes: bytesOf(given.memtableMb) ?? options.memtableBytes ?? DEFAULTS.memtableMb * MIB,
    valueThreshold: given.valueThreshold ?? options.valueThreshold ?? DEFAULTS.valueThreshold,
    nokv: options,
  };
}

/** Named letters, then the mix, then the file; A to F when none of them is given. */
function workloadsOf(given: GivenSettings, file: PropertyFile | undefined): Workload[] {
  const workloads: Workload[] = [];
  const isOther = given.mix !== undefined || file !== undefined;
  if (given.workloads !== undefined || !isOther) {
    workloads.push(...parseWorkloads(given.workloads ?? DEFAULTS.workloads));
  }
  if (given.mix !== undefined) {
    const distribution = distributionOf(given.distribution);
    workloads.push({ name: MIX, mix: parseMix(given.mix), distribution });
  } else if (given.distribution !== undefined) {
    throw invalid('a distribution without a mix', 'Give --mix too; A to G have their own');
  }
  if (file !== undefined) {
    checkName(file.workload.name);
    workloads.push(withScanLength(file.workload, given.scanLength));
  }
  return workloads;
}

/** Rows meet by the name of their workload, also those of a base: one of a file means nothing else anywhere. */
function checkName(name: string): void {
  const taken = [...WORKLOADS.map((workload) => workload.name), MIX, LOAD.name];
  if (!taken.some((other) => other.toUpperCase() === name.toUpperCase())) return;
  throw invalid(
    `the property file is called "${name}", as a workload of nokv is`,
    'Give the file another name: it names the rows',
  );
}

/** A scan length that was given wins over the one of the file. */
function withScanLength(workload: Workload, scanLength: number | undefined): Workload {
  return scanLength === undefined ? workload : { ...workload, scanLengthMax: scanLength };
}

function distributionOf(text: string | undefined): Distribution {
  const found = DISTRIBUTIONS.find((name) => name === (text ?? 'zipfian'));
  if (found !== undefined) return found;
  throw invalid(`unknown distribution "${text ?? ''}"`, `Known are ${DISTRIBUTIONS.join(', ')}`);
}

function chooserOf(given: GivenSettings, file: PropertyFile | undefined): ChooserOptions {
  const base = file?.chooser ?? CHOOSER_DEFAULTS;
  const theta = given.theta ?? base.theta;
  if (!(theta > 0 && theta < 1))
    throw invalid('theta out of range', 'Give a number between 0 and 1');
  return {
    theta,
    hotRecords: between('hot-records', given.hotRecords ?? base.hotRecords, 0, 1),
    hotOperations: between('hot-operations', given.hotOperations ?? base.hotOperations, 0, 1),
  };
}

function between(name: string, value: number, min: number, max: number): number {
  if (value >= min && value <= max) return value;
  throw invalid(`${name} is out of range`, `Give a number from ${min} to ${max}`);
}
