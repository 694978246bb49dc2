/** `nokv bench ycsb`: flags to settings, settings to rows, rows to reports. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { basename, resolve, sep } from 'node:path';
import { boolean, integer, option, string } from '@oclif/core/flags';
import { NokvError } from '../../base/errors.js';
import {
  type Comparison,
  compareRows,
  comparisonFailure,
  differentSettings,
  parseBase,
  parseShare,
} from '../../bench/compare.js';
import { ENGINE_NAMES, checkInstalled, parseEngines } from '../../bench/engines.js';
import { htmlReport } from '../../bench/html-report.js';
import type { Progress as BenchProgress } from '../../bench/machine.js';
import {
  type JsonReport,
  comparisonTable,
  csvText,
  jsonReport,
  machineTable,
  summaryTable,
  tableText,
} from '../../bench/report.js';
import { type BenchRow, medianRows } from '../../bench/rows.js';
import { DEFAULTS, type GivenSettings, resolveSettings } from '../../bench/settings.js';
import { DISTRIBUTIONS } from '../../bench/workloads.js';
import { runHere, runYcsb } from '../../bench/ycsb.js';
import { BaseCommand } from '../../cli/base-command.js';
import { bytesFlag } from '../../cli/flags.js';
import { formatCount } from '../../cli/format.js';
import { Progress, type ProgressOptions } from '../../cli/progress.js';
import { mustBeWritable, writeReport } from '../../cli/report-file.js';
import { loadOptions } from '../../server/open-workdir.js';

const RUN = 'RUN';
const DATA = 'DATA';
const ENGINE = 'ENGINE';
const REPORT = 'REPORT';

const number = (text: string): Promise<number> => {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return Promise.resolve(value);
  return Promise.reject(
    new NokvError('NOKV_INVALID', `Cannot read number "${text}"`, { hint: 'Write it like 0.99' }),
  );
};

export default class BenchYcsb extends BaseCommand<typeof BenchYcsb> {
  static override summary = 'Measure nokv and other engines with the YCSB workloads';

  static override description = `Loads rows, then runs the workloads A to G (or a mix of your own) with N clients in this
process, engine by engine, round by round. Keys, values and operations are made before anything is
timed; the engine "null" shows what the harness itself costs. The workdir is left as the nokv database
of the last run; other engines work in WORKDIR.rivals, which is removed. Neither directory is taken when it
holds data of something else, or somebody has it open.`;

  static override examples = [
    '<%= config.bin %> bench ycsb --records 100000 --operations 100000 --workloads AC',
    '<%= config.bin %> bench ycsb --engines nokv,classic-level,lmdb,null --rounds 3 --html report.html',
    '<%= config.bin %> bench ycsb --mix read=50,update=30,scan=20 --rate 20000 --json',
    '<%= config.bin %> bench ycsb --compare base.json --fail-over 10%',
  ];

  static override flags = {
    workdir: string({
      char: 'w',
      description: 'directory of the nokv database; only one that a benchmark made is replaced',
      env: 'NOKV_BENCH_WORKDIR',
      helpValue: 'DIR',
      helpGroup: RUN,
      default: 'benchmark_data',
    }),
    overwrite: boolean({
      description: 'replace whatever the workdir and WORKDIR.rivals hold (default: refuse)',
      env: 'NOKV_BENCH_OVERWRITE',
      helpGroup: RUN,
    }),
    workloads: string({
      description: `letters from A to G, together or with commas (default ${DEFAULTS.workloads})`,
      env: 'NOKV_BENCH_WORKLOADS',
      helpValue: 'LETTERS',
      helpGroup: RUN,
    }),
    mix: string({
      description:
        'a workload of your own: weights of read, update, insert, scan, rmw (default none)',
      env: 'NOKV_BENCH_MIX',
      helpValue: 'WEIGHTS',
      helpGroup: RUN,
    }),
    distribution: option({
      description: 'which records the mix touches (default zipfian)',
      env: 'NOKV_BENCH_DISTRIBUTION',
      options: DISTRIBUTIONS,
      helpGroup: RUN,
    })(),
    'property-file': string({
      description: 'a YCSB core property file: a workload and settings; flags win (default none)',
      env: 'NOKV_BENCH_PROPERTY_FILE',
      helpValue: 'FILE',
      helpGroup: RUN,
    }),
    records: integer({
      description: `rows to load (default ${DEFAULTS.records})`,
      env: 'NOKV_BENCH_RECORDS',
      helpGroup: RUN,
    }),
    operations: integer({
      description: `operations of each workload (default ${DEFAULTS.operations})`,
      env: 'NOKV_BENCH_OPERATIONS',
      helpGroup: RUN,
    }),
    warmup: integer({
      description: `operations before each workload that are not counted (default ${DEFAULTS.warmup})`,
      env: 'NOKV_BENCH_WARMUP',
      helpGroup: RUN,
    }),
    concurrency: integer({
      description: `clients, each with one operation under way (default ${DEFAULTS.concurrency})`,
      env: 'NOKV_BENCH_CONCURRENCY',
      helpGroup: RUN,
    }),
    rate: integer({
      description:
        'operations per second of all clients, latency from the time one was due; 0 = no limit (default 0)',
      env: 'NOKV_BENCH_RATE',
      helpGroup: RUN,
    }),
    rounds: integer({
      description: 'runs of every engine, alternating; figures are medians (default 1)',
      env: 'NOKV_BENCH_ROUNDS',
      helpGroup: RUN,
      min: 1,
      max: 1000,
      default: 1,
    }),
    fresh: boolean({
      description: 'load an empty database before every workload (default: one load, inserts last)',
      env: 'NOKV_BENCH_FRESH',
      helpGroup: RUN,
    }),
    seed: integer({
      description: `seed of keys, values and operations (default ${DEFAULTS.seed})`,
      env: 'NOKV_BENCH_SEED',
      helpGroup: RUN,
    }),
    'value-size': bytesFlag({
      description: `size of a value, or the mean of sizes (default ${DEFAULTS.valueSize} bytes)`,
      env: 'NOKV_BENCH_VALUE_SIZE',
      helpGroup: DATA,
    }),
    'value-dist': option({
      description: 'distribution of value sizes (default fixed)',
      env: 'NOKV_BENCH_VALUE_DIST',
      options: ['fixed', 'uniform', 'normal', 'percentile'] as const,
      helpGroup: DATA,
    })(),
    'value-min': bytesFlag({
      description: 'smallest value (default the value size)',
      env: 'NOKV_BENCH_VALUE_MIN',
      helpGroup: DATA,
    }),
    'value-max': bytesFlag({
      description: 'largest value (default the value size)',
      env: 'NOKV_BENCH_VALUE_MAX',
      helpGroup: DATA,
    }),
    'value-std': bytesFlag({
      description: 'standard deviation of normal sizes (default a quarter of the value size)',
      env: 'NOKV_BENCH_VALUE_STD',
      helpGroup: DATA,
    }),
    'value-percentiles': string({
      description: 'sizes in bytes at percentiles, such as 50:256,90:512,99:1024 (default none)',
      env: 'NOKV_BENCH_VALUE_PERCENTILES',
      helpGroup: DATA,
    }),
    'value-compressibility': string({
      description: 'share of each value that compresses away, 0 to 1 (default 0)',
      env: 'NOKV_BENCH_VALUE_COMPRESSIBILITY',
      helpGroup: DATA,
    }),
    'insert-order': option({
      description: 'hashed: keys in no order; ordered: ascending keys (default hashed)',
      env: 'NOKV_BENCH_INSERT_ORDER',
      options: ['hashed', 'ordered'] as const,
      helpGroup: DATA,
    })(),
    theta: string({
      description: 'exponent of the zipfian distribution, above 0 and below 1 (default 0.99)',
      env: 'NOKV_BENCH_THETA',
      helpGroup: DATA,
    }),
    'hot-records': string({
      description: 'hotspot: share of the records that is hot, 0 to 1 (default 0.2)',
      env: 'NOKV_BENCH_HOT_RECORDS',
      helpGroup: DATA,
    }),
    'hot-operations': string({
      description: 'hotspot: share of the operations on hot records, 0 to 1 (default 0.8)',
      env: 'NOKV_BENCH_HOT_OPERATIONS',
      helpGroup: DATA,
    }),
    'scan-length': integer({
      description: `rows of the longest scan; lengths are uniform from 1 (default ${DEFAULTS.scanLength})`,
      env: 'NOKV_BENCH_SCAN_LENGTH',
      helpGroup: DATA,
    }),
    engines: string({
      description: `names from ${ENGINE_NAMES.join(', ')}`,
      env: 'NOKV_BENCH_ENGINES',
      helpValue: 'NAMES',
      helpGroup: ENGINE,
      default: 'nokv',
    }),
    durability: option({
      description:
        'os: acknowledged survives a crash of the process; disk: it is synced (default os)',
      env: 'NOKV_BENCH_DURABILITY',
      options: ['os', 'disk'] as const,
      helpGroup: ENGINE,
    })(),
    memtable: option({
      description: 'index of the memtables of nokv (default art)',
      env: 'NOKV_BENCH_MEMTABLE',
      options: ['art', 'skiplist'] as const,
      helpGroup: ENGINE,
    })(),
    'cache-mb': integer({
      description: `block cache in MiB, where an engine has one (default ${DEFAULTS.cacheMb})`,
      env: 'NOKV_BENCH_CACHE_MB',
      helpGroup: ENGINE,
      min: 0,
      max: 4095,
    }),
    'memtable-mb': integer({
      description: `write buffer in MiB, where an engine has one (default ${DEFAULTS.memtableMb})`,
      env: 'NOKV_BENCH_MEMTABLE_MB',
      helpGroup: ENGINE,
      min: 1,
      max: 1024,
    }),
    'value-threshold': bytesFlag({
      description: `size from which nokv puts values into the value log (default ${DEFAULTS.valueThreshold} bytes)`,
      env: 'NOKV_BENCH_VALUE_THRESHOLD',
      helpGroup: ENGINE,
    }),
    options: string({
      description: 'TOML file with options of nokv; flags win (default none)',
      env: 'NOKV_BENCH_OPTIONS',
      helpValue: 'FILE',
      helpGroup: ENGINE,
    }),
    csv: string({
      description: 'write the rows of every round to this file as CSV (default none)',
      env: 'NOKV_BENCH_CSV',
      helpValue: 'FILE',
      helpGroup: REPORT,
    }),
    html: string({
      description: 'write a report with charts to this file as HTML (default none)',
      env: 'NOKV_BENCH_HTML',
      helpValue: 'FILE',
      helpGroup: REPORT,
    }),
    compare: string({
      description: 'JSON of an earlier run to compare with (default none)',
      env: 'NOKV_BENCH_COMPARE',
      helpValue: 'FILE',
      helpGroup: REPORT,
    }),
    'fail-over': string({
      description:
        'with --compare: exit with status 4 when a row is slower by more than this (default 10%)',
      env: 'NOKV_BENCH_FAIL_OVER',
      helpValue: 'SHARE',
      helpGroup: REPORT,
      default: '10%',
    }),
  };

  async run(): Promise<JsonReport> {
    const { flags } = this;
    const engines = parseEngines(flags.engines);
    const { settings, ignoredProperties } = resolveSettings(await this.#given());
    const limit = parseShare(flags['fail-over']);
    const baseText = flags.compare === undefined ? undefined : readText(flags.compare);
    const base = baseText === undefined ? undefined : parseBase(baseText);
    const workdir = resolve(flags.workdir);
    for (const path of [flags.csv, flags.html])
      if (path !== undefined && !isWithin(workdir, path)) mustBeWritable(path);
    const moduleDirectory = process.cwd();
    for (const name of ignoredProperties)
      this.note(`property ${name} has no meaning here: ignored`);
    await checkInstalled(engines, moduleDirectory);

    const progress = await this.#progress();
    const { rounds, overwrite: isOverwriting } = flags;
    const request = { settings, engines, rounds, workdir, isOverwriting, moduleDirectory };
    let rows: BenchRow[];
    try {
      rows = await runYcsb(request, (run) => runHere(run, progress, this.signal));
    } finally {
      progress.end();
    }
    const medians = medianRows(rows);
    const comparison = base === undefined ? null : compareRows(medians, base, limit);
    const report = jsonReport(rows, {
      settings: { ...settings, engines, rounds },
      machine: describeMachine(),
      comparison,
    });
    this.#print(medians, rows, comparison);
    for (const difference of differentSettings(baseText ?? '{}', report.settings))
      this.note(`other settings: ${difference}`);
    const failures = [
      flags.csv === undefined ? undefined : writeReport(flags.csv, csvText(rows)),
      flags.html === undefined
        ? undefined
        : writeReport(flags.html, htmlReport(report, medians, rows)),
      comparison === null ? undefined : comparisonFailure(comparison),
    ];
    for (const failure of failures) if (failure !== undefined) this.failWith(failure);
    return report;
  }

  async #given(): Promise<GivenSettings> {
    const { flags } = this;
    const file = flags['property-file'];
    const optional = (text: string | undefined): Promise<number> | undefined =>
      text === undefined ? undefined : number(text);
    return {
      workloads: flags.workloads,
      mix: flags.mix,
      distribution: flags.distribution,
      propertyFile: file === undefined ? undefined : { name: basename(file), text: readText(file) },
      records: flags.records,
      operations: flags.operations,
      concurrency: flags.concurrency,
      warmup: flags.warmup,
      rate: flags.rate,
      seed: flags.seed,
      insertOrder: flags['insert-order'],
      theta: await optional(flags.theta),
      hotRecords: await optional(flags['hot-records']),
      hotOperations: await optional(flags['hot-operations']),
      scanLength: flags['scan-length'],
      valueSize: flags['value-size'],
      valueDistribution: flags['value-dist'],
      valueMin: flags['value-min'],
      valueMax: flags['value-max'],
      valueDeviation: flags['value-std'],
      valuePercentiles: flags['value-percentiles'],
      compressibility: await optional(flags['value-compressibility']),
      fresh: flags.fresh,
      durability: flags.durability,
      memtable: flags.memtable,
      cacheMb: flags['cache-mb'],
      memtableMb: flags['memtable-mb'],
      valueThreshold: flags['value-threshold'],
      options: flags.options === undefined ? undefined : await loadOptions(flags.options),
    };
  }

  async #progress(): Promise<BenchProgress> {
    const isQuiet = this.flags.quiet;
    const isShown = !isQuiet && process.stderr.isTTY;
    const ora = isShown ? (await import('ora')).default : undefined;
    let current: Progress | undefined;
    return {
      start: (label, total) => {
        const options: ProgressOptions = { label, total, format: formatCount, isQuiet };
        current = new Progress(options, ora?.({ text: label, stream: process.stderr }).start());
      },
      advance: (done) => current?.update(done),
      end: () => current?.stop(),
    };
  }

  #print(
    medians: readonly BenchRow[],
    rows: readonly BenchRow[],
    comparison: Comparison | null,
  ): void {
    const tables = [summaryTable(medians, rows), machineTable(medians)];
    if (comparison !== null) tables.push(comparisonTable(comparison));
    this.log(tables.map(tableText).join('\n\n'));
    for (const name of comparison?.onlyHere ?? []) this.note(`not in the base: ${name}`);
    for (const name of comparison?.onlyInBase ?? []) this.note(`only in the base: ${name}`);
  }
}

/** A workdir is made, or emptied, before anything is written into it. */
function isWithin(workdir: string, path: string): boolean {
  return resolve(path).startsWith(workdir + sep);
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}

function describeMachine(): Record<string, string | number> {
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? '',
    cpus: availableParallelism(),
    memory_bytes: totalmem(),
  };
}
