/**
 * A replica of one group, as its embedder sees it: messages and ticks in, Ready out. Synchronous and
 * without IO; not reentrant. docs/raft-core.md lists the embedder's duties in their order.
 *
 * Errors. A call that is refused (RaftError, ProposalDroppedError) has changed nothing that matters:
 * go on. A broken invariant, and whatever the storage throws, makes the replica fail (RaftError
 * `failed`): from then on every call throws the same error, because what is in memory may be wrong.
 * Nothing of the failed call was handed out. Build the replica again from its storage.
 */
import { AssertionError } from '../../base/assert.js';
import { ProposalDroppedError, RaftError } from '../../base/errors.js';
import { messageProblem } from './check-message.js';
import { encodeConfChange } from './conf-change-codec.js';
import { asV2, confChange, CONF_ADD_NODE, type AnyConfChange } from './conf-change.js';
import { checkConfig, type RaftConfig } from './config.js';
import {
  ENTRY_CONF_CHANGE,
  ENTRY_CONF_CHANGE_V2,
  ENTRY_NORMAL,
  Entry,
  NO_ENTRIES,
  type Entries,
} from './entry.js';
import { isCount, isLocalTarget, NODE_ID_MAX, NONE } from './ids.js';
import { applyConfChange } from './membership.js';
import {
  isLocalMessage,
  isResponseMessage,
  Message,
  messageTypeName,
  MSG_FORGET_LEADER,
  MSG_HUP,
  MSG_PROP,
  MSG_READ_INDEX,
  MSG_SNAP_STATUS,
  MSG_TRANSFER_LEADER,
  MSG_UNREACHABLE,
} from './messages.js';
import { Raft } from './raft.js';
import { Ready } from './ready.js';
import { restart } from './restart.js';
import { EMPTY_HARD_STATE, HardState, SoftState, type ConfState, type ReadState } from './state.js';
import { BasicStatus, Status } from './status.js';
import { step, tick } from './step.js';
import {
  acceptHandedOut,
  needsAppendResponse,
  storageAppendMessage,
  storageAppendResponse,
  storageApplyMessage,
  storageApplyResponse,
} from './storage-messages.js';

export interface Peer {
  readonly id: number;
  /** Handed to the application with the conf change that adds the peer. */
  readonly context?: Uint8Array;
}

const NO_READ_STATES: readonly ReadState[] = Object.freeze([]);

export class RaftNode {
  readonly id: number;
  readonly #raft: Raft;
  readonly #isAsync: boolean;
  /** As last handed out. */
  #softState: SoftState;
  #hardState: HardState;
  /** Acknowledgements of the Ready that was handed out; advance() steps them. */
  #stepsOnAdvance: Message[] = [];
  #failure: unknown = undefined;

  /**
   * Continues from what is in storage; an empty storage needs bootstrap(), or a snapshot by a leader.
   * @throws RaftError `invalid` for a wrong option, `failed` for a storage that contradicts itself.
   */
  constructor(config: RaftConfig) {
    const checked = checkConfig(config);
    this.id = checked.id;
    this.#isAsync = checked.asyncStorageWrites;
    try {
      this.#raft = new Raft(checked);
      restart(this.#raft, checked);
    } catch (error) {
      throw asFailure(error);
    }
    this.#softState = new SoftState(this.#raft.lead, this.#raft.state);
    this.#hardState = this.#currentHardState();
  }

  /**
   * Starts a new group with these members: each gets an entry that adds it. Every member bootstraps
   * with the same peers, in the same order, and an empty storage.
   * @throws RaftError `invalid` when there are no peers, or something is stored.
   */
  bootstrap(peers: readonly Peer[]): void {
    this.#mustLive();
    const r = this.#raft;
    if (peers.length === 0) {
      throw new RaftError('invalid', 'must provide at least one peer to Bootstrap');
    }
    if (!peers.every(({ id }) => isCount(id, NODE_ID_MAX) && id !== NONE)) {
      throw new RaftError('invalid', 'Cannot bootstrap: a peer has no node id');
    }
    if (r.log.lastIndex() !== 0) {
      throw new RaftError('invalid', "can't bootstrap a nonempty Storage");
    }
    const changes = peers.map(({ id, context }) => confChange(CONF_ADD_NODE, id, context));
    const entries = changes.map(
      (one, i) => new Entry(ENTRY_CONF_CHANGE, 1, i + 1, encodeConfChange(one)),
    );
    try {
      // The hard state is new to the storage, too.
      this.#hardState = EMPTY_HARD_STATE;
      r.becomeFollower(1, NONE);
      r.log.append(entries);
      // In force at once, so that the node can campaign; the application applies them once more.
      r.log.committed = entries.length;
      for (const change of changes) applyConfChange(r, asV2(change));
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** One tick of the embedder's clock: the unit of electionTicks and heartbeatTicks. */
  tick(): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      tick(this.#raft);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /**
   * Takes a message of another node, or of a local storage thread. The message is the replica's from
   * then on. Old and repeated messages are fine and change nothing.
   * @throws RaftError `local-message`, `unknown-peer` or `invalid` for one that must not be taken.
   * @throws ProposalDroppedError for a forwarded proposal.
   */
  step(m: Message): void {
    this.#mustLive();
    const problem = messageProblem(m, this.id, this.#raft.term);
    if (problem !== undefined) {
      throw new RaftError('invalid', `Cannot step ${messageTypeName(m.type)}: ${problem}`);
    }
    const isFromThread = isLocalTarget(m.from);
    if (isLocalMessage(m.type) && !isFromThread) {
      throw new RaftError('local-message', 'raft: cannot step raft local message');
    }
    if (
      isResponseMessage(m.type) &&
      !isFromThread &&
      this.#raft.tracker.progress.get(m.from) === undefined
    ) {
      throw new RaftError('unknown-peer', 'raft: cannot step as peer not found');
    }
    this.#step(m);
  }

  /** Campaigns now, if this node may. */
  campaign(): void {
    this.#request(MSG_HUP, NONE, NO_ENTRIES);
  }

  /** Proposes one entry; `data` is kept by reference. @throws ProposalDroppedError. */
  propose(data: Uint8Array): void {
    mustBeBytes(data);
    this.#request(MSG_PROP, this.id, [new Entry(ENTRY_NORMAL, 0, 0, data)]);
  }

  /** Proposes entries that are appended together, or dropped together. @throws ProposalDroppedError. */
  proposeAll(datas: readonly Uint8Array[]): void {
    if (datas.length === 0) return;
    const entries: Entry[] = [];
    for (const data of datas) {
      mustBeBytes(data);
      entries.push(new Entry(ENTRY_NORMAL, 0, 0, data));
    }
    this.#request(MSG_PROP, this.id, entries);
  }

  /**
   * Proposes a change of the members. One that may not be made now is replaced by an empty entry
   * when the leader appends it. @throws ProposalDroppedError.
   */
  proposeConfChange(change: AnyConfChange): void {
    const type = change.version === 1 ? ENTRY_CONF_CHANGE : ENTRY_CONF_CHANGE_V2;
    this.#request(MSG_PROP, NONE, [new Entry(type, 0, 0, encodeConfChange(change))]);
  }

  /**
   * Takes a committed change into force: to be called when its entry is applied, unless the
   * application rejects the change. Returns the members, to be stored with the next snapshot.
   * @throws RaftError `invalid` when it does not fit; then reject it on every node.
   */
  applyConfChange(change: AnyConfChange): ConfState {
    this.#mustLive();
    try {
      return applyConfChange(this.#raft, asV2(change));
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /**
   * Asks for an index that, once applied, makes a read linearizable. It comes in a Ready, with
   * `context`, or never: a change of leader loses requests, so ask again after a while.
   */
  readIndex(context: Uint8Array): void {
    mustBeBytes(context);
    this.#request(MSG_READ_INDEX, NONE, [new Entry(ENTRY_NORMAL, 0, 0, context)]);
  }

  /** Hands leadership over, as far as it can within an election timeout. Works on any member. */
  transferLeader(to: number): void {
    this.#request(MSG_TRANSFER_LEADER, to, NO_ENTRIES);
  }

  /**
   * Follower: there is no leader any more, as far as this node is concerned; it may then vote at
   * once. For when the leader is known to be dead. Not with READ_ONLY_LEASE_BASED.
   */
  forgetLeader(): void {
    this.#request(MSG_FORGET_LEADER, NONE, NO_ENTRIES);
  }

  /** The last message to this peer was probably lost. */
  reportUnreachable(id: number): void {
    this.#request(MSG_UNREACHABLE, id, NO_ENTRIES);
  }

  /** A snapshot reached this peer, or did not: without a report no more is sent to it. */
  reportSnapshot(id: number, isReceived: boolean): void {
    this.#request(MSG_SNAP_STATUS, id, NO_ENTRIES, !isReceived);
  }

  hasReady(): boolean {
    this.#mustLive();
    const r = this.#raft;
    if (r.messages.length > 0 || r.messagesAfterAppend.length > 0) return true;
    if (r.lead !== this.#softState.lead || r.state !== this.#softState.raftState) return true;
    if (this.#isHardStateNew()) return true;
    if (r.log.unstable.hasNextEntries || r.log.hasNextCommitted(!this.#isAsync)) return true;
    return r.readStates.length > 0 || r.log.unstable.nextSnapshot() !== undefined;
  }

  /**
   * What is to be done now; it is not handed out again. Without asyncStorageWrites the next call is
   * advance(), after everything is done.
   */
  ready(): Ready {
    this.#mustLive();
    if (this.#stepsOnAdvance.length > 0) {
      throw new RaftError('invalid', 'two accepted Ready structs without call to Advance');
    }
    try {
      return this.#ready();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** Everything in the last Ready is durable and applied. Not with asyncStorageWrites. */
  advance(): void {
    this.#mustLive();
    if (this.#isAsync) {
      throw new RaftError('invalid', 'Advance must not be called when using AsyncStorageWrites');
    }
    const steps = this.#stepsOnAdvance;
    this.#stepsOnAdvance = [];
    try {
      for (const m of steps) step(this.#raft, m);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  status(): Status {
    return new Status(this.#raft);
  }

  /** Without members and their progress: cheap enough for every tick. */
  basicStatus(): BasicStatus {
    return new BasicStatus(this.#raft);
  }

  /** The error that made this replica fail, if one did. */
  get failure(): unknown {
    return this.#failure;
  }

  /** For simulations and scripts: when the next campaign is due. Chosen anew at every change of role. */
  setRandomizedElectionTicks(ticks: number): void {
    this.#raft.randomizedElectionTicks = ticks;
  }

  #ready(): Ready {
    const r = this.#raft;
    const allowUnstable = !this.#isAsync;
    const entries = r.log.unstable.hasNextEntries ? r.log.unstable.nextEntries() : NO_ENTRIES;
    const committed = r.log.hasNextCommitted(allowUnstable)
      ? r.log.nextCommitted(allowUnstable)
      : NO_ENTRIES;
    const snapshot = r.log.unstable.nextSnapshot();
    const isSoftNew = r.lead !== this.#softState.lead || r.state !== this.#softState.raftState;
    const softState = isSoftNew ? new SoftState(r.lead, r.state) : undefined;
    const hardState = this.#isHardStateNew() ? this.#currentHardState() : undefined;
    const mustSync =
      entries.length > 0 || r.vote !== this.#hardState.vote || r.term !== this.#hardState.term;
    const readStates = r.readStates.length === 0 ? NO_READ_STATES : r.readStates;
    const messages = r.messages;
    r.messages = [];

    if (this.#isAsync) {
      const needsAppend =
        entries.length > 0 ||
        hardState !== undefined ||
        snapshot !== undefined ||
        r.messagesAfterAppend.length > 0;
      if (needsAppend) messages.push(storageAppendMessage(r, entries, hardState, snapshot));
      if (committed.length > 0) messages.push(storageApplyMessage(r, committed));
    } else {
      // Sent after everything is durable; what is for ourselves is stepped by advance().
      for (const m of r.messagesAfterAppend) {
        if (m.to === this.id) this.#stepsOnAdvance.push(m);
        else messages.push(m);
      }
      if (needsAppendResponse(r, snapshot)) {
        this.#stepsOnAdvance.push(storageAppendResponse(r, snapshot));
      }
      if (committed.length > 0) this.#stepsOnAdvance.push(storageApplyResponse(r, committed));
    }
    r.messagesAfterAppend = [];
    if (softState !== undefined) this.#softState = softState;
    if (hardState !== undefined) this.#hardState = hardState;
    if (readStates.length > 0) r.readStates = [];
    acceptHandedOut(r, committed, allowUnstable);
    return new Ready(
      softState,
      hardState,
      readStates,
      entries,
      snapshot,
      committed,
      messages,
      mustSync,
    );
  }

  #currentHardState(): HardState {
    const r = this.#raft;
    return new HardState(r.term, r.vote, r.log.committed);
  }

  #isHardStateNew(): boolean {
    const r = this.#raft;
    const last = this.#hardState;
    return r.term !== last.term || r.vote !== last.vote || r.log.committed !== last.commit;
  }

  /** A message to oneself, from the embedder. */
  #request(type: number, from: number, entries: Entries, reject = false): void {
    this.#mustLive();
    if (!isCount(from, NODE_ID_MAX)) throw new RaftError('invalid', 'Cannot do that: no node id');
    const m = new Message(type, NONE);
    m.from = from;
    m.entries = entries;
    m.reject = reject;
    this.#step(m);
  }

  #step(m: Message): void {
    let isTaken: boolean;
    try {
      isTaken = step(this.#raft, m);
    } catch (error) {
      throw this.#fail(error);
    }
    if (!isTaken) throw new ProposalDroppedError();
  }

  #mustLive(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Refusals leave the replica as it is; anything else makes it fail. */
  #fail(error: unknown): unknown {
    if (error instanceof RaftError && error.reason !== 'failed') return error;
    this.#failure = asFailure(error);
    return this.#failure;
  }
}

/** The error that every later call throws. */
function asFailure(error: unknown): unknown {
  if (error instanceof AssertionError) return error;
  if (error instanceof RaftError && error.reason === 'failed') return error;
  const what = error instanceof Error ? error.message : String(error);
  return new RaftError('failed', `Cannot go on: ${what}`, { cause: error });
}

function mustBeBytes(data: unknown): void {
  if (!(data instanceof Uint8Array)) throw new TypeError('raft: data must be a Uint8Array');
}
