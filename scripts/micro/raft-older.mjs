/**
 * The same measurement as `commit` and `read` of raft.ts for an older TypeScript port of etcd's raft, for comparison:
 *
 *   npm install --prefix ELSEWHERE @coaty/consensus.raft
 *   node scripts/micro/raft-older.mjs ELSEWHERE
 *
 * It is no dependency. It does no asynchronous storage writes, and its ids are strings.
 */
import { existsSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import path from 'node:path';

const place = path.resolve(process.argv[2] ?? '.', 'node_modules/@coaty/consensus.raft');
if (!existsSync(place)) {
  console.error(
    `Cannot measure @coaty/consensus.raft: it is not in ${place}; install it there first`,
  );
  process.exit(1);
}
// Its persistence wants a native module that is not built everywhere, and is not used here.
const loadAny = Module._load;
Module._load = (name, ...rest) =>
  name === 'sqlite3' ? { verbose: () => ({}) } : loadAny(name, ...rest);
const load = createRequire(path.join(place, 'package.json'));
const { RawNode } = load('./ported/rawnode.js');
const { RaftConfig, noLimit } = load('./ported/raft.js');
const { MemoryStorage } = load('./ported/storage.js');
const { discardLogger } = load('./ported/logger.js');
const pb = load('./ported/raftpb/raft.pb.js');

const ROUNDS = 5;
const PAYLOAD = new Uint8Array(1024);
const COMPACT_EVERY = 4096;

class Group {
  constructor(count) {
    const ids = Array.from({ length: count }, (_, i) => String(i + 1));
    this.reads = 0;
    this.inFlight = [];
    this.members = ids.map((id) => {
      const storage = MemoryStorage.NewMemoryStorage();
      const confState = new pb.ConfState({ voters: ids });
      const metadata = new pb.SnapshotMetadata({ confState, index: 2, term: 1 });
      storage.ApplySnapshot(new pb.Snapshot({ metadata }));
      const node = RawNode.NewRawNode(
        new RaftConfig({
          id,
          storage,
          electionTick: 10,
          heartbeatTick: 2,
          maxSizePerMsg: 1 << 20,
          maxUncommittedEntriesSize: noLimit,
          maxInflightMsgs: 256,
          applied: 2,
          logger: discardLogger,
        }),
      );
      return { id, node, storage, applied: 2, compacted: 2 };
    });
    this.leader = this.members[0];
    this.leader.node.campaign();
    this.run();
  }

  run() {
    for (let isBusy = true; isBusy;) {
      isBusy = false;
      for (const member of this.members) {
        if (!member.node.hasReady()) continue;
        isBusy = true;
        this.handle(member);
      }
      const messages = this.inFlight;
      this.inFlight = [];
      for (const m of messages) this.members[Number(m.to) - 1].node.step(m);
    }
  }

  handle(member) {
    const ready = member.node.ready();
    if (!ready.hardState.isEmptyHardState()) member.storage.SetHardState(ready.hardState);
    member.storage.Append(ready.entries);
    this.inFlight.push(...ready.messages);
    const last = ready.committedEntries.at(-1);
    if (last !== undefined) member.applied = last.index;
    this.reads += ready.readStates.length;
    member.node.advance(ready);
    if (member.applied - member.compacted >= COMPACT_EVERY) {
      member.compacted = member.applied - 128;
      member.storage.Compact(member.compacted);
    }
  }

  propose(count) {
    const entries = Array.from({ length: count }, () => new pb.Entry({ data: PAYLOAD }));
    const { MsgProp } = pb.MessageType;
    this.leader.node.raft.Step(new pb.Message({ type: MsgProp, from: this.leader.id, entries }));
  }
}

function timed(run) {
  const figures = [];
  for (let round = 0; round < ROUNDS + 2; round++) {
    const start = performance.now();
    run();
    if (round >= 2) figures.push(performance.now() - start);
  }
  return figures.sort((a, b) => a - b)[ROUNDS >> 1];
}

for (const [nodes, batch, count] of [
  [1, 1, 20_000],
  [1, 64, 64_000],
  [3, 1, 10_000],
  [3, 64, 64_000],
]) {
  const group = new Group(nodes);
  const ms = timed(() => {
    for (let done = 0; done < count; done += batch) {
      group.propose(batch);
      group.run();
    }
  });
  if (group.members.some(({ applied }) => applied !== group.leader.applied || applied < count)) {
    throw new Error('not applied');
  }
  const rate = Math.round((count / ms) * 1000).toLocaleString('en');
  console.log(
    `commit  ${nodes} nodes  batch ${String(batch).padStart(2)}  ${rate.padStart(10)} entries/s`,
  );
}

const group = new Group(3);
group.propose(1);
group.run();
const READS = 5000;
const context = new Uint8Array(8);
const view = new DataView(context.buffer);
let asked = 0;
const ms = timed(() => {
  for (let i = 0; i < READS; i++) {
    view.setUint32(0, ++asked);
    group.leader.node.readIndex(context.slice());
    group.run();
  }
});
if (group.reads === 0) throw new Error('no read was answered');
console.log(`read    3 nodes  ${((ms / READS) * 1000).toFixed(1)} us a round`);
