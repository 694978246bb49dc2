/**
 * What cannot be right in a message, whoever sent it: looked at before it reaches the state of a
 * replica, so that no message turns into NaN in a log or an exception in the middle of a step.
 *
 * Refused: numbers that are no index, term or id; entries that are no run after `index`, or whose
 * terms sink or pass the sender's; messages between nodes without a sender or a term; proposals and
 * reads without an entry. Not refused, because it is no mistake of the sender: old terms, repeats.
 */
import { ENTRY_CONF_CHANGE_V2, type Entry } from './entry.js';
import { INDEX_MAX, isCount, isLocalTarget, NONE, TERM_MAX } from './ids.js';
import {
  MESSAGE_TYPE_NAMES,
  MSG_APP,
  MSG_APP_RESP,
  MSG_FORGET_LEADER,
  MSG_HEARTBEAT,
  MSG_HEARTBEAT_RESP,
  MSG_PRE_VOTE,
  MSG_PRE_VOTE_RESP,
  MSG_PROP,
  MSG_READ_INDEX,
  MSG_READ_INDEX_RESP,
  MSG_SNAP,
  MSG_TIMEOUT_NOW,
  MSG_VOTE,
  MSG_VOTE_RESP,
  type Message,
} from './messages.js';
import type { Snapshot } from './state.js';

const ID_MAX = Number.MAX_SAFE_INTEGER;

/** What is wrong with the message, or undefined. `ownTerm`: once there are terms, nobody sends without. */
export function messageProblem(m: Message, ownId: number, ownTerm: number): string | undefined {
  if (!isCount(m.type, MESSAGE_TYPE_NAMES.length - 1)) return 'unknown type';
  if (!isCount(m.from, ID_MAX) || !isCount(m.to, ID_MAX)) return 'no node id';
  if (!isCount(m.term, TERM_MAX) || !isCount(m.logTerm, TERM_MAX)) return 'no term';
  if (!isCount(m.index, INDEX_MAX) || !isCount(m.commit, INDEX_MAX)) return 'no index';
  if (!isCount(m.rejectHint, INDEX_MAX) || !isCount(m.vote, ID_MAX)) return 'no hint or vote';
  if (typeof m.reject !== 'boolean') return 'no verdict';
  if (!(m.context instanceof Uint8Array) || !Array.isArray(m.entries)) return 'no bytes or entries';
  for (let i = 0; i < m.entries.length; i++) {
    if (!isEntry(m.entries[i] as Entry | undefined)) return 'no entry';
  }
  if (m.snapshot !== undefined && !isSnapshot(m.snapshot)) return 'no snapshot';
  return problemOfType(m, ownId, ownTerm);
}

function problemOfType(m: Message, ownId: number, ownTerm: number): string | undefined {
  switch (m.type) {
    case MSG_PROP:
      return m.entries.length === 0 ? 'proposal without an entry' : undefined;
    case MSG_READ_INDEX:
      return m.entries.length !== 1 ? 'read request without its entry' : undefined;
    case MSG_FORGET_LEADER:
      return undefined;
    case MSG_APP:
    case MSG_HEARTBEAT:
      if (m.from === ownId) return 'leader message from ourselves';
      return problemOfSender(m) ?? (m.type === MSG_APP ? problemOfRun(m) : undefined);
    case MSG_SNAP:
    case MSG_APP_RESP:
      // Before the first election of a group there is no term to send.
      if (m.type === MSG_SNAP && m.from === ownId) return 'leader message from ourselves';
      if (m.term === 0 && ownTerm === 0 && m.from !== NONE) return undefined;
      return problemOfSender(m);
    case MSG_VOTE:
    case MSG_VOTE_RESP:
    case MSG_PRE_VOTE:
    case MSG_PRE_VOTE_RESP:
    case MSG_HEARTBEAT_RESP:
    case MSG_TIMEOUT_NOW:
    case MSG_READ_INDEX_RESP:
      return problemOfSender(m);
    default:
      return undefined;
  }
}

function problemOfSender(m: Message): string | undefined {
  if (m.from === NONE || isLocalTarget(m.from)) return 'no sender';
  return m.term === 0 ? 'no term' : undefined;
}

/** The entries follow (index, logTerm) without a gap; terms never sink, nor pass the leader's. */
function problemOfRun(m: Message): string | undefined {
  let index = m.index;
  let term = m.logTerm;
  for (let i = 0; i < m.entries.length; i++) {
    const entry = m.entries[i] as Entry;
    if (entry.index !== ++index) return 'entries with a gap';
    if (entry.term < term || entry.term > m.term || entry.term === 0)
      return 'entry of a wrong term';
    term = entry.term;
  }
  return term > m.term ? 'previous entry of a later term' : undefined;
}

function isEntry(entry: Entry | undefined): boolean {
  return (
    typeof entry === 'object' &&
    isCount(entry.type, ENTRY_CONF_CHANGE_V2) &&
    isCount(entry.term, TERM_MAX) &&
    isCount(entry.index, INDEX_MAX) &&
    entry.data instanceof Uint8Array
  );
}

function isSnapshot(snapshot: Snapshot): boolean {
  if (typeof snapshot !== 'object' || snapshot === null) return false;
  const { confState } = snapshot;
  if (typeof confState !== 'object' || confState === null) return false;
  const isIds = (ids: unknown): boolean =>
    Array.isArray(ids) &&
    ids.every((id) => isCount(id, ID_MAX) && id !== NONE && !isLocalTarget(id));
  return (
    isCount(snapshot.index, INDEX_MAX) &&
    isCount(snapshot.term, TERM_MAX) &&
    snapshot.data instanceof Uint8Array &&
    isIds(confState.voters) &&
    isIds(confState.learners) &&
    isIds(confState.votersOutgoing) &&
    isIds(confState.learnersNext) &&
    typeof confState.autoLeave === 'boolean'
  );
}
