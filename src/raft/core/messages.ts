/**
 * Messages between replicas, and between a replica and its storage threads. One class for all types,
 * every field set in the constructor: one shape at every call site. A message handed to step() or
 * taken from a Ready has one owner at a time; entries, snapshot and context are shared and immutable.
 */
import { NO_ENTRIES, type Entries } from './entry.js';
import { NONE } from './ids.js';
import type { Snapshot } from './state.js';

export const MSG_HUP = 0;
export const MSG_BEAT = 1;
export const MSG_PROP = 2;
export const MSG_APP = 3;
export const MSG_APP_RESP = 4;
export const MSG_VOTE = 5;
export const MSG_VOTE_RESP = 6;
export const MSG_SNAP = 7;
export const MSG_HEARTBEAT = 8;
export const MSG_HEARTBEAT_RESP = 9;
export const MSG_UNREACHABLE = 10;
export const MSG_SNAP_STATUS = 11;
export const MSG_CHECK_QUORUM = 12;
export const MSG_TRANSFER_LEADER = 13;
export const MSG_TIMEOUT_NOW = 14;
export const MSG_READ_INDEX = 15;
export const MSG_READ_INDEX_RESP = 16;
export const MSG_PRE_VOTE = 17;
export const MSG_PRE_VOTE_RESP = 18;
export const MSG_STORAGE_APPEND = 19;
export const MSG_STORAGE_APPEND_RESP = 20;
export const MSG_STORAGE_APPLY = 21;
export const MSG_STORAGE_APPLY_RESP = 22;
export const MSG_FORGET_LEADER = 23;

/** Index: the number of the type. These are etcd's names, which log lines and scripts use. */
export const MESSAGE_TYPE_NAMES = [
  'MsgHup',
  'MsgBeat',
  'MsgProp',
  'MsgApp',
  'MsgAppResp',
  'MsgVote',
  'MsgVoteResp',
  'MsgSnap',
  'MsgHeartbeat',
  'MsgHeartbeatResp',
  'MsgUnreachable',
  'MsgSnapStatus',
  'MsgCheckQuorum',
  'MsgTransferLeader',
  'MsgTimeoutNow',
  'MsgReadIndex',
  'MsgReadIndexResp',
  'MsgPreVote',
  'MsgPreVoteResp',
  'MsgStorageAppend',
  'MsgStorageAppendResp',
  'MsgStorageApply',
  'MsgStorageApplyResp',
  'MsgForgetLeader',
] as const;

/** One of the MSG_ constants; step() checks it. */
export type MessageType = number;

export const NO_CONTEXT = new Uint8Array(0);

export class Message {
  type: MessageType;
  to: number;
  from: number;
  /** Term of the sender; 0 in proposals and in messages that stay on the node. */
  term: number;
  /** Term of the entry at `index`. */
  logTerm: number;
  /** MSG_APP: the entry before `entries`. Acknowledgements: the last entry that is there. */
  index: number;
  entries: Entries;
  commit: number;
  /** MSG_STORAGE_APPEND only; with `term` and `commit` it is the hard state to make durable. */
  vote: number;
  snapshot: Snapshot | undefined;
  reject: boolean;
  rejectHint: number;
  context: Uint8Array;
  /** What a storage thread sends after its work is done, in this order. */
  responses: readonly Message[];

  constructor(type: MessageType, to: number) {
    this.type = type;
    this.to = to;
    this.from = NONE;
    this.term = 0;
    this.logTerm = 0;
    this.index = 0;
    this.entries = NO_ENTRIES;
    this.commit = 0;
    this.vote = NONE;
    this.snapshot = undefined;
    this.reject = false;
    this.rejectHint = 0;
    this.context = NO_CONTEXT;
    this.responses = NO_MESSAGES;
  }
}

export const NO_MESSAGES: readonly Message[] = Object.freeze([]);

export function messageTypeName(type: MessageType): string {
  return MESSAGE_TYPE_NAMES[type] ?? String(type);
}

/** Never comes from another node. */
export function isLocalMessage(type: MessageType): boolean {
  switch (type) {
    case MSG_HUP:
    case MSG_BEAT:
    case MSG_UNREACHABLE:
    case MSG_SNAP_STATUS:
    case MSG_CHECK_QUORUM:
    case MSG_STORAGE_APPEND:
    case MSG_STORAGE_APPEND_RESP:
    case MSG_STORAGE_APPLY:
    case MSG_STORAGE_APPLY_RESP:
      return true;
    default:
      return false;
  }
}

/** Only a known peer may answer. */
export function isResponseMessage(type: MessageType): boolean {
  switch (type) {
    case MSG_APP_RESP:
    case MSG_VOTE_RESP:
    case MSG_HEARTBEAT_RESP:
    case MSG_UNREACHABLE:
    case MSG_READ_INDEX_RESP:
    case MSG_PRE_VOTE_RESP:
    case MSG_STORAGE_APPEND_RESP:
    case MSG_STORAGE_APPLY_RESP:
      return true;
    default:
      return false;
  }
}

/** The answer to MSG_VOTE or MSG_PRE_VOTE. */
export function voteResponseType(type: MessageType): MessageType {
  return type === MSG_VOTE ? MSG_VOTE_RESP : MSG_PRE_VOTE_RESP;
}
