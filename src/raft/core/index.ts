/**
 * The consensus core of NoKV: Raft as a library of values. No clock, no disk, no socket, no thread;
 * the same state and the same message give the same output. Behaviour is that of etcd's raft, whose
 * scripted tests replay on it text for text.
 *
 *   const storage = new MemoryStorage();                    // or your own RaftStorage
 *   const node = new RaftNode({ id: 1, storage, random, electionTicks: 10, heartbeatTicks: 1 });
 *   node.bootstrap([{ id: 1 }, { id: 2 }, { id: 3 }]);      // a new group only
 *
 *   node.tick();                                            // at a steady pace
 *   node.step(message);                                     // whatever other nodes sent
 *   node.propose(data);                                     // throws ProposalDroppedError
 *   node.proposeConfChange(confChangeV2([{ type: CONF_ADD_NODE, nodeId: 4 }]));
 *   node.readIndex(context);                                // answered in Ready.readStates
 *
 *   if (node.hasReady()) {
 *     const ready = node.ready();
 *     // 1. make ready.snapshot, ready.entries and ready.hardState durable, in one write;
 *     // 2. send ready.messages;
 *     // 3. apply ready.snapshot, then ready.committedEntries; node.applyConfChange() for conf changes;
 *     // 4. serve reads of ready.readStates whose index is applied;
 *     node.advance();                                       // 5. only then
 *   }
 *
 * Further: campaign, transferLeader, forgetLeader, reportUnreachable, reportSnapshot, status,
 * basicStatus. With asyncStorageWrites there is no advance(): work and acknowledgements are messages
 * to and from LOCAL_APPEND_THREAD and LOCAL_APPLY_THREAD.
 *
 * Ids, indexes and terms are safe integers. Data, contexts, entries and snapshots are shared by
 * reference and must not be changed by anybody. The duties in full, with what goes wrong without
 * them: docs/raft-core.md. Errors: RaftError and ProposalDroppedError of src/base/errors.ts.
 */
export { RaftNode, type Peer } from './raft-node.js';
export type { RaftConfig } from './config.js';
export { Ready } from './ready.js';
export { BasicStatus, Status } from './status.js';
export type { InitialState, RaftStorage } from './storage.js';
export { MemoryStorage } from './memory-storage.js';
export { SILENT_LOGGER, type RaftLogger } from './logger.js';
export { READ_ONLY_LEASE_BASED, READ_ONLY_SAFE, type ReadOnlyOption } from './read-index.js';
export {
  INDEX_MAX,
  isLocalTarget,
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  NODE_ID_MAX,
  NO_LIMIT,
  NONE,
  TERM_MAX,
} from './ids.js';
export {
  ENTRY_CONF_CHANGE,
  ENTRY_CONF_CHANGE_V2,
  ENTRY_NORMAL,
  entrySize,
  Entry,
  NO_DATA,
  type EntryType,
} from './entry.js';
export {
  ConfState,
  HardState,
  isEmptyHardState,
  ReadState,
  Snapshot,
  SoftState,
  STATE_CANDIDATE,
  STATE_FOLLOWER,
  STATE_LEADER,
  STATE_PRE_CANDIDATE,
  stateName,
  type StateType,
} from './state.js';
export {
  asV2,
  CONF_ADD_LEARNER,
  CONF_ADD_NODE,
  CONF_REMOVE_NODE,
  CONF_UPDATE_NODE,
  confChange,
  confChangeV2,
  TRANSITION_AUTO,
  TRANSITION_JOINT_EXPLICIT,
  TRANSITION_JOINT_IMPLICIT,
  type AnyConfChange,
  type ConfChange,
  type ConfChangeSingle,
  type ConfChangeV2,
} from './conf-change.js';
export { decodeEntryChange, encodeConfChange } from './conf-change-codec.js';
export {
  isLocalMessage,
  isResponseMessage,
  Message,
  MESSAGE_TYPE_NAMES,
  messageTypeName,
  MSG_APP,
  MSG_APP_RESP,
  MSG_HEARTBEAT,
  MSG_HEARTBEAT_RESP,
  MSG_PRE_VOTE,
  MSG_PRE_VOTE_RESP,
  MSG_PROP,
  MSG_READ_INDEX,
  MSG_READ_INDEX_RESP,
  MSG_SNAP,
  MSG_STORAGE_APPEND,
  MSG_STORAGE_APPEND_RESP,
  MSG_STORAGE_APPLY,
  MSG_STORAGE_APPLY_RESP,
  MSG_TIMEOUT_NOW,
  MSG_TRANSFER_LEADER,
  MSG_VOTE,
  MSG_VOTE_RESP,
} from './messages.js';
export { Progress, ProgressMap, progressStateName, type ProgressState } from './progress.js';
export {
  describeConfState,
  describeEntries,
  describeEntry,
  describeMessage,
  describeReady,
  describeSnapshot,
} from './describe.js';
