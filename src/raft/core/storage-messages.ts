/**
 * Storage work as messages to local threads, and what comes back.
 *
 * Why an acknowledgement of appended entries names (index, term) of the end of the log, and our term:
 *
 *   1. A leads; follower B starts to write A's entries 5..7.
 *   2. C wins a later term; B replaces 5..7 by C's entries and starts to write those.
 *   3. A wins a term after that and sends 5..7 of step 1 again, with the terms they had; B replaces
 *      C's entries and starts to write A's once more.
 *   4. The write of step 1 is acknowledged. Index and term match the log, yet the write of step 2 is
 *      still to come and will put C's entries into storage: nothing may leave the unstable log.
 *
 * So an acknowledgement of an earlier term of ours is ignored. That no entry is kept in memory for
 * ever follows from the other half: every append message while anything is unstable, also one with
 * a hard state only (there is one after every change of term), acknowledges the whole log.
 */
import { entriesSize, type Entry } from './entry.js';
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD } from './ids.js';
import {
  Message,
  MSG_STORAGE_APPEND,
  MSG_STORAGE_APPEND_RESP,
  MSG_STORAGE_APPLY,
  MSG_STORAGE_APPLY_RESP,
} from './messages.js';
import type { Raft } from './raft.js';
import type { HardState, Snapshot } from './state.js';

/** Entries, hard state and snapshot of a Ready to be made durable; then its responses are sent. */
export function storageAppendMessage(
  r: Raft,
  entries: readonly Entry[],
  hardState: HardState | undefined,
  snapshot: Snapshot | undefined,
): Message {
  const m = new Message(MSG_STORAGE_APPEND, LOCAL_APPEND_THREAD);
  m.from = r.id;
  m.entries = entries;
  if (hardState !== undefined) {
    m.term = hardState.term;
    m.vote = hardState.vote;
    m.commit = hardState.commit;
  }
  m.snapshot = snapshot;
  m.responses = r.messagesAfterAppend;
  if (needsAppendResponse(r, snapshot)) {
    // Last: acknowledgements to ourselves find the terms of their entries in memory before this
    // one takes the entries out of it.
    m.responses = [...r.messagesAfterAppend, storageAppendResponse(r, snapshot)];
  }
  return m;
}

export function needsAppendResponse(r: Raft, snapshot: Snapshot | undefined): boolean {
  return r.log.unstable.length > 0 || snapshot !== undefined;
}

export function storageAppendResponse(r: Raft, snapshot: Snapshot | undefined): Message {
  const m = new Message(MSG_STORAGE_APPEND_RESP, r.id);
  m.from = LOCAL_APPEND_THREAD;
  m.term = r.term;
  if (r.log.unstable.length > 0) {
    m.index = r.log.lastIndex();
    m.logTerm = r.log.lastTerm();
  }
  m.snapshot = snapshot;
  return m;
}

/** Committed entries to be applied; then the response comes back. They belong to no term. */
export function storageApplyMessage(r: Raft, entries: readonly Entry[]): Message {
  const m = new Message(MSG_STORAGE_APPLY, LOCAL_APPLY_THREAD);
  m.from = r.id;
  m.entries = entries;
  m.responses = [storageApplyResponse(r, entries)];
  return m;
}

export function storageApplyResponse(r: Raft, entries: readonly Entry[]): Message {
  const m = new Message(MSG_STORAGE_APPLY_RESP, r.id);
  m.from = LOCAL_APPLY_THREAD;
  m.entries = entries;
  return m;
}

/** Marks what a Ready carries as handed out. */
export function acceptHandedOut(
  r: Raft,
  committed: readonly Entry[],
  allowUnstable: boolean,
): void {
  r.log.unstable.acceptInProgress();
  const last = committed[committed.length - 1];
  if (last === undefined) return;
  r.log.acceptApplying(last.index, entriesSize(committed), allowUnstable);
}
