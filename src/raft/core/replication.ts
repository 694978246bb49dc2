/** How a leader brings its log to the others, and what they answer. */
import { hex } from './ids.js';
import { fatal } from './logger.js';
import {
  Message,
  MSG_APP,
  MSG_APP_RESP,
  MSG_HEARTBEAT,
  MSG_HEARTBEAT_RESP,
  MSG_SNAP,
  MSG_TIMEOUT_NOW,
} from './messages.js';
import { NO_ENTRIES, payloadsSize, type Entries } from './entry.js';
import { PROGRESS_REPLICATE, type Progress } from './progress.js';
import type { Raft } from './raft.js';

/** Sends what the follower needs next, an empty message when there is nothing. */
export function sendAppend(r: Raft, progress: Progress): void {
  maybeSendAppend(r, progress, true);
}

/** False when nothing was sent: paused, or nothing to send and `sendIfEmpty` not set. */
export function maybeSendAppend(r: Raft, progress: Progress, sendIfEmpty: boolean): boolean {
  if (progress.isPaused) return false;
  const previous = progress.next - 1;
  const previousTerm = r.log.term(previous);
  if (previousTerm < 0) return maybeSendSnapshot(r, progress);

  // Into a full window only empty messages go: should all in flight be lost, one still gets through.
  let entries: Entries | undefined = NO_ENTRIES;
  if (progress.state !== PROGRESS_REPLICATE || !progress.inflights.isFull) {
    entries = r.log.entriesFrom(progress.next, r.messageBytesMax);
  }
  if (!sendIfEmpty && (entries === undefined || entries.length === 0)) return false;
  if (entries === undefined) return maybeSendSnapshot(r, progress);

  const m = new Message(MSG_APP, progress.id);
  m.index = previous;
  m.logTerm = previousTerm;
  m.entries = entries;
  m.commit = r.log.committed;
  r.send(m);
  progress.sentEntries(entries.length, payloadsSize(entries));
  progress.sentCommit = r.log.committed;
  return true;
}

/** What the follower needs is compacted away. */
function maybeSendSnapshot(r: Raft, progress: Progress): boolean {
  const to = hex(progress.id);
  if (!progress.recentActive) {
    r.logger.debug(`ignore sending snapshot to ${to} since it is not recently active`);
    return false;
  }
  const snapshot = r.log.snapshot();
  if (snapshot === undefined) {
    r.logger.debug(
      `${hex(r.id)} failed to send snapshot to ${to} because snapshot is temporarily unavailable`,
    );
    return false;
  }
  if (snapshot.index === 0) throw fatal(r.logger, 'need non-empty snapshot');
  r.logger.debug(
    `${hex(r.id)} [firstindex: ${r.log.firstIndex()}, commit: ${r.log.committed}] ` +
      `sent snapshot[index: ${snapshot.index}, term: ${snapshot.term}] to ${to} [${String(progress)}]`,
  );
  progress.becomeSnapshot(snapshot.index);
  r.logger.debug(`${hex(r.id)} paused sending replication messages to ${to} [${String(progress)}]`);
  const m = new Message(MSG_SNAP, progress.id);
  m.snapshot = snapshot;
  r.send(m);
  return true;
}

export function broadcastAppend(r: Raft): void {
  for (const progress of r.tracker.progress.all) {
    if (progress.id !== r.id) sendAppend(r, progress);
  }
}

/** Heartbeats carry the latest read that waits for a quorum. */
export function broadcastHeartbeat(r: Raft): void {
  const context = r.reads.heartbeatContext();
  for (const progress of r.tracker.progress.all) {
    if (progress.id === r.id) continue;
    const m = new Message(MSG_HEARTBEAT, progress.id);
    // Never beyond what the follower is known to hold: its tail may not be ours.
    m.commit = Math.min(progress.match, r.log.committed);
    m.context = context;
    r.send(m);
    progress.sentCommit = m.commit;
  }
}

export function sendTimeoutNow(r: Raft, to: number): void {
  r.send(new Message(MSG_TIMEOUT_NOW, to));
}

/** Follower. */
export function handleAppendEntries(r: Raft, m: Message): void {
  const response = new Message(MSG_APP_RESP, m.from);
  if (m.index < r.log.committed) {
    response.index = r.log.committed;
    r.send(response);
    return;
  }
  const last = r.log.maybeAppend(m.index, m.logTerm, m.entries, m.commit);
  if (last !== -1) {
    response.index = last;
    r.send(response);
    return;
  }
  r.logger.debug(
    `${hex(r.id)} [logterm: ${r.log.termOrZero(m.index)}, index: ${m.index}] rejected MsgApp ` +
      `[logterm: ${m.logTerm}, index: ${m.index}] from ${hex(m.from)}`,
  );
  // The hint skips our entries of terms the leader's log cannot have there.
  const hint = r.log.findConflictByTerm(Math.min(m.index, r.log.lastIndex()), m.logTerm);
  response.index = m.index;
  response.reject = true;
  response.rejectHint = hint;
  response.logTerm = r.log.termOrZero(hint);
  r.send(response);
}

/** Follower. */
export function handleHeartbeat(r: Raft, m: Message): void {
  r.log.commitTo(m.commit);
  const response = new Message(MSG_HEARTBEAT_RESP, m.from);
  response.context = m.context;
  r.send(response);
}
