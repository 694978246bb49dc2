/**
 * How full each level is. Pure. Figures behind the shape: docs/compaction.md.
 *
 * The last level's target is its own size. Going up, each level may hold an eighth of the one below, until
 * the target is within `baseLevelBytes`: that level is the *base level*, where L0 goes. Levels above it
 * stay empty. A level that still holds tables from a time when the tree was larger is the base level,
 * whatever its target, so that L0 never jumps over older data; it is drained when the last level has
 * shrunk to half of the size that called for it.
 */
import { LEVEL_COUNT } from '../../base/limits.js';
import type { TableMeta } from '../table-meta.js';
import type { Claims } from './claims.js';

/** Size ratio of neighbouring levels. */
export const LEVEL_MULTIPLIER = 8;
export const LAST_LEVEL = LEVEL_COUNT - 1;

/** The tree as the picker sees it: levels[0] newest run first, the others sorted and disjoint. */
export interface Tree {
  readonly levels: readonly (readonly TableMeta[])[];
}

export interface ScoreOptions {
  /** L0 runs that start a compaction. */
  readonly l0CompactionTrigger: number;
  /** Largest target of the base level, bytes. */
  readonly baseLevelBytes: number;
}

export interface LevelScore {
  readonly level: number;
  /** From 1 on the level wants to be compacted. The last level has 0. */
  readonly score: number;
  /** All tables, claimed ones included. */
  readonly bytes: number;
  /** Bytes; 0 for L0 and for levels above the base level. */
  readonly target: number;
}

export interface TreeShape {
  readonly baseLevel: number;
  /** One per level. */
  readonly scores: readonly LevelScore[];
}

export function tablesBytes(tables: readonly TableMeta[]): number {
  let sum = 0;
  for (const table of tables) sum += table.bytes;
  return sum;
}

/** The tables of a level; none when the tree has fewer levels. */
export function tablesOf(tree: Tree, level: number): readonly TableMeta[] {
  return tree.levels[level] ?? [];
}

/** Base level, targets and scores. Claimed tables do not count towards a score: they are on their way. */
export function treeShape(tree: Tree, options: ScoreOptions, claims: Claims): TreeShape {
  const targets = new Array<number>(LEVEL_COUNT).fill(0);
  let target = tablesBytes(tablesOf(tree, LAST_LEVEL));
  let baseLevel = LAST_LEVEL;
  targets[LAST_LEVEL] = target;
  const firstFilled = firstFilledLevel(tree);
  const drains = target < options.baseLevelBytes / 2;
  while (baseLevel > 1 && (target > options.baseLevelBytes || firstFilled < baseLevel)) {
    baseLevel--;
    target = Math.floor(target / LEVEL_MULTIPLIER);
    targets[baseLevel] = target;
  }
  const scores: LevelScore[] = [];
  for (let level = 0; level < LEVEL_COUNT; level++) {
    const tables = tablesOf(tree, level);
    const waiting = tables.filter((table) => !claims.hasTable(table));
    const levelTarget = targets[level] as number;
    let score = 0;
    if (level === 0) score = waiting.length / options.l0CompactionTrigger;
    else if (level < LAST_LEVEL) score = tablesBytes(waiting) / Math.max(1, levelTarget);
    if (drains && level > 0 && waiting.length > 0 && level < LAST_LEVEL) score = Math.max(1, score);
    scores.push({ level, score, bytes: tablesBytes(tables), target: levelTarget });
  }
  return { baseLevel, scores };
}

/** First level below L0 that holds tables; the last level when none does. */
function firstFilledLevel(tree: Tree): number {
  for (let level = 1; level < LAST_LEVEL; level++) {
    if (tablesOf(tree, level).length > 0) return level;
  }
  return LAST_LEVEL;
}
