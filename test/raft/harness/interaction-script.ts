/**
 * The commands of interaction scripts. `ID` is a node; arguments in brackets may be absent.
 *
 *   add-nodes N [voters=(1,2,3)] [learners=(4)] [index=2] [content=foo] [inflight=N]
 *               [async-storage-writes=B] [prevote=B] [checkquorum=B] [max-committed-size-per-ready=N]
 *               [disable-conf-change-validation=B] [read-only=safe|lease-based] [step-down-on-removal=B]
 *   campaign ID                        compact ID INDEX
 *   deliver-msgs ID ... [type=MsgApp] [drop=(2,3)]
 *   process-ready ID ...               process-append-thread ID ...    process-apply-thread ID ...
 *   stabilize [ID ...] [log-level=LEVEL]
 *   log-level LEVEL                    DEBUG INFO WARN ERROR NONE, in any case
 *   raft-log ID                        raft-state                      status ID
 *   set-randomized-election-timeout ID timeout=N
 *   tick-election ID                   tick-heartbeat ID
 *   transfer-leadership from=ID to=ID  forget-leader ID                report-unreachable ID ID
 *   send-snapshot ID ID                propose ID DATA
 *   propose-conf-change ID [v1=B] [transition=auto|explicit|implicit]   with changes as input: v1 l2 r3 u4
 */
import {
  CONF_ADD_LEARNER,
  CONF_ADD_NODE,
  CONF_REMOVE_NODE,
  CONF_UPDATE_NODE,
  ConfState,
  MESSAGE_TYPE_NAMES,
  READ_ONLY_LEASE_BASED,
  READ_ONLY_SAFE,
  Snapshot,
  TRANSITION_AUTO,
  TRANSITION_JOINT_EXPLICIT,
  TRANSITION_JOINT_IMPLICIT,
  confChange,
  confChangeV2,
  type AnyConfChange,
  type ConfChangeSingle,
} from '../../../src/raft/core/index.js';
import type { ScriptCase } from '../../datadriven-file.js';
import {
  argAt,
  mustScan,
  parseBool,
  parseInteger,
  parseUint,
  ReportedError,
  ScriptError,
  valueOf,
} from './go-parse.js';
import {
  EMPTY_SNAPSHOT,
  InteractionEnv,
  isRefusal,
  type NodeOptions,
  type Recipient,
} from './interaction-env.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Handler = (env: InteractionEnv, run: ScriptCase) => void;

const HANDLERS: Readonly<Record<string, Handler>> = {
  _breakpoint: () => undefined,
  'add-nodes': addNodes,
  campaign: (env, run) => env.node(firstId(run)).raft.campaign(),
  compact: (env, run) => env.compact(firstId(run), parseUint(argAt(run, 1).key)),
  'deliver-msgs': deliverMessages,
  'process-ready': (env, run) =>
    forEachNode(env, run, 'handling Ready', (id) => env.processReady(id)),
  'process-append-thread': (env, run) =>
    forEachNode(env, run, 'processing append thread', (id) => env.processAppendThread(id)),
  'process-apply-thread': (env, run) =>
    forEachNode(env, run, 'processing apply thread', (id) => env.processApplyThread(id)),
  'log-level': (env, run) => env.log.setLevel(argAt(run, 0).key),
  'raft-log': (env, run) => env.raftLog(firstId(run)),
  'raft-state': (env) => env.raftState(),
  'set-randomized-election-timeout': (env, run) => {
    const ticks = mustScan(parseInteger, valueOf(run, 'timeout'));
    if (ticks === 0) throw new ScriptError('timeout must not be 0');
    env.node(firstId(run)).raft.setRandomizedElectionTicks(ticks);
  },
  stabilize,
  status: (env, run) => env.status(firstId(run)),
  'tick-election': (env, run) => {
    const node = env.node(firstId(run));
    for (let i = 0; i < node.electionTicks; i++) node.raft.tick();
  },
  'tick-heartbeat': (env, run) => {
    const node = env.node(firstId(run));
    for (let i = 0; i < node.heartbeatTicks; i++) node.raft.tick();
  },
  'transfer-leadership': (env, run) => {
    const from = mustScan(parseUint, valueOf(run, 'from'));
    const to = mustScan(parseUint, valueOf(run, 'to'));
    env.node(to);
    env.node(from).raft.transferLeader(to);
  },
  'forget-leader': (env, run) => env.node(firstId(run)).raft.forgetLeader(),
  'send-snapshot': (env, run) => {
    const [from, to, ...more] = idsOf(run);
    if (from === undefined || to === undefined || more.length > 0) {
      throw new ScriptError('send-snapshot takes two nodes');
    }
    env.sendSnapshot(from, to);
  },
  propose: (env, run) => {
    const { key, values } = argAt(run, 1);
    if (run.args.length !== 2 || values.length > 0) {
      throw new ScriptError('expected exactly one key with no vals');
    }
    env.node(firstId(run)).raft.propose(new TextEncoder().encode(key));
  },
  'propose-conf-change': (env, run) => {
    env.node(firstId(run)).raft.proposeConfChange(changeOf(run));
  },
  'report-unreachable': (env, run) => {
    const [on, about, ...more] = idsOf(run);
    if (on === undefined || about === undefined || more.length > 0) {
      throw new ReportedError(
        'must specify exactly two node indexes: node on which to report, and reported node',
      );
    }
    env.node(about);
    env.node(on).raft.reportUnreachable(about);
  },
};

/** Names of the commands; what tells an interaction script from others. */
export const INTERACTION_COMMANDS: readonly string[] = Object.keys(HANDLERS);

/** A runner with its own environment: one per file. */
export function interactionRunner(): (run: ScriptCase) => string {
  const env = new InteractionEnv();
  return (run) => runCommand(env, run);
}

function runCommand(env: InteractionEnv, run: ScriptCase): string {
  const { log } = env;
  log.clear();
  let failure: string | undefined;
  try {
    const handler = Object.hasOwn(HANDLERS, run.command) ? HANDLERS[run.command] : undefined;
    if (handler === undefined) throw new ReportedError('unknown command');
    handler(env, run);
  } catch (error) {
    if (error instanceof ScriptError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    failure = isRefusal(error) ? message : `panic: ${message}`;
  }
  // Errors are output whatever the level.
  if (failure !== undefined) {
    if (log.isQuiet) return failure;
    log.write(failure);
  }
  return log.text === '' ? 'ok' : log.text;
}

function firstId(run: ScriptCase): number {
  return mustScan(parseInteger, argAt(run, 0).key);
}

/** Bare words; `name=value` is something else. */
function idsOf(run: ScriptCase): number[] {
  return run.args
    .filter(({ values }) => values.length === 0)
    .map(({ key }) => mustScan(parseInteger, key));
}

function forEachNode(
  env: InteractionEnv,
  run: ScriptCase,
  what: string,
  handle: (id: number) => void,
): void {
  const ids = idsOf(run);
  for (const id of ids) {
    if (ids.length === 1) {
      handle(id);
    } else {
      env.log.write(`> ${id} ${what}\n`);
      env.log.indented(() => handle(id));
    }
  }
}

interface NodeArgs {
  readonly options: Mutable<NodeOptions>;
  readonly voters: number[];
  readonly learners: number[];
  index: number;
  content: string;
}

function addNodes(env: InteractionEnv, run: ScriptCase): void {
  const count = firstId(run);
  const args: NodeArgs = { options: {}, voters: [], learners: [], index: 0, content: '' };
  for (const { key, values } of run.args.slice(1)) {
    for (const value of values) takeNodeArg(args, key, value);
  }
  const data = new TextEncoder().encode(args.content);
  const members = new ConfState(args.voters, args.learners);
  const isBootstrapped =
    args.voters.length > 0 || args.learners.length > 0 || args.index > 0 || data.length > 0;
  const snapshot = isBootstrapped ? new Snapshot(args.index, 0, members, data) : EMPTY_SNAPSHOT;
  env.addNodes(count, args.options, snapshot, isBootstrapped);
}

function takeNodeArg(args: NodeArgs, key: string, value: string): void {
  const { options } = args;
  switch (key) {
    case 'voters':
      args.voters.push(mustScan(parseUint, value));
      return;
    case 'learners':
      args.learners.push(mustScan(parseUint, value));
      return;
    case 'inflight':
      options.inflightMessagesMax = mustScan(parseInteger, value);
      return;
    case 'index':
      args.index = mustScan(parseUint, value);
      options.applied = args.index;
      return;
    case 'content':
      args.content = value;
      return;
    case 'async-storage-writes':
      options.asyncStorageWrites = mustScan(parseBool, value);
      return;
    case 'prevote':
      options.preVote = mustScan(parseBool, value);
      return;
    case 'checkquorum':
      options.checkQuorum = mustScan(parseBool, value);
      return;
    case 'max-committed-size-per-ready':
      options.applyingBytesMax = mustScan(parseUint, value);
      return;
    case 'disable-conf-change-validation':
      options.disableConfChangeValidation = mustScan(parseBool, value);
      return;
    case 'read-only':
      if (value === 'safe') options.readOnly = READ_ONLY_SAFE;
      else if (value === 'lease-based') options.readOnly = READ_ONLY_LEASE_BASED;
      else throw new ReportedError(`invalid read-only option "${value}"`);
      return;
    case 'step-down-on-removal':
      options.stepDownOnRemoval = mustScan(parseBool, value);
      return;
    default:
    // As the original: options it does not know are passed over.
  }
}

function deliverMessages(env: InteractionEnv, run: ScriptCase): void {
  let type = -1;
  const recipients: Recipient[] = [];
  for (const { key, values } of run.args) {
    if (values.length === 0) recipients.push({ id: mustScan(parseUint, key), isDropped: false });
    for (const value of values) {
      if (key === 'drop') {
        const id = mustScan(parseUint, value);
        if (recipients.some((one) => one.id === id)) {
          throw new ScriptError(`can't both deliver and drop msgs to ${id}`);
        }
        recipients.push({ id, isDropped: true });
      } else if (key === 'type') {
        type = (MESSAGE_TYPE_NAMES as readonly string[]).indexOf(value);
        if (type === -1) throw new ScriptError(`unknown message type ${value}`);
      }
    }
  }
  if (env.deliver(type, recipients) === 0) env.log.write('no messages\n');
}

function stabilize(env: InteractionEnv, run: ScriptCase): void {
  const ids = idsOf(run);
  const before = env.log.level;
  try {
    for (const { key, values } of run.args) {
      for (const value of values) if (key === 'log-level') env.log.setLevel(value);
    }
    env.stabilize(ids.length > 0 ? ids : env.nodes.map(({ id }) => id));
  } finally {
    env.log.level = before;
  }
}

const TRANSITIONS: ReadonlyMap<string, number> = new Map([
  ['auto', TRANSITION_AUTO],
  ['implicit', TRANSITION_JOINT_IMPLICIT],
  ['explicit', TRANSITION_JOINT_EXPLICIT],
]);

function changeOf(run: ScriptCase): AnyConfChange {
  let isV1 = false;
  let transition: number = TRANSITION_AUTO;
  for (const { key, values } of run.args.slice(1)) {
    for (const value of values) {
      if (key === 'v1') {
        isV1 = parseBool(value);
      } else if (key === 'transition') {
        const known = TRANSITIONS.get(value);
        if (known === undefined) throw new ReportedError(`unknown transition ${value}`);
        transition = known;
      } else {
        throw new ReportedError(`unknown command ${key}`);
      }
    }
  }
  const changes = parseConfChanges(run.input.join('\n'));
  if (!isV1) return confChangeV2(changes, transition);
  const [change, ...more] = changes;
  if (more.length > 0 || transition !== TRANSITION_AUTO) {
    throw new ReportedError('v1 conf change can only have one operation and no transition');
  }
  if (change === undefined) throw new ScriptError('v1 conf change without an operation');
  return confChange(change.type, change.nodeId);
}

const CHANGE_TYPES: ReadonlyMap<string, number> = new Map([
  ['v', CONF_ADD_NODE],
  ['l', CONF_ADD_LEARNER],
  ['r', CONF_REMOVE_NODE],
  ['u', CONF_UPDATE_NODE],
]);

/** "v1 l2 r3 u4". @throws ReportedError. */
export function parseConfChanges(text: string): ConfChangeSingle[] {
  const trimmed = text.trim();
  if (trimmed === '') return [];
  return trimmed.split(' ').map((token) => {
    if (new TextEncoder().encode(token).length < 2) {
      throw new ReportedError(`unknown token ${token}`);
    }
    const type = CHANGE_TYPES.get(token.slice(0, 1));
    if (type === undefined) throw new ReportedError(`unknown input: ${token}`);
    return { type, nodeId: parseUint(token.slice(1)) };
  });
}
