/**
 * Picker, claims and jobs together: a tree that takes flushes, snapshots and up to three compactions at
 * a time, which end in any order. Reads never change, older data stays below newer data, and when
 * nothing more is flushed the picker comes to an end.
 */
import { describe, expect, it } from 'vitest';
import { compareArrays } from '../../../src/base/bytes.js';
import { SEQ_MAX } from '../../../src/base/limits.js';
import type { Prng } from '../../../src/base/prng.js';
import { Claims } from '../../../src/engine/compaction/claims.js';
import type { Retention } from '../../../src/engine/compaction/drop-rules.js';
import { runCompaction } from '../../../src/engine/compaction/job.js';
import {
  type CompactionPick,
  pickCompaction,
  type PickContext,
  pickManual,
  type PickOptions,
} from '../../../src/engine/compaction/picker.js';
import type { RangeTombstone } from '../../../src/engine/range-tombstones.js';
import type { TableMeta } from '../../../src/engine/table-meta.js';
import {
  compareEntries,
  forSeeds,
  type ModelEntry,
  randomHistory,
  show,
  visibleEntries,
} from '../model-entry.js';
import { ARRAY_ENTRY_BYTES, arrayTable, type ArrayTable, ArrayTables } from './array-tables.js';
import { createJobEnv, finish } from './job-env.js';

const RUNNING_MAX = 3;
const EVERYTHING = { lower: new Uint8Array(0), upper: Uint8Array.of(0xff) };

interface Running {
  readonly pick: CompactionPick;
  readonly outputs: readonly TableMeta[];
  readonly claim: number;
}

class ModelTree {
  readonly levels: TableMeta[][] = [[], [], [], [], [], [], []];
  readonly access = new ArrayTables();
  readonly claims = new Claims();
  readonly running: Running[] = [];
  readonly options: PickOptions;
  readonly #env = createJobEnv();
  readonly #all: { entries: ModelEntry[]; tombstones: RangeTombstone[] } = {
    entries: [],
    tombstones: [],
  };
  #nextFile = 1;
  visibleSeq = 0;
  snapshots: number[] = [];

  constructor(options: PickOptions) {
    this.options = options;
  }

  flush(
    entries: readonly ModelEntry[],
    tombstones: readonly RangeTombstone[],
    lastSeq: number,
  ): void {
    this.visibleSeq = lastSeq;
    if (entries.length + tombstones.length === 0) return;
    this.#all.entries.push(...entries);
    this.#all.tombstones.push(...tombstones);
    const sorted = [...entries].sort(compareEntries);
    const table = this.access.add(arrayTable(this.#nextFile++, sorted, tombstones));
    (this.levels[0] as TableMeta[]).unshift(table.meta);
  }

  retention(): Retention {
    const pinned = new Set([...this.snapshots, this.visibleSeq]);
    return {
      pinnedSeqs: [...pinned].sort((a, b) => a - b),
      keepVersionsFrom: SEQ_MAX,
      tombstoneFloor: SEQ_MAX,
      nowMs: 0,
    };
  }

  context(isIdle: boolean): PickContext {
    return {
      claims: this.claims,
      retention: this.retention(),
      valueLogsToEmpty: new Set(),
      isIdle,
    };
  }

  /** Starts what the picker wants; false when it wants nothing. */
  start(pick: CompactionPick | undefined): boolean {
    if (pick === undefined) return false;
    const claim = this.claims.claim(pick);
    const outputs = pick.isMove ? pick.inputs.map((input) => input.meta) : this.#run(pick);
    this.running.push({ pick, outputs, claim });
    return true;
  }

  /** Installs the result of a running compaction. */
  end(index: number): void {
    const [job] = this.running.splice(index, 1);
    if (job === undefined) return;
    for (const { level, meta } of job.pick.inputs) {
      const tables = this.levels[level] as TableMeta[];
      tables.splice(tables.indexOf(meta), 1);
    }
    const { outputLevel } = job.pick;
    const tables = this.levels[outputLevel] as TableMeta[];
    tables.push(...job.outputs);
    if (outputLevel === 0) tables.sort((a, b) => b.maxSeq - a.maxSeq);
    else tables.sort((a, b) => compareArrays(a.lower, b.lower));
    this.claims.release(job.claim);
  }

  latest(): string[] {
    const reader = { seqMax: SEQ_MAX, versionMax: SEQ_MAX, nowMs: 0 };
    return visibleEntries(this.#all.entries, this.#all.tombstones, reader).map(show);
  }

  check(): void {
    const tables = this.levels.flat().map((meta) => this.access.of(meta));
    const left = {
      entries: tables.flatMap((t) => t.entries),
      tombstones: tables.flatMap((t) => t.tombstones),
    };
    for (const seqMax of [...this.snapshots, this.visibleSeq]) {
      const reader = { seqMax, versionMax: SEQ_MAX, nowMs: 0 };
      const expected = visibleEntries(this.#all.entries, this.#all.tombstones, reader).map(show);
      expect(visibleEntries(left.entries, left.tombstones, reader).map(show)).toEqual(expected);
    }
    this.#checkOrder(tables);
    for (const level of this.levels.slice(1)) checkDisjoint(level);
  }

  /** Per key, what lies deeper is older. Tables come from the top down. */
  #checkOrder(tables: readonly ArrayTable[]): void {
    const oldest = new Map<string, number>();
    for (const table of tables) {
      for (const entry of table.entries) {
        const key = show(entry).split('@')[0] as string;
        expect(entry.seq).toBeLessThan(oldest.get(key) ?? SEQ_MAX);
        oldest.set(key, entry.seq);
      }
    }
  }

  #run(pick: CompactionPick): readonly TableMeta[] {
    const first = this.#nextFile;
    this.#nextFile += pick.outputsMax;
    const job = runCompaction(
      {
        kind: 'compaction',
        directory: this.#env.directory,
        identitySeed: first,
        table: { blockBytes: 4096, filterBitsPerKey: 10, compression: 'none' },
        retention: this.retention(),
        inputs: pick.inputs.map(({ level, meta }) => ({ level, meta, path: '' })),
        outputLevel: pick.outputLevel,
        targetTableBytes: pick.targetTableBytes,
        fileNumbers: { first, count: pick.outputsMax },
        olderRanges: pick.olderRanges,
      },
      this.#env,
      this.access,
    );
    return finish(job).outputs;
  }
}

function checkDisjoint(level: readonly TableMeta[]): void {
  for (let i = 1; i < level.length; i++) {
    const [a, b] = [level[i - 1] as TableMeta, level[i] as TableMeta];
    expect(compareArrays(a.upper, b.lower)).toBeLessThanOrEqual(0);
  }
}

function randomTree(random: Prng): ModelTree {
  const policies = ['leveled', 'tiered', 'hybrid'] as const;
  return new ModelTree({
    l0CompactionTrigger: 1 + random.below(4),
    baseLevelBytes: ARRAY_ENTRY_BYTES * (1 + random.below(30)),
    tableBytes: ARRAY_ENTRY_BYTES * (1 + random.below(6)),
    compactionPolicy: policies[random.below(3)] as (typeof policies)[number],
  });
}

/** Lives through a random history; leaves nothing running. */
function live(random: Prng, tree: ModelTree): void {
  const keys = 4 + random.below(60);
  const history = randomHistory(random, {
    keys,
    entries: 200,
    rangeTombstones: random.below(8),
    isManaged: false,
    expires: false,
  });
  const middle = random.below(keys);
  for (let from = 1; from <= history.lastSeq;) {
    const to = Math.min(history.lastSeq, from + random.below(20));
    const isIn = (one: { readonly seq: number }): boolean => one.seq >= from && one.seq <= to;
    const isLow = (entry: ModelEntry): boolean =>
      show(entry) < `k${String(middle).padStart(3, '0')}`;
    // Some flushes hold a part of the keys only, so that runs do not all overlap.
    const keep = random.below(3);
    const entries = history.entries
      .filter(isIn)
      .filter((entry) => keep === 0 || isLow(entry) === (keep === 1));
    tree.flush(entries, history.tombstones.filter(isIn), to);
    from = to + 1;
    if (random.chance(1, 3)) tree.snapshots.push(tree.visibleSeq);
    if (random.chance(1, 3)) tree.snapshots.splice(random.below(tree.snapshots.length + 1), 1);
    for (let i = random.below(4); i > 0; i--) {
      if (tree.running.length < RUNNING_MAX) {
        tree.start(pickCompaction(tree, tree.options, tree.context(random.chance(1, 4))));
      }
      if (random.chance(1, 2)) tree.end(random.below(RUNNING_MAX));
    }
    tree.check();
  }
  while (tree.running.length > 0) tree.end(0);
  tree.check();
}

/** Does everything that `pick` wants, one job after another. */
function settle(tree: ModelTree, pick: () => CompactionPick | undefined): void {
  let steps = 0;
  while (tree.start(pick())) {
    tree.end(0);
    steps++;
    expect(steps).toBeLessThan(500);
  }
  tree.check();
}

describe('a tree under compaction', () => {
  it('reads the same whatever runs at the same time, and the picker comes to an end', () => {
    forSeeds(80, (random) => {
      const tree = randomTree(random);
      live(random, tree);
      settle(tree, () => pickCompaction(tree, tree.options, tree.context(true)));
      tree.snapshots = [];
      settle(tree, () => pickCompaction(tree, tree.options, tree.context(true)));
    });
  });

  it('compacted by hand without snapshots holds the live entries and nothing else', () => {
    forSeeds(50, (random) => {
      const tree = randomTree(random);
      live(random, tree);
      settle(tree, () => pickManual(tree, tree.options, tree.context(false), EVERYTHING, SEQ_MAX));
      tree.snapshots = [];
      settle(tree, () => pickManual(tree, tree.options, tree.context(false), EVERYTHING, SEQ_MAX));
      expect(tree.levels.slice(0, 6).flat()).toEqual([]);
      const tables = (tree.levels[6] as TableMeta[]).map((meta) => tree.access.of(meta));
      expect(tables.flatMap((table) => table.entries).map(show)).toEqual(tree.latest());
      expect(tables.flatMap((table) => table.tombstones)).toEqual([]);
    });
  });
});
