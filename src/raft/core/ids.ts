/**
 * Numbers of the consensus core: node ids, indexes and terms are safe integers, so one below 2^53 is
 * exact and one above is refused, never rounded. Two ids at the top name the local storage threads.
 */

/** No node: the vote of who has not voted, the leader of who knows none. */
export const NONE = 0;

/** Target of MSG_STORAGE_APPEND: whoever makes log, hard state and snapshots durable. */
export const LOCAL_APPEND_THREAD = Number.MAX_SAFE_INTEGER;
/** Target of MSG_STORAGE_APPLY: whoever applies committed entries. */
export const LOCAL_APPLY_THREAD = Number.MAX_SAFE_INTEGER - 1;

/** Largest id of a node. */
export const NODE_ID_MAX = LOCAL_APPLY_THREAD - 1;
/** Largest index of an entry: the index after it is still exact. */
export const INDEX_MAX = Number.MAX_SAFE_INTEGER - 1;
/** Largest term: a pre-vote asks for the term after it. */
export const TERM_MAX = Number.MAX_SAFE_INTEGER - 1;

/** A size in bytes without a limit. */
export const NO_LIMIT = Number.POSITIVE_INFINITY;

export function isLocalTarget(id: number): boolean {
  return id >= LOCAL_APPLY_THREAD;
}

/** An integer in [0, max]; false for anything else, NaN, fractions and other types included. */
export function isCount(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max;
}

/** How log lines name a node: in hexadecimal. */
export function hex(id: number): string {
  return id.toString(16);
}
