/**
 * Replicas, their storage and the messages between them, moved by hand: what interaction scripts
 * drive. Everything that happens is written to `log`. Nodes are numbered from 1, as in scripts.
 */
import { NokvError } from '../../../src/base/errors.js';
import {
  ConfState,
  decodeEntryChange,
  describeEntries,
  describeMessage,
  describeReady,
  HardState,
  isEmptyHardState,
  isLocalTarget,
  MemoryStorage,
  MSG_SNAP,
  MSG_STORAGE_APPEND,
  MSG_STORAGE_APPLY,
  Message,
  NO_DATA,
  NO_LIMIT,
  RaftNode,
  Snapshot,
  stateName,
  type AnyConfChange,
  type Entry,
  type RaftConfig,
} from '../../../src/raft/core/index.js';
import { EnvLog } from './env-log.js';
import { ReportedError, ScriptError } from './go-parse.js';

/** Options of a node, without what the environment decides. */
export type NodeOptions = Omit<Partial<RaftConfig>, 'id' | 'storage' | 'random' | 'logger'>;

/** Which messages a delivery is about; type -1: every type. */
export interface Recipient {
  readonly id: number;
  readonly isDropped: boolean;
}

/** Asked for a snapshot, it gives the latest state of the appending state machine. */
class EnvStorage extends MemoryStorage {
  readonly history: Snapshot[];

  constructor(first: Snapshot) {
    super();
    this.history = [first];
  }

  override snapshot(): Snapshot {
    return this.history[this.history.length - 1] as Snapshot;
  }
}

class EnvNode {
  readonly id: number;
  readonly raft: RaftNode;
  readonly storage: EnvStorage;
  readonly isAsync: boolean;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  appendWork: Message[] = [];
  applyWork: Message[] = [];

  constructor(config: RaftConfig, storage: EnvStorage) {
    this.id = config.id;
    this.raft = new RaftNode(config);
    this.storage = storage;
    this.isAsync = config.asyncStorageWrites ?? false;
    this.electionTicks = config.electionTicks;
    this.heartbeatTicks = config.heartbeatTicks;
  }
}

export class InteractionEnv {
  readonly log = new EnvLog();
  readonly nodes: EnvNode[] = [];
  /** In flight. */
  messages: Message[] = [];

  /** @throws ScriptError when there is none. */
  node(id: number): EnvNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new ScriptError(`no node ${id}`);
    return node;
  }

  /** Adds nodes that start from `snapshot`, or from nothing. */
  addNodes(count: number, options: NodeOptions, snapshot: Snapshot, isBootstrapped: boolean): void {
    for (let i = 0; i < count; i++) {
      const id = this.nodes.length + 1;
      const { index, confState, data } = snapshot;
      const first = isBootstrapped ? new Snapshot(index, 1, confState, data) : snapshot;
      const storage = new EnvStorage(first);
      if (isBootstrapped) {
        if (index <= 1) throw new ReportedError('index must be specified as > 1 due to bootstrap');
        storage.applySnapshot(first);
      }
      const config: RaftConfig = {
        electionTicks: 3,
        heartbeatTicks: 1,
        messageBytesMax: NO_LIMIT,
        inflightMessagesMax: 0x7fff_ffff,
        // Scripts written for etcd's raft may rely on it.
        likeEtcd: true,
        ...options,
        id,
        storage,
        // The shortest timeout; scripts that care set their own.
        random: { u32: () => 0 },
        logger: this.log,
      };
      this.nodes.push(new EnvNode(config, storage));
    }
  }

  /** Drops the log up to and with `index`, and prints what is left. */
  compact(id: number, index: number): void {
    this.node(id).storage.compact(index);
    this.raftLog(id);
  }

  raftLog(id: number): void {
    const { storage } = this.node(id);
    const first = storage.firstIndex();
    const last = storage.lastIndex();
    this.log.write(
      last < first
        ? `log is empty: first index=${first}, last index=${last}`
        : describeEntries(storage.entries(first, last + 1, NO_LIMIT)),
    );
  }

  raftState(): void {
    for (const { raft } of this.nodes) {
      const { id, config, softState, hardState } = raft.status();
      const role = config.voters.has(id) ? '(Voter)' : '(Non-Voter)';
      this.log.write(
        `${id}: ${stateName(softState.raftState)} ${role} ` +
          `Term:${hardState.term} Lead:${softState.lead}\n`,
      );
    }
  }

  status(id: number): void {
    this.log.write(String(this.node(id).raft.status().progress));
  }

  /** Queues a snapshot message; delivering it is another step. */
  sendSnapshot(from: number, to: number): void {
    const source = this.node(from);
    const m = new Message(MSG_SNAP, to);
    m.from = from;
    m.term = source.raft.basicStatus().hardState.term;
    m.snapshot = source.storage.snapshot();
    this.messages.push(m);
    this.log.write(describeMessage(m));
  }

  /** Handles one Ready: writes and applies it, unless threads do that, and sends its messages. */
  processReady(id: number): void {
    const node = this.node(id);
    const ready = node.raft.ready();
    this.log.write(describeReady(ready));
    if (!node.isAsync) {
      append(node, ready.hardState, ready.entries, ready.snapshot);
      this.#apply(node, ready.committedEntries);
    }
    for (const m of ready.messages) {
      if (!isLocalTarget(m.to)) this.messages.push(m);
      else if (m.type === MSG_STORAGE_APPEND) node.appendWork.push(m);
      else if (m.type === MSG_STORAGE_APPLY) node.applyWork.push(m);
    }
    if (!node.isAsync) node.raft.advance();
  }

  /** Handles one message of the append thread. */
  processAppendThread(id: number): void {
    const node = this.node(id);
    this.#processThread(node.appendWork, 'no append work to perform', (m) => {
      append(node, new HardState(m.term, m.vote, m.commit), m.entries, m.snapshot);
    });
  }

  /** Handles one message of the apply thread. */
  processApplyThread(id: number): void {
    const node = this.node(id);
    this.#processThread(node.applyWork, 'no apply work to perform', (m) => {
      this.#apply(node, m.entries);
    });
  }

  #processThread(work: Message[], nothing: string, handle: (m: Message) => void): void {
    const m = work.shift();
    if (m === undefined) {
      this.log.write(nothing);
      return;
    }
    const { responses } = m;
    m.responses = [];
    this.log.write(`Processing:\n${describeMessage(m)}\n`);
    handle(m);
    this.log.write('Responses:\n');
    for (const response of responses) this.log.write(`${describeMessage(response)}\n`);
    this.messages.push(...responses);
  }

  /** The state machine appends the data of entries to its own. */
  #apply(node: EnvNode, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const last = node.storage.snapshot();
      const change: AnyConfChange | undefined = decodeEntryChange(entry);
      const members = change === undefined ? last.confState : node.raft.applyConfChange(change);
      const update = change === undefined ? entry.data : change.context;
      const data = new Uint8Array(last.data.length + update.length);
      data.set(last.data);
      data.set(update, last.data.length);
      node.storage.history.push(new Snapshot(entry.index, entry.term, members, data));
    }
  }

  /** Delivers, or drops, what is in flight to these nodes; returns how many messages that were. */
  deliver(type: number, recipients: readonly Recipient[]): number {
    let count = 0;
    for (const { id, isDropped } of recipients) {
      const { matching, rest } = this.#split(id, type, isDropped);
      this.messages = rest;
      count += matching.length;
      for (const m of matching) {
        this.log.write(`${isDropped ? 'dropped: ' : ''}${describeMessage(m)}\n`);
        if (isDropped) continue;
        try {
          this.node(m.to).raft.step(m);
        } catch (error) {
          if (!isRefusal(error)) throw error;
          this.log.write(`${error.message}\n`);
        }
      }
    }
    return count;
  }

  /** Handles Readys, messages and threads of these nodes until nothing is left to do. */
  stabilize(ids: readonly number[]): void {
    const nodes = ids.map((id) => this.node(id));
    for (let isDone = false; !isDone;) {
      isDone = true;
      for (const { id, raft } of nodes) {
        if (!raft.hasReady()) continue;
        isDone = false;
        this.log.write(`> ${id} handling Ready\n`);
        this.log.indented(() => this.processReady(id));
      }
      for (const { id } of nodes) {
        if (this.#split(id, -1, false).matching.length === 0) continue;
        isDone = false;
        this.log.write(`> ${id} receiving messages\n`);
        this.log.indented(() => this.deliver(-1, [{ id, isDropped: false }]));
      }
      for (const node of nodes) {
        if (node.appendWork.length === 0) continue;
        isDone = false;
        this.log.write(`> ${node.id} processing append thread\n`);
        while (node.appendWork.length > 0) {
          this.log.indented(() => this.processAppendThread(node.id));
        }
      }
      for (const node of nodes) {
        if (node.applyWork.length === 0) continue;
        isDone = false;
        this.log.write(`> ${node.id} processing apply thread\n`);
        while (node.applyWork.length > 0) {
          this.log.indented(() => this.processApplyThread(node.id));
        }
      }
    }
  }

  /** Order is kept. Messages of a node to itself and its threads are never dropped. */
  #split(to: number, type: number, isDropped: boolean): { matching: Message[]; rest: Message[] } {
    const matching: Message[] = [];
    const rest: Message[] = [];
    for (const m of this.messages) {
      const isLocal = m.from === m.to || isLocalTarget(m.from) || isLocalTarget(m.to);
      const isMatch = m.to === to && !(isDropped && isLocal) && (type < 0 || m.type === type);
      (isMatch ? matching : rest).push(m);
    }
    return { matching, rest };
  }
}

function append(
  { storage }: EnvNode,
  hardState: HardState | undefined,
  entries: readonly Entry[],
  snapshot: Snapshot | undefined,
): void {
  if (hardState !== undefined && !isEmptyHardState(hardState)) storage.setHardState(hardState);
  if (snapshot === undefined) {
    storage.append(entries);
    return;
  }
  if (entries.length > 0) {
    throw new ReportedError("can't apply snapshot and entries at the same time");
  }
  storage.applySnapshot(snapshot);
}

/** An error that the original returns, as opposed to one where it panics. */
export function isRefusal(error: unknown): error is Error {
  if (error instanceof ReportedError) return true;
  return error instanceof NokvError && error.details['reason'] !== 'failed';
}

/** A snapshot before anything happened. */
export const EMPTY_SNAPSHOT = new Snapshot(0, 0, new ConfState(), NO_DATA);
