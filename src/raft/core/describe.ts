/**
 * Values of the core as text, in the words of etcd's raft: scripted tests compare it, log lines and
 * people use it. Not parsed by anything.
 */
import { decodeEntryChange } from './conf-change-codec.js';
import {
  asV2,
  confChangeTypeName,
  CONF_ADD_LEARNER,
  CONF_ADD_NODE,
  CONF_REMOVE_NODE,
  CONF_UPDATE_NODE,
  transitionName,
  type AnyConfChange,
  type ConfChangeSingle,
} from './conf-change.js';
import { ENTRY_NORMAL, entryTypeName, type Entries, type Entry } from './entry.js';
import { listText, quoteBytes } from './go-text.js';
import { hex, LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, NONE } from './ids.js';
import { messageTypeName, type Message } from './messages.js';
import type { Ready } from './ready.js';
import {
  isEmptyHardState,
  stateName,
  type ConfState,
  type HardState,
  type ReadState,
  type Snapshot,
  type SoftState,
} from './state.js';

/** How the data of a normal entry is shown. */
export type EntryFormatter = (data: Uint8Array) => string;

export function describeHardState(state: HardState): string {
  const vote = state.vote === NONE ? '' : ` Vote:${state.vote}`;
  return `Term:${state.term}${vote} Commit:${state.commit}`;
}

export function describeSoftState(state: SoftState): string {
  return `Lead:${state.lead} State:${stateName(state.raftState)}`;
}

export function describeConfState(state: ConfState): string {
  return (
    `Voters:${listText(state.voters)} VotersOutgoing:${listText(state.votersOutgoing)} ` +
    `Learners:${listText(state.learners)} LearnersNext:${listText(state.learnersNext)} ` +
    `AutoLeave:${state.autoLeave}`
  );
}

export function describeSnapshot(snapshot: Snapshot): string {
  const { index, term, confState } = snapshot;
  return `Index:${index} Term:${term} ConfState:${describeConfState(confState)}`;
}

export function describeReady(ready: Ready, format: EntryFormatter = quoteBytes): string {
  let text = '';
  if (ready.softState !== undefined) text += `${describeSoftState(ready.softState)}\n`;
  if (ready.hardState !== undefined && !isEmptyHardState(ready.hardState)) {
    text += `HardState ${describeHardState(ready.hardState)}\n`;
  }
  if (ready.readStates.length > 0) {
    text += `ReadStates [${ready.readStates.map(describeReadState).join(' ')}]\n`;
  }
  if (ready.entries.length > 0) text += `Entries:\n${describeEntries(ready.entries, format)}`;
  if (ready.snapshot !== undefined) text += `Snapshot ${describeSnapshot(ready.snapshot)}\n`;
  if (ready.committedEntries.length > 0) {
    text += `CommittedEntries:\n${describeEntries(ready.committedEntries, format)}`;
  }
  if (ready.messages.length > 0) {
    text += `Messages:\n${ready.messages.map((m) => `${describeMessage(m, format)}\n`).join('')}`;
  }
  return text === '' ? '<empty Ready>' : `Ready MustSync=${ready.mustSync}:\n${text}`;
}

function describeReadState(state: ReadState): string {
  return `{${state.index} ${listText(state.requestContext)}}`;
}

export function describeMessage(m: Message, format: EntryFormatter = quoteBytes): string {
  return describeIndented('', m, format);
}

function describeIndented(indent: string, m: Message, format: EntryFormatter): string {
  let text =
    `${indent}${describeTarget(m.from)}->${describeTarget(m.to)} ${messageTypeName(m.type)} ` +
    `Term:${m.term} Log:${m.logTerm}/${m.index}`;
  if (m.reject) text += ` Rejected (Hint: ${m.rejectHint})`;
  if (m.commit !== 0) text += ` Commit:${m.commit}`;
  if (m.vote !== NONE) text += ` Vote:${m.vote}`;
  const entries = m.entries.map((entry) => describeEntry(entry, format));
  if (entries.length === 1) text += ` Entries:[${entries[0] ?? ''}]`;
  else if (entries.length > 1) {
    text += ` Entries:[${entries.map((entry) => `\n${indent}  ${entry}`).join('')}\n${indent}]`;
  }
  if (m.snapshot !== undefined && m.snapshot.index !== 0) {
    text += `\n${indent}  Snapshot: ${describeSnapshot(m.snapshot)}`;
  }
  if (m.responses.length > 0) {
    const responses = m.responses.map((one) => describeIndented(`${indent}  `, one, format));
    text += ` Responses:[\n${responses.join('\n')}\n${indent}]`;
  }
  return text;
}

function describeTarget(id: number): string {
  switch (id) {
    case NONE:
      return 'None';
    case LOCAL_APPEND_THREAD:
      return 'AppendThread';
    case LOCAL_APPLY_THREAD:
      return 'ApplyThread';
    default:
      return hex(id);
  }
}

/** A line per entry. */
export function describeEntries(entries: Entries, format: EntryFormatter = quoteBytes): string {
  return entries.map((entry) => `${describeEntry(entry, format)}\n`).join('');
}

export function describeEntry(entry: Entry, format: EntryFormatter = quoteBytes): string {
  const data = entry.type === ENTRY_NORMAL ? format(entry.data) : describeChangeOf(entry);
  const tail = data === '' ? '' : ` ${data}`;
  return `${entry.term}/${entry.index} ${entryTypeName(entry.type)}${tail}`;
}

function describeChangeOf(entry: Entry): string {
  try {
    const change = decodeEntryChange(entry);
    return change === undefined ? '' : confChangesText(asV2(change).changes);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export function describeConfChange(change: AnyConfChange): string {
  const { transition, changes, context } = asV2(change);
  let text = `transition:${transitionName(transition)}`;
  for (const { type, nodeId } of changes) {
    text += ` changes:{type:${confChangeTypeName(type)} node_id:${nodeId}}`;
  }
  if (context.length > 0) text += ` context:${quoteBytes(context)}`;
  return text;
}

/** "v1 l2 r3 u4": voter, learner, removed, updated. */
export function confChangesText(changes: readonly ConfChangeSingle[]): string {
  return changes.map(({ type, nodeId }) => `${letterOf(type)}${nodeId}`).join(' ');
}

function letterOf(type: number): string {
  switch (type) {
    case CONF_ADD_NODE:
      return 'v';
    case CONF_ADD_LEARNER:
      return 'l';
    case CONF_REMOVE_NODE:
      return 'r';
    case CONF_UPDATE_NODE:
      return 'u';
    default:
      return 'unknown';
  }
}
