/** A replica taking up what is in storage: members, hard state, what is applied. */
import type { CheckedConfig } from './config.js';
import { hex, INDEX_MAX, isCount, NODE_ID_MAX, NONE, TERM_MAX } from './ids.js';
import { fatal } from './logger.js';
import { membershipOf, switchTo } from './membership.js';
import type { Raft } from './raft.js';
import { isEmptyHardState, type HardState } from './state.js';

/** @throws RaftError `failed` when the storage contradicts itself. */
export function restart(r: Raft, config: CheckedConfig): void {
  const { hardState, confState } = config.storage.initialState();
  const lastIndex = r.log.lastIndex();
  const lastTerm = r.log.lastTerm();
  const membership = membershipOf(r, lastIndex, confState);
  if (typeof membership === 'string') throw fatal(r.logger, membership);
  switchTo(r, membership);
  if (!isEmptyHardState(hardState)) loadHardState(r, hardState);
  if (config.applied > 0) r.log.appliedTo(config.applied, 0);
  r.becomeFollower(r.term, NONE);
  r.logger.info(
    `newRaft ${hex(r.id)} [peers: [${r.tracker.config.voters.ids().map(hex).join(',')}], ` +
      `term: ${r.term}, commit: ${r.log.committed}, applied: ${r.log.applied}, ` +
      `lastindex: ${lastIndex}, lastterm: ${lastTerm}]`,
  );
}

/**
 * Entries of a later term than the hard state's are fine: a crash came between the two writes, and
 * nothing that rests on that term was sent.
 */
function loadHardState(r: Raft, { term, vote, commit }: HardState): void {
  if (!isCount(term, TERM_MAX) || !isCount(vote, NODE_ID_MAX) || !isCount(commit, INDEX_MAX)) {
    throw fatal(r.logger, 'storage: the hard state has no term, vote or commit');
  }
  if (commit < r.log.committed || commit > r.log.lastIndex()) {
    throw fatal(
      r.logger,
      `${hex(r.id)} state.commit ${commit} is out of range ` +
        `[${r.log.committed}, ${r.log.lastIndex()}]`,
    );
  }
  r.log.committed = commit;
  r.term = term;
  r.vote = vote;
}
