/**
 * A simulated node: the replica with its disk, its state machine and the work it has taken on. Does
 * the duties of an embedder stage by stage, and may stop between any two of them, or crash. After
 * every call of the replica the checker looks.
 */
import { RaftError } from '../../../src/base/errors.js';
import { Prng } from '../../../src/base/prng.js';
import {
  ConfState,
  decodeEntryChange,
  HardState,
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  RaftNode,
  STATE_LEADER,
  type AnyConfChange,
  type Entry,
  type Message,
  type Peer,
  type Ready,
  type Snapshot,
} from '../../../src/raft/core/index.js';
import { Ghost, type Checker, type NodeStatus, type Watched } from './checker.js';
import { isMember } from './conf-model.js';
import type { Counts } from './counts.js';
import { Disk, type DiskWrite } from './disk.js';
import type { CoreOptions, NodeOptions } from './sim-options.js';
import { StateMachine } from './state-machine.js';
import { Violation } from './violation.js';

const IDLE = 0;
const WRITE = 1;
const SYNC = 2;
const SEND = 3;
const APPLY = 4;
const ADVANCE = 5;

/** Stages or items of work in one go; a node that still has more goes on later. */
const WORK_MAX = 24;

/** What a node does to the world around it. */
export interface World {
  readonly checker: Checker;
  readonly counts: Counts;
  readonly send: (m: Message) => void;
  readonly trace: ((line: string) => void) | undefined;
}

export class SimNode implements Watched {
  readonly id: number;
  readonly disk = new Disk();
  readonly ghost = new Ghost();
  readonly #world: World;
  readonly #core: CoreOptions;
  readonly #options: NodeOptions;
  /** Election timeouts; goes on across restarts. */
  readonly #random: Prng;
  app = new StateMachine(0, 0, new ConfState());
  confInForce = new ConfState();
  raft: RaftNode | undefined = undefined;
  lives = 0;
  /** Commit index of the last Ready that had one. */
  #commitTold = 0;
  #stage = IDLE;
  #ready: Ready | undefined = undefined;
  #appendWork: Message[] = [];
  /** Written, and not yet synced. */
  #writtenWork: Message[] = [];
  #applyWork: Message[] = [];

  constructor(id: number, core: CoreOptions, options: NodeOptions, seed: number, world: World) {
    this.id = id;
    this.#core = core;
    this.#options = options;
    this.#random = new Prng(seed * 64 + id);
    this.#world = world;
    this.disk.snapshotNow = () => {
      const { visible } = this.disk;
      if (this.app.applied <= visible.snapshot.index) return visible.snapshot;
      return this.app.snapshot(visible.term(this.app.applied));
    };
  }

  /** A new group: every member has this state, durable and applied. */
  install(snapshot: Snapshot): void {
    this.disk.write({ snapshot, hardState: new HardState(snapshot.term, 0, snapshot.index) });
    this.disk.sync();
    this.app = StateMachine.fromSnapshot(snapshot);
    this.#world.checker.synced(this);
  }

  start(peers: readonly Peer[] = []): void {
    this.lives++;
    const { snapshot, hardState, offset } = this.disk.visible;
    const isBehind = snapshot.index > this.app.applied;
    if (isBehind || !this.#options.isAppDurable) this.app = StateMachine.fromSnapshot(snapshot);
    const { applied, conf } = this.app;
    // The state machine may have outlived the record that its last entries were committed.
    const commit = Math.max(hardState.commit, applied, offset);
    this.disk.initial = {
      hardState: new HardState(hardState.term, hardState.vote, commit),
      confState: conf,
    };
    this.raft = new RaftNode({
      ...this.#core,
      asyncStorageWrites: this.#options.isAsync,
      id: this.id,
      storage: this.disk,
      random: this.#random,
      applied,
    });
    this.confInForce = conf;
    this.#commitTold = commit;
    this.#world.checker.started(this);
    if (peers.length === 0) return;
    this.raft.bootstrap(peers);
    this.confInForce = new ConfState(peers.map((peer) => peer.id));
    this.#world.checker.observe(this);
    // Durable before the node counts as started: a crash before would be a start from nothing.
    this.work(this.#random, 0, true);
  }

  crash(random: Prng): void {
    this.#world.counts.crashes++;
    this.#world.counts.lostWrites += this.disk.pending.length;
    this.disk.crash(random);
    this.#world.checker.synced(this);
    this.raft = undefined;
    this.#stage = IDLE;
    this.#ready = undefined;
    this.#appendWork = [];
    this.#writtenWork = [];
    this.#applyWork = [];
  }

  status(): NodeStatus {
    const raft = this.#mustRun();
    const { hardState, softState } = raft.basicStatus();
    return {
      term: hardState.term,
      vote: hardState.vote,
      commit: hardState.commit,
      isLeader: softState.raftState === STATE_LEADER,
      conf: () => raft.status().config.confState(),
    };
  }

  /** Calls the replica; what it refuses as a matter of course is no error. Does nothing when crashed. */
  call(what: (raft: RaftNode) => void): boolean {
    const { raft } = this;
    if (raft === undefined) return false;
    let isTaken = true;
    try {
      what(raft);
    } catch (error) {
      if (!isExpected(error)) throw asViolation(this.id, error);
      isTaken = false;
    }
    this.#world.checker.observe(this);
    return isTaken;
  }

  get hasWork(): boolean {
    const { raft } = this;
    if (raft === undefined) return false;
    return this.#stage !== IDLE || this.#hasThreadWork || raft.hasReady();
  }

  get #hasThreadWork(): boolean {
    return (
      this.#appendWork.length > 0 || this.#writtenWork.length > 0 || this.#applyWork.length > 0
    );
  }

  /** Does what there is to do, stopping before any part of it by chance. `isUrgent`: slow disks, too. */
  work(random: Prng, pausePercent: number, isUrgent: boolean): void {
    const { diskPercent } = this.#options;
    const isDiskUp = isUrgent || diskPercent === 100 || random.chance(diskPercent, 100);
    for (let i = 0; i < WORK_MAX && this.hasWork; i++) {
      if (pausePercent > 0 && random.chance(pausePercent, 100)) return;
      try {
        if (!this.#options.isAsync) this.#workInOrder(random);
        else if (!this.#workAsync(random, isDiskUp)) return;
      } catch (error) {
        throw asViolation(this.id, error);
      }
    }
  }

  /** A snapshot of what is applied, and the log without what it holds, `kept` entries excepted. */
  compact(kept: number): boolean {
    const { applied } = this.app;
    const { visible } = this.disk;
    if (this.raft === undefined || applied <= visible.snapshot.index) return false;
    const own = this.app.snapshot(visible.term(applied));
    this.disk.write({ ownSnapshot: own, compactTo: applied - kept });
    this.#sync();
    this.#world.counts.compactions++;
    return true;
  }

  /** Applied its own removal, or never was a member. */
  get isStranger(): boolean {
    return !isMember(this.confInForce, this.id);
  }

  #takeReady(): Ready {
    const raft = this.#mustRun();
    const ready = raft.ready();
    const { checker } = this.#world;
    if (ready.snapshot !== undefined) this.confInForce = ready.snapshot.confState;
    checker.handedOut(this, ready.entries, ready.snapshot);
    const commit = ready.hardState?.commit ?? 0;
    if (commit > 0) checker.committed(this, this.#commitTold, commit);
    this.#commitTold = Math.max(this.#commitTold, commit);
    for (const { index, requestContext } of ready.readStates) {
      checker.reads.answered(this.id, index, requestContext);
    }
    return ready;
  }

  #workInOrder(random: Prng): void {
    const ready = this.#ready;
    if (ready === undefined) {
      this.#ready = this.#takeReady();
      this.#stage = WRITE;
      return;
    }
    switch (this.#stage) {
      case WRITE:
        this.#write(ready);
        this.#stage = SYNC;
        return;
      case SYNC:
        // A snapshot is synced like entries: its receipt is acknowledged.
        if (ready.mustSync || ready.snapshot !== undefined || random.chance(1, 4)) this.#sync();
        this.#stage = SEND;
        return;
      case SEND:
        for (const m of ready.messages) this.#send(m);
        this.#stage = APPLY;
        return;
      case APPLY:
        if (ready.snapshot !== undefined) this.#restore(ready.snapshot);
        this.#apply(ready.committedEntries);
        this.#stage = ADVANCE;
        return;
      default:
        this.#ready = undefined;
        this.#stage = IDLE;
        this.call((raft) => raft.advance());
    }
  }

  /** False when there is nothing to do but what the disk does not get on with. */
  #workAsync(random: Prng, isDiskUp: boolean): boolean {
    const raft = this.#mustRun();
    const choice = random.below(4);
    const canFinish = isDiskUp && this.#writtenWork.length > 0;
    if (choice === 0 && this.#applyWork.length > 0) {
      this.#applyOne();
    } else if (choice === 1 && canFinish) {
      this.#finishWritten();
    } else if (raft.hasReady()) {
      for (const m of this.#takeReady().messages) {
        if (m.to === LOCAL_APPEND_THREAD) this.#appendWork.push(m);
        else if (m.to === LOCAL_APPLY_THREAD) this.#applyWork.push(m);
        else this.#send(m);
      }
    } else if (isDiskUp && this.#appendWork.length > 0) {
      this.#writeOne();
    } else if (canFinish) {
      this.#finishWritten();
    } else if (this.#applyWork.length > 0) {
      this.#applyOne();
    } else {
      return false;
    }
    return true;
  }

  #writeOne(): void {
    const m = this.#appendWork.shift() as Message;
    const isHardState = m.term !== 0 || m.vote !== 0 || m.commit !== 0;
    const hardState = isHardState ? new HardState(m.term, m.vote, m.commit) : undefined;
    this.#write({ entries: m.entries, snapshot: m.snapshot, hardState });
    this.#writtenWork.push(m);
  }

  /** One sync for everything that was written; then the acknowledgements. */
  #finishWritten(): void {
    const done = this.#writtenWork;
    this.#writtenWork = [];
    if (done.some(({ responses }) => responses.length > 0)) this.#sync();
    for (const { snapshot, responses } of done) {
      if (snapshot !== undefined) this.#restore(snapshot);
      this.#respond(responses);
    }
  }

  #applyOne(): void {
    const m = this.#applyWork.shift() as Message;
    this.#apply(m.entries);
    this.#respond(m.responses);
  }

  #respond(responses: readonly Message[]): void {
    for (const m of responses) {
      if (m.to === this.id) this.call((raft) => raft.step(m));
      else this.#send(m);
    }
  }

  #write({ entries, snapshot, hardState }: DiskWrite): void {
    if (this.#options.hasAtomicWrites || snapshot !== undefined) {
      this.disk.write({ entries, snapshot, hardState });
      return;
    }
    if (entries !== undefined && entries.length > 0) this.disk.write({ entries });
    if (hardState !== undefined) this.disk.write({ hardState });
  }

  #sync(): void {
    if (this.disk.pending.length === 0) return;
    this.disk.sync();
    this.#world.checker.synced(this);
  }

  #send(m: Message): void {
    this.#world.checker.sent(this, m);
    this.#world.send(m);
  }

  #restore(snapshot: Snapshot): void {
    if (snapshot.index <= this.app.applied) return;
    this.app = StateMachine.fromSnapshot(snapshot);
    this.#world.checker.restored(this);
    this.#world.counts.restores++;
  }

  #apply(entries: readonly Entry[]): void {
    const { checker } = this.#world;
    for (const entry of entries) {
      // A snapshot may have overtaken work that was handed out before it.
      if (entry.index <= this.app.applied && this.#options.isAsync) continue;
      checker.applying(this, entry);
      const change = decodeEntryChange(entry);
      const conf = change === undefined ? undefined : this.#change(entry.index, change);
      this.app.apply(entry, conf ?? this.app.conf);
      checker.applied(this);
    }
  }

  #change(index: number, change: AnyConfChange): ConfState | undefined {
    const raft = this.#mustRun();
    let conf: ConfState | undefined;
    try {
      conf = raft.applyConfChange(change);
    } catch (error) {
      if (!(error instanceof RaftError) || error.reason !== 'invalid') throw error;
    }
    this.#world.checker.changed(this, index, change, conf);
    if (conf !== undefined) this.confInForce = conf;
    this.#world.checker.observe(this);
    return conf;
  }

  #mustRun(): RaftNode {
    if (this.raft === undefined) throw new Error(`node ${this.id} does not run`);
    return this.raft;
  }
}

/** Proposals without a leader, and answers of strangers: they happen. */
function isExpected(error: unknown): boolean {
  if (error instanceof RaftError) return error.reason === 'unknown-peer';
  return error instanceof Error && error.name === 'ProposalDroppedError';
}

function asViolation(id: number, error: unknown): unknown {
  if (error instanceof Violation) return error;
  const what = error instanceof Error ? error.message : String(error);
  return new Violation('refused', `node ${id}: ${what}`);
}
