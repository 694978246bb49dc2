/**
 * Bugs for the simulation to find, planted from outside: a method of the core, or of the simulated
 * disk, is replaced while the bug is in. Nothing in src knows of them. They say what the checker is
 * worth: each breaks a rule that the safety of Raft rests on.
 */
import {
  decodeEntryChange,
  HardState,
  Message,
  MSG_APP_RESP,
  MSG_HEARTBEAT,
  MSG_SNAP,
  MSG_VOTE,
  RaftNode,
  ReadState,
  STATE_LEADER,
} from '../../../src/raft/core/index.js';
import { RaftLog } from '../../../src/raft/core/log.js';
import { JointConfig, MajorityConfig } from '../../../src/raft/core/quorum.js';
import { Raft } from '../../../src/raft/core/raft.js';
import { ProgressTracker } from '../../../src/raft/core/tracker.js';
import { Disk } from './disk.js';
import type { Invariant } from './violation.js';

type Undo = () => void;

export interface PlantedBug {
  readonly name: string;
  /** Any of these may be broken first. */
  readonly breaks: readonly Invariant[];
  readonly plant: () => Undo;
}

/** Replaces a method. `make` gets the original. */
function patch<T extends object, K extends keyof T>(
  prototype: T,
  name: K,
  make: (original: T[K]) => T[K],
): Undo {
  const original = prototype[name];
  prototype[name] = make(original);
  return () => {
    prototype[name] = original;
  };
}

function all(...undos: readonly Undo[]): Undo {
  return () => {
    for (const undo of undos) undo();
  };
}

/** What is inside the replica of a node: the one that was built last under its id. */
class Insides {
  readonly #byId = new Map<number, Raft>();
  readonly undo: Undo;

  constructor(onBuilt: (raft: Raft) => void = () => undefined) {
    const note = (raft: Raft): void => {
      if (this.#byId.get(raft.id) === raft) return;
      this.#byId.set(raft.id, raft);
      onBuilt(raft);
    };
    // Every replica becomes a follower first.
    this.undo = patch(
      Raft.prototype,
      'becomeFollower',
      (original) =>
        function (this: Raft, ...args) {
          note(this);
          original.apply(this, args);
        },
    );
  }

  of(node: RaftNode): Raft {
    return this.#byId.get(node.id) as Raft;
  }
}

/** Runs `before` ahead of every message that a replica takes; it may replace the message. */
function onStep(before: (node: RaftNode, m: Message) => Message): Undo {
  return patch(
    RaftNode.prototype,
    'step',
    (original) =>
      function (this: RaftNode, m) {
        original.call(this, before(this, m));
      },
  );
}

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'a vote is sent without being persisted',
    breaks: ['durable-before-told', 'election-quorum'],
    plant: () =>
      patch(
        Disk.prototype,
        'write',
        (original) =>
          function (this: Disk, write) {
            const { hardState } = write;
            if (hardState === undefined) return original.call(this, write);
            const forgetful = new HardState(hardState.term, 0, hardState.commit);
            return original.call(this, { ...write, hardState: forgetful });
          },
      ),
  },
  {
    name: 'the term is not persisted',
    breaks: ['durable-before-told', 'election-quorum', 'durable-state'],
    plant: () =>
      patch(
        Disk.prototype,
        'write',
        (original) =>
          function (this: Disk, write) {
            const { hardState } = write;
            if (hardState === undefined) return original.call(this, write);
            const { term, vote } = this.visible.hardState;
            const forgetful = new HardState(term, vote, hardState.commit);
            return original.call(this, { ...write, hardState: forgetful });
          },
      ),
  },
  {
    name: 'entries are acknowledged before they are synced',
    breaks: ['durable-before-told', 'commit-quorum'],
    plant: () =>
      patch(
        Disk.prototype,
        'sync',
        (original) =>
          function (this: Disk) {
            // Hard states are synced, and what was written before them.
            if (this.pending.at(-1)?.hardState !== undefined) original.call(this);
          },
      ),
  },
  {
    name: 'a leader counts its own entries before they are durable',
    breaks: ['commit-quorum'],
    plant: () =>
      patch(
        Raft.prototype,
        'appendEntries',
        (original) =>
          function (this: Raft, entries) {
            const isTaken = original.call(this, entries);
            this.tracker.progress.get(this.id)?.maybeUpdate(this.log.lastIndex());
            return isTaken;
          },
      ),
  },
  {
    name: 'a candidate leads before its own vote is durable',
    breaks: ['election-quorum'],
    plant: () => patch(ProgressTracker.prototype, 'hasVoted', () => () => true),
  },
  {
    name: 'a node votes for everybody',
    breaks: ['durable-before-told', 'durable-state', 'election-safety'],
    plant: () => {
      const insides = new Insides();
      const undo = onStep((node, m) => {
        if (m.type === MSG_VOTE) insides.of(node).vote = 0;
        return m;
      });
      return all(undo, insides.undo);
    },
  },
  {
    name: 'a candidate with an older log gets the vote',
    breaks: ['leader-completeness', 'commit-truth'],
    plant: () => patch(RaftLog.prototype, 'isUpToDate', () => () => true),
  },
  {
    name: 'an entry of an older term is committed by counting',
    breaks: ['commit-term'],
    plant: () =>
      patch(
        RaftLog.prototype,
        'maybeCommit',
        () =>
          function (this: RaftLog, index) {
            if (index <= this.committed) return false;
            this.commitTo(index);
            return true;
          },
      ),
  },
  {
    name: 'a follower does not check the previous term',
    breaks: ['log-matching', 'commit-truth', 'refused'],
    plant: () =>
      patch(
        RaftLog.prototype,
        'maybeAppend',
        (original) =>
          function (this: RaftLog, index, _term, entries, committed) {
            return original.call(this, index, this.termOrZero(index), entries, committed);
          },
      ),
  },
  {
    name: 'a follower cuts its log behind every append, conflict or not',
    breaks: ['commit-quorum', 'commit-truth', 'durable-before-told', 'refused'],
    plant: () =>
      patch(
        RaftLog.prototype,
        'maybeAppend',
        (original) =>
          function (this: RaftLog, index, term, entries, committed) {
            const last = original.call(this, index, term, entries, committed);
            const at = entries.findIndex((entry) => entry.index > this.committed);
            if (last !== -1 && at !== -1) this.append(entries, at);
            return last;
          },
      ),
  },
  {
    name: 'a heartbeat tells followers a commit index beyond what they are known to hold',
    breaks: ['refused', 'commit-truth'],
    plant: () =>
      patch(
        Raft.prototype,
        'send',
        (original) =>
          function (this: Raft, m) {
            if (m.type === MSG_HEARTBEAT) m.commit = this.log.committed;
            original.call(this, m);
          },
      ),
  },
  {
    name: 'a read is answered without asking a quorum',
    breaks: ['linearizable-read'],
    plant: () => {
      const insides = new Insides();
      const undo = patch(
        RaftNode.prototype,
        'readIndex',
        (original) =>
          function (this: RaftNode, context) {
            const raft = insides.of(this);
            if (raft.state !== STATE_LEADER) original.call(this, context);
            else raft.readStates.push(new ReadState(raft.log.committed, context));
          },
      );
      return all(undo, insides.undo);
    },
  },
  {
    name: 'reads by lease without a check of the quorum',
    breaks: ['linearizable-read'],
    plant: () =>
      new Insides((raft) => {
        Object.defineProperty(raft, 'checkQuorum', { value: false });
      }).undo,
  },
  {
    name: 'in a joint configuration the new majority alone commits',
    breaks: ['commit-quorum'],
    plant: () =>
      patch(
        JointConfig.prototype,
        'committedIndex',
        () =>
          function (this: JointConfig, acked) {
            return this.incoming.committedIndex(acked);
          },
      ),
  },
  {
    name: 'in a joint configuration the old majority alone commits',
    breaks: ['commit-quorum'],
    plant: () =>
      patch(
        JointConfig.prototype,
        'committedIndex',
        () =>
          function (this: JointConfig, acked) {
            return (this.isJoint ? this.outgoing : this.incoming).committedIndex(acked);
          },
      ),
  },
  {
    name: 'elections ignore the old half of a joint configuration',
    breaks: ['election-quorum'],
    plant: () =>
      patch(
        JointConfig.prototype,
        'voteResult',
        () =>
          function (this: JointConfig, votes) {
            return this.incoming.voteResult(votes);
          },
      ),
  },
  {
    name: 'learners count in the quorum',
    breaks: ['commit-quorum'],
    plant: () =>
      patch(
        ProgressTracker.prototype,
        'committed',
        () =>
          function (this: ProgressTracker) {
            const { voters, learners } = this.config;
            const everybody = new MajorityConfig([...voters.ids(), ...learners.ids]);
            return everybody.committedIndex(this);
          },
      ),
  },
  {
    name: 'two conf changes are in flight',
    breaks: ['one-change-at-a-time'],
    plant: () => {
      const insides = new Insides();
      const undo = patch(
        RaftNode.prototype,
        'proposeConfChange',
        (original) =>
          function (this: RaftNode, change) {
            insides.of(this).pendingConfIndex = 0;
            original.call(this, change);
          },
      );
      return all(undo, insides.undo);
    },
  },
  {
    name: 'a conf change comes into force when it is appended',
    breaks: ['configuration-safety', 'configuration-in-force', 'commit-quorum', 'refused'],
    plant: () =>
      patch(
        RaftNode.prototype,
        'ready',
        (original) =>
          function (this: RaftNode) {
            const ready = original.call(this);
            for (const entry of ready.entries) {
              const change = decodeEntryChange(entry);
              if (change !== undefined) tryChange(() => this.applyConfChange(change));
            }
            return ready;
          },
      ),
  },
  {
    name: 'a snapshot replaces a longer log that it matches',
    breaks: ['commit-quorum', 'commit-truth', 'durable-before-told', 'refused', 'liveness'],
    plant: () => restoringAlways(false),
  },
  {
    name: 'an old snapshot is restored, and the commit index goes back',
    breaks: ['durable-state', 'commit-truth', 'state-machine-safety', 'refused'],
    plant: () => restoringAlways(true),
  },
];

/** An append response of an older term is counted. Rare: see directed.test.ts. */
export function plantStaleAcks(): Undo {
  return onStep((node, m) => {
    if (m.type !== MSG_APP_RESP || m.term === 0) return m;
    const { term } = node.basicStatus().hardState;
    return m.term < term ? Object.assign(new Message(m.type, m.to), m, { term }) : m;
  });
}

/** `isOldTaken`: also snapshots from before the commit index. */
function restoringAlways(isOldTaken: boolean): Undo {
  const insides = new Insides();
  let isRestoring = false;
  const undoMatch = patch(
    RaftLog.prototype,
    'matchTerm',
    (original) =>
      function (this: RaftLog, index, term) {
        return !isRestoring && original.call(this, index, term);
      },
  );
  const undoStep = patch(
    RaftNode.prototype,
    'step',
    (original) =>
      function (this: RaftNode, m) {
        isRestoring = m.type === MSG_SNAP;
        const { log } = insides.of(this);
        if (isRestoring && isOldTaken) log.committed = Math.min(log.committed, log.applied - 1);
        try {
          original.call(this, m);
        } finally {
          isRestoring = false;
        }
      },
  );
  return all(undoStep, undoMatch, insides.undo);
}

function tryChange(apply: () => unknown): void {
  try {
    apply();
  } catch {
    // It did not fit; the bug is to have tried.
  }
}
