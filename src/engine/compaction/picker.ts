/**
 * Chooses the next compaction. Pure: a tree, options and the claims of running jobs in, a plan out;
 * nothing is claimed or done. docs/compaction.md tells the policy and its figures.
 *
 * Order that every plan keeps: of two tables that share keys, the one with older data lies deeper
 * (in L0: further from the front). Hence
 *  - L0 runs go down only together with every older run that overlaps them;
 *  - L0 runs are merged within L0 only when they are neighbours in age;
 *  - an output range at a level is written by one job at a time.
 */
import { compareArrays } from '../../base/bytes.js';
import { LEVEL_COUNT } from '../../base/limits.js';
import { firstTableAbove } from '../iterators/run-cursor.js';
import type { TableMeta } from '../table-meta.js';
import type { Claims } from './claims.js';
import { rangesMeet, type KeyRange, type Retention } from './drop-rules.js';
import {
  LAST_LEVEL,
  tablesBytes,
  tablesOf,
  treeShape,
  type ScoreOptions,
  type Tree,
} from './score.js';
import { ALL, fitOneTable, type JoinRule, smallNeighbours, WORTH_IT } from './small-tables.js';

export type CompactionReason =
  /** Too many L0 runs. */
  | 'l0-runs'
  /** Too many L0 runs, and the base level is busy: merged within L0. */
  | 'l0-merge'
  /** Tiered policy: L0 runs of similar size. */
  | 'l0-tier'
  /** A level is above its target. */
  | 'level-size'
  /** Tables with many tombstones go down. */
  | 'tombstones'
  /** Tables with expired entries go down, or are rewritten. */
  | 'expired'
  /** Tables of the last level with garbage are rewritten. */
  | 'last-level-cleanup'
  /** Tables that refer to value-log files to be emptied. */
  | 'value-log'
  /** Neighbours in a level that are small beside a full table become one. */
  | 'small-tables'
  /** Nothing else to do, and L0 is large beside the rest. */
  | 'idle'
  /** Asked for. */
  | 'manual';

export interface PickOptions extends ScoreOptions {
  readonly compactionPolicy: 'leveled' | 'tiered' | 'hybrid';
  /** Size of tables below L0, bytes. */
  readonly tableBytes: number;
}

/** What the moment is like. */
export interface PickContext {
  readonly claims: Claims;
  readonly retention: Retention;
  /** Value-log files that garbage collection wants empty. */
  readonly valueLogsToEmpty: ReadonlySet<number>;
  /** No writes for a while: work that only saves space may be done. */
  readonly isIdle: boolean;
}

export interface CompactionInput {
  readonly level: number;
  readonly meta: TableMeta;
}

/** A compaction to do. Input tables come upper level first, L0 newest first, then by key. */
export interface CompactionPick extends KeyRange {
  readonly reason: CompactionReason;
  readonly score: number;
  readonly inputs: readonly CompactionInput[];
  readonly outputLevel: number;
  /** The single input only changes its level: no job is needed, an edit of the manifest does it. */
  readonly isMove: boolean;
  /** Outputs are cut at this size. */
  readonly targetTableBytes: number;
  /** Where tables that are not inputs may hold older data of the same keys; sorted, disjoint. */
  readonly olderRanges: readonly KeyRange[];
  /** Value-log files to be emptied that the inputs refer to: the job must be told to move their values. */
  readonly valueLogsToEmpty: readonly number[];
  /** File numbers to reserve for the outputs. */
  readonly outputsMax: number;
}

/** Inputs from the upper level of one job, in tables of full size. */
const INPUT_TABLES_MAX = 25;
/** A moved table may overlap this many full tables of the level after next, or a merge is better. */
const GRANDPARENT_TABLES_MAX = 10;
/** Runs that are worth a merge within L0. */
const L0_MERGE_RUNS_MIN = 4;
/** A run joins a tier when it is at most this many times as large as the newer ones together. */
const TIER_RATIO = 2;
/** Tiered policy: L0 goes down when it holds this share of what lies below. */
const TIERED_DOWN_RATIO = 0.5;
/** L0 may hold this share of the rest when the database is idle. */
const IDLE_L0_RATIO = 0.2;
/** Hybrid policy: leveled until L0 has this many times its trigger. */
const HYBRID_SCORE = 2;
/** Share of tombstones among entries that makes a table worth a compaction. */
const TOMBSTONE_RATIO = 0.5;
/** Share of stale bytes that makes a table of the last level worth a rewrite. */
const STALE_RATIO = 0.25;
/** Expired entries wait so long: a table is rewritten for them at most once in this time. */
const EXPIRY_DELAY_MS = 3_600_000;
/** Tables that one value-log rewrite takes. */
const VALUE_LOG_TABLES_MAX = 4;
const NO_CUT = Number.MAX_SAFE_INTEGER;

/** The most useful compaction that can start now, or undefined. */
export function pickCompaction(
  tree: Tree,
  options: PickOptions,
  context: PickContext,
): CompactionPick | undefined {
  return new Picker(tree, options, context).pick();
}

/**
 * The next step of compacting a range of keys by hand: from the top, whatever the scores, until its data
 * lies in the last level without garbage. Tables with nothing up to `seqMax` are left alone: who writes on would never
 * see the end. undefined: done, or blocked by running jobs (claims.count > 0).
 */
export function pickManual(
  tree: Tree,
  options: PickOptions,
  context: PickContext,
  range: KeyRange,
  seqMax: number,
): CompactionPick | undefined {
  return new Picker(tree, options, context).pickRange(range, seqMax);
}

class Picker {
  readonly #tree: Tree;
  readonly #options: PickOptions;
  readonly #context: PickContext;
  readonly #claims: Claims;
  readonly #baseLevel: number;
  /** Per level. */
  readonly #scores: readonly number[];

  constructor(tree: Tree, options: PickOptions, context: PickContext) {
    this.#tree = tree;
    this.#options = options;
    this.#context = context;
    this.#claims = context.claims;
    const shape = treeShape(tree, options, context.claims);
    this.#baseLevel = shape.baseLevel;
    this.#scores = shape.scores.map((score) => score.score);
  }

  pick(): CompactionPick | undefined {
    return (
      this.#pickByScore() ??
      this.#pickValueLog() ??
      this.#pickGarbage() ??
      this.#pickSmall() ??
      this.#pickIdle()
    );
  }

  pickRange(range: KeyRange, seqMax: number): CompactionPick | undefined {
    const isMeant = (table: TableMeta): boolean =>
      table.minSeq <= seqMax && rangesMeet(table, range);
    const runs = tablesOf(this.#tree, 0);
    const downTo = runs.findIndex(isMeant);
    if (downTo >= 0)
      return this.#planL0('manual', this.#scores[0] as number, runs.slice(downTo), NO_CUT);
    for (let level = 1; level < LAST_LEVEL; level++) {
      for (const table of tablesOf(this.#tree, level).filter(isMeant)) {
        const plan = this.#planDown('manual', level, table);
        if (plan !== undefined) return plan;
      }
    }
    const tables = tablesOf(this.#tree, LAST_LEVEL).filter(isMeant);
    for (const table of tables.filter((one) => this.#hasGarbage(one))) {
      const plan = this.#planRewrite('manual', LAST_LEVEL, [table]);
      if (plan !== undefined) return plan;
    }
    const worthIt = this.#planSmall('manual', LAST_LEVEL, tables, WORTH_IT);
    return worthIt ?? this.#planSmall('manual', LAST_LEVEL, tables, ALL);
  }

  /** The levels that are too full, fullest first. */
  #pickByScore(): CompactionPick | undefined {
    const levels = this.#scores.map((_, level) => level).filter((level) => this.#isFull(level));
    levels.sort((a, b) => (this.#scores[b] as number) - (this.#scores[a] as number) || a - b);
    for (const level of levels) {
      const plan = level === 0 ? this.#pickL0() : this.#pickLevel(level);
      if (plan !== undefined) return plan;
    }
    return undefined;
  }

  #isFull(level: number): boolean {
    return (this.#scores[level] as number) >= 1;
  }

  #pickL0(): CompactionPick | undefined {
    const policy = this.#options.compactionPolicy;
    const score = this.#scores[0] as number;
    const isTiered = policy === 'tiered' || (policy === 'hybrid' && score >= HYBRID_SCORE);
    if (isTiered) {
      const tier = this.#pickTier();
      if (tier !== undefined) return tier;
      if (policy === 'tiered' && !this.#isL0Heavy(TIERED_DOWN_RATIO) && score < 2) return undefined;
    }
    const bytesMax = INPUT_TABLES_MAX * this.#options.tableBytes;
    return this.#planL0('l0-runs', score, tablesOf(this.#tree, 0), bytesMax) ?? this.#pickL0Merge();
  }

  /** Does L0 hold at least this share of what lies below? */
  #isL0Heavy(ratio: number): boolean {
    let below = 0;
    for (let level = 1; level < LEVEL_COUNT; level++)
      below += tablesBytes(tablesOf(this.#tree, level));
    return tablesBytes(tablesOf(this.#tree, 0)) >= ratio * below;
  }

  /**
   * From the oldest of `runs` (newest first) down to the base level: the oldest run that can go, then, in
   * order of age, every run that shares keys with the chosen ones. A run is taken only with all older runs
   * that overlap it; the first that cannot be, or would exceed `bytesMax`, ends the choice.
   */
  #planL0(
    reason: CompactionReason,
    score: number,
    runs: readonly TableMeta[],
    bytesMax: number,
  ): CompactionPick | undefined {
    const byAge = runs.toReversed();
    for (let first = 0; first < byAge.length; first++) {
      const chosen = this.#growL0(byAge, first, bytesMax);
      if (chosen.length === 0) continue;
      const plan = this.#planMerge(reason, score, 0, chosen.toReversed(), this.#baseLevel);
      if (plan !== undefined) return plan;
    }
    return undefined;
  }

  /** Newest last; empty when the run at `first` cannot go. */
  #growL0(byAge: readonly TableMeta[], first: number, bytesMax: number): TableMeta[] {
    const chosen = new Set<TableMeta>();
    let bytes = 0;
    for (let i = first; i < byAge.length; i++) {
      const run = byAge[i] as TableMeta;
      const isApart = i > first && ![...chosen].some((other) => rangesMeet(other, run));
      if (isApart || chosen.has(run)) continue;
      const group = this.#withOlder(byAge, i, chosen);
      if (group === undefined) break;
      bytes += tablesBytes(group);
      if (chosen.size > 0 && bytes > bytesMax) break;
      for (const member of group) chosen.add(member);
    }
    return byAge.filter((run) => chosen.has(run));
  }

  /** The run and every older one that has to go with it; undefined when one of them is busy. */
  #withOlder(
    byAge: readonly TableMeta[],
    index: number,
    chosen: ReadonlySet<TableMeta>,
  ): TableMeta[] | undefined {
    const group: TableMeta[] = [];
    for (let i = index; i >= 0; i--) {
      const run = byAge[i] as TableMeta;
      const isNeeded = i === index || group.some((other) => rangesMeet(other, run));
      if (!isNeeded || chosen.has(run)) continue;
      if (this.#claims.hasTable(run)) return undefined;
      group.push(run);
    }
    return group;
  }

  /** Neighbouring small runs become one, while the base level is busy. */
  #pickL0Merge(): CompactionPick | undefined {
    const small = 2 * this.#options.tableBytes;
    let group: TableMeta[] = [];
    for (const run of tablesOf(this.#tree, 0).toReversed()) {
      const isFree = !this.#claims.hasTable(run) && run.bytes <= small;
      const canJoin = isFree && fitOneTable([...group, run]);
      if (!canJoin && group.length >= L0_MERGE_RUNS_MIN) break;
      group = isFree ? [...group, run] : [];
      while (!fitOneTable(group)) group.shift();
    }
    if (group.length < L0_MERGE_RUNS_MIN) return undefined;
    return this.#planWithin('l0-merge', group.toReversed());
  }

  /** The newest group of neighbours in which every run is small enough beside the newer ones together. */
  #pickTier(): CompactionPick | undefined {
    const runs = tablesOf(this.#tree, 0);
    const bytesMax = INPUT_TABLES_MAX * this.#options.tableBytes;
    for (let first = 0; first < runs.length; first++) {
      const group: TableMeta[] = [];
      let bytes = 0;
      for (let i = first; i < runs.length; i++) {
        const run = runs[i] as TableMeta;
        if (this.#claims.hasTable(run) || bytes + run.bytes > bytesMax) break;
        if (group.length > 0 && run.bytes > TIER_RATIO * bytes) break;
        if (!fitOneTable([...group, run])) break;
        group.push(run);
        bytes += run.bytes;
      }
      if (group.length >= L0_MERGE_RUNS_MIN) return this.#planWithin('l0-tier', group);
    }
    return undefined;
  }

  /** `runs`: neighbours in L0, newest first. */
  #planWithin(reason: CompactionReason, runs: readonly TableMeta[]): CompactionPick {
    const inputs = runs.map((meta) => ({ level: 0, meta }));
    return this.#plan(reason, this.#scores[0] as number, inputs, 0, false);
  }

  /** The table that takes the fewest bytes of the next level along per byte of garbage-weighted size. */
  #pickLevel(level: number): CompactionPick | undefined {
    const ranked = tablesOf(this.#tree, level).map((table) => {
      const below = this.#overlapping(level + 1, table);
      return { table, cost: tablesBytes(below) / (table.bytes + table.staleBytes) };
    });
    ranked.sort((a, b) => a.cost - b.cost || a.table.minSeq - b.table.minSeq);
    for (const { table } of ranked) {
      const plan = this.#planDown('level-size', level, table);
      if (plan !== undefined) return plan;
    }
    return undefined;
  }

  /** A table, with neighbours that add no table of the next level, one level down. */
  #planDown(reason: CompactionReason, level: number, table: TableMeta): CompactionPick | undefined {
    const score = this.#scores[level] as number;
    const below = this.#overlapping(level + 1, table);
    const tables = below.length === 0 ? [table] : this.#neighbours(level, table, below);
    return (
      this.#planMerge(reason, score, level, tables, level + 1) ??
      this.#planMerge(reason, score, level, [table], level + 1)
    );
  }

  /** The tables of the level that lie within the range of `below` and `table`. */
  #neighbours(level: number, table: TableMeta, below: readonly TableMeta[]): TableMeta[] {
    const range = rangeOf([table, ...below]);
    let bytes = tablesBytes(below);
    const bytesMax = INPUT_TABLES_MAX * this.#options.tableBytes;
    return tablesOf(this.#tree, level).filter((other) => {
      if (other === table) return true;
      const isInside =
        compareArrays(range.lower, other.lower) <= 0 &&
        compareArrays(other.upper, range.upper) <= 0;
      if (!isInside || bytes + other.bytes > bytesMax) return false;
      bytes += other.bytes;
      return true;
    });
  }

  /** Requires a level below L0. */
  #overlapping(level: number, range: KeyRange): TableMeta[] {
    const tables = tablesOf(this.#tree, level);
    const first = firstTableAbove(tables, range.lower, 0, range.lower.length);
    let end = first;
    while (end < tables.length && rangesMeet(tables[end] as TableMeta, range)) end++;
    return tables.slice(first, end);
  }

  /** Tables of `level` merged into the ones they overlap in `outputLevel`; undefined when anything is busy. */
  #planMerge(
    reason: CompactionReason,
    score: number,
    level: number,
    tables: readonly TableMeta[],
    outputLevel: number,
  ): CompactionPick | undefined {
    const range = rangeOf(tables);
    const below = this.#overlapping(outputLevel, range);
    const whole = rangeOf([...tables, ...below]);
    if ([...tables, ...below].some((table) => this.#claims.hasTable(table))) return undefined;
    if (level > 0 && this.#claims.hasRange(level, range)) return undefined;
    if (this.#claims.hasRange(outputLevel, whole)) return undefined;
    const inputs = [
      ...tables.map((meta) => ({ level, meta })),
      ...below.map((meta) => ({ level: outputLevel, meta })),
    ];
    return this.#plan(reason, score, inputs, outputLevel, this.#canMove(inputs, outputLevel));
  }

  /** Tables of one level, written again at the same level. */
  #planRewrite(
    reason: CompactionReason,
    level: number,
    tables: readonly TableMeta[],
  ): CompactionPick | undefined {
    if (tables.some((table) => this.#claims.hasTable(table))) return undefined;
    if (level > 0 && this.#claims.hasRange(level, rangeOf(tables))) return undefined;
    const inputs = tables.map((meta) => ({ level, meta }));
    return this.#plan(reason, this.#scores[level] as number, inputs, level, false);
  }

  #canMove(inputs: readonly CompactionInput[], outputLevel: number): boolean {
    const only = inputs[0];
    if (only === undefined || inputs.length > 1 || only.level === outputLevel) return false;
    const { meta } = only;
    if (meta.staleBytes > STALE_RATIO * meta.rawBytes || this.#isExpired(meta)) return false;
    const isBottom = this.#olderRanges(inputs).length === 0;
    if (isBottom && meta.tombstones + meta.rangeTombstones > 0) return false;
    if (this.#refersToEmptied(meta)) return false;
    const grandparents = tablesBytes(this.#overlapping(outputLevel + 1, meta));
    return grandparents <= GRANDPARENT_TABLES_MAX * this.#options.tableBytes;
  }

  #pickValueLog(): CompactionPick | undefined {
    if (this.#context.valueLogsToEmpty.size === 0) return undefined;
    for (let level = LAST_LEVEL; level >= 0; level--) {
      const tables = tablesOf(this.#tree, level);
      for (let i = 0; i < tables.length; i++) {
        if (!this.#isFreeToEmpty(level, tables[i])) continue;
        const group = [tables[i] as TableMeta];
        while (level > 0 && group.length < VALUE_LOG_TABLES_MAX) {
          const next = tables[i + group.length];
          if (!this.#isFreeToEmpty(level, next)) break;
          group.push(next as TableMeta);
        }
        const plan = this.#planRewrite('value-log', level, group);
        if (plan !== undefined) return plan;
      }
    }
    return undefined;
  }

  #isFreeToEmpty(level: number, table: TableMeta | undefined): boolean {
    if (table === undefined || !this.#refersToEmptied(table) || this.#claims.hasTable(table))
      return false;
    return level === 0 || !this.#claims.hasRange(level, table);
  }

  #emptiedBy(metas: readonly TableMeta[]): number[] {
    const files = metas.flatMap((meta) => meta.valueLog).map((reference) => reference.fileNumber);
    const wanted = files.filter((file) => this.#context.valueLogsToEmpty.has(file));
    return [...new Set(wanted)].sort((a, b) => a - b);
  }

  #refersToEmptied(table: TableMeta): boolean {
    return table.valueLog.some((reference) =>
      this.#context.valueLogsToEmpty.has(reference.fileNumber),
    );
  }

  /** Tables that hold much to drop: down one level, or rewritten when they are in the last. */
  #pickGarbage(): CompactionPick | undefined {
    for (let level = 1; level < LAST_LEVEL; level++) {
      for (const table of tablesOf(this.#tree, level)) {
        const reason = this.#isExpired(table) ? 'expired' : 'tombstones';
        if (reason === 'tombstones' && !isMostlyTombstones(table)) continue;
        const plan = this.#planDown(reason, level, table);
        if (plan !== undefined) return plan;
      }
    }
    for (const table of tablesOf(this.#tree, LAST_LEVEL)) {
      const reason = this.#isExpired(table) ? 'expired' : 'last-level-cleanup';
      if (reason === 'last-level-cleanup' && !this.#isWorthCleanup(table)) continue;
      const plan = this.#planRewrite(reason, LAST_LEVEL, [table]);
      if (plan !== undefined) return plan;
    }
    return undefined;
  }

  /** Many bytes to drop; or some, and range tombstones, which cost every read, are kept because of them. */
  #isWorthCleanup(table: TableMeta): boolean {
    const isWorth = table.rangeTombstones > 0 || table.staleBytes >= STALE_RATIO * table.rawBytes;
    return isWorth && this.#hasStale(table);
  }

  /** Is there anything that a rewrite in the last level is sure to remove? */
  #hasGarbage(table: TableMeta): boolean {
    const { earliestExpiry } = table;
    if (earliestExpiry !== 0 && earliestExpiry <= this.#context.retention.nowMs) return true;
    return this.#hasStale(table);
  }

  /**
   * Does the table hold entries that it would not hold without snapshots, and is no snapshot left that
   * needs them? A rewrite then removes every one of them, so it is not picked again.
   */
  #hasStale(table: TableMeta): boolean {
    const oldest = this.#context.retention.pinnedSeqs[0];
    return table.staleBytes > 0 && oldest !== undefined && table.maxSeq <= oldest;
  }

  #isExpired(table: TableMeta): boolean {
    const { earliestExpiry, createdMs } = table;
    if (earliestExpiry === 0) return false;
    return Math.max(earliestExpiry, createdMs) + EXPIRY_DELAY_MS <= this.#context.retention.nowMs;
  }

  #pickSmall(): CompactionPick | undefined {
    for (let level = 1; level <= LAST_LEVEL; level++) {
      const plan = this.#planSmall('small-tables', level, tablesOf(this.#tree, level), WORTH_IT);
      if (plan !== undefined) return plan;
    }
    return undefined;
  }

  /** Neighbours in `level`, of `tables`, become one table, however the estimate was: two would be picked again, for ever. */
  #planSmall(
    reason: CompactionReason,
    level: number,
    tables: readonly TableMeta[],
    rule: JoinRule,
  ): CompactionPick | undefined {
    const below = this.#tree.levels.slice(level + 1);
    for (const group of smallNeighbours(tables, below, this.#options.tableBytes, rule)) {
      const plan = this.#planRewrite(reason, level, group);
      if (plan !== undefined) return { ...plan, targetTableBytes: NO_CUT, outputsMax: 1 };
    }
    return undefined;
  }

  #pickIdle(): CompactionPick | undefined {
    const runs = tablesOf(this.#tree, 0);
    if (!this.#context.isIdle || runs.length < 2 || !this.#isL0Heavy(IDLE_L0_RATIO))
      return undefined;
    const bytesMax = INPUT_TABLES_MAX * this.#options.tableBytes;
    return this.#planL0('idle', this.#scores[0] as number, runs, bytesMax);
  }

  #plan(
    reason: CompactionReason,
    score: number,
    inputs: readonly CompactionInput[],
    outputLevel: number,
    isMove: boolean,
  ): CompactionPick {
    const metas = inputs.map((input) => input.meta);
    const targetTableBytes = outputLevel === 0 ? NO_CUT : this.#options.tableBytes;
    const outputsMax =
      outputLevel === 0 ? 1 : Math.ceil((2 * tablesBytes(metas)) / targetTableBytes) + 4;
    return {
      reason,
      score,
      inputs,
      outputLevel,
      isMove,
      targetTableBytes,
      outputsMax: isMove ? 0 : outputsMax,
      olderRanges: this.#olderRanges(inputs),
      valueLogsToEmpty: this.#emptiedBy(metas),
      ...rangeOf(metas),
    };
  }

  /** Tables that are no inputs and hold older data: older L0 runs, and every level below the first input. */
  #olderRanges(inputs: readonly CompactionInput[]): KeyRange[] {
    const metas = new Set(inputs.map((input) => input.meta));
    const range = rangeOf([...metas]);
    const source = Math.min(...inputs.map((input) => input.level));
    const older: TableMeta[] = [];
    if (source === 0) {
      const runs = tablesOf(this.#tree, 0);
      older.push(...runs.slice(runs.findIndex((run) => metas.has(run))));
    }
    for (let level = source + 1; level < LEVEL_COUNT; level++)
      older.push(...tablesOf(this.#tree, level));
    return joinRanges(older.filter((table) => !metas.has(table) && rangesMeet(table, range)));
  }
}

function isMostlyTombstones(table: TableMeta): boolean {
  const tombstones = table.tombstones + table.rangeTombstones;
  return tombstones > 0 && tombstones >= TOMBSTONE_RATIO * (table.entries + table.rangeTombstones);
}

/** The least range that holds all of them. Requires at least one. */
function rangeOf(ranges: readonly KeyRange[]): KeyRange {
  let { lower, upper } = ranges[0] as KeyRange;
  for (const range of ranges) {
    if (compareArrays(range.lower, lower) < 0) lower = range.lower;
    if (compareArrays(range.upper, upper) > 0) upper = range.upper;
  }
  return { lower, upper };
}

/** Sorted and disjoint ranges that cover the same keys. */
export function joinRanges(ranges: readonly KeyRange[]): KeyRange[] {
  const sorted = [...ranges].sort((a, b) => compareArrays(a.lower, b.lower));
  const joined: KeyRange[] = [];
  for (const { lower, upper } of sorted) {
    const before = joined.at(-1);
    if (before === undefined || compareArrays(before.upper, lower) < 0) {
      joined.push({ lower, upper });
    } else if (compareArrays(before.upper, upper) < 0) {
      joined[joined.length - 1] = { lower: before.lower, upper };
    }
  }
  return joined;
}
