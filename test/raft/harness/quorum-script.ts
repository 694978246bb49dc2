/**
 * The commands of quorum scripts.
 *
 *   committed cfg=(1,2,3) [cfgj=(2,3,4)|zero] idx=(5,_,7)     the committed index, with a bar per voter
 *   vote cfg=(1,2,3) [cfgj=...] votes=(y,n,_)                 the result of the vote
 *
 * Values belong to the voters of both halves in order of appearance, each once; `_` is no answer. Every
 * result is computed in other ways, too; one that differs is printed.
 */
import {
  INDEX_INFINITE,
  indexText,
  JointConfig,
  MajorityConfig,
  voteResultName,
  type AckedIndexer,
} from '../../../src/raft/core/quorum.js';
import type { ScriptCase } from '../../datadriven-file.js';
import { mustScan, parseUint, ScriptError } from './go-parse.js';

export const QUORUM_COMMANDS: readonly string[] = ['committed', 'vote'];

interface QuorumArgs {
  readonly ids: number[];
  readonly joint: number[];
  isJoint: boolean;
  /** Placeholders are 0. A vote is 1 against, 2 in favour. */
  readonly indexes: number[];
  readonly votes: number[];
}

class Acks implements AckedIndexer {
  readonly #indexes: ReadonlyMap<number, number>;

  constructor(indexes: ReadonlyMap<number, number>) {
    this.#indexes = indexes;
  }

  ackedIndex(voter: number): number {
    return this.#indexes.get(voter) ?? -1;
  }
}

export function runQuorum(run: ScriptCase): string {
  const args = parseArgs(run);
  const input = run.command === 'vote' ? args.votes : args.indexes;
  const incoming = new MajorityConfig(args.ids);
  const outgoing = new MajorityConfig(args.joint);
  const voters = new JointConfig(incoming, outgoing).ids();
  if (voters.length !== input.length) {
    const set = `map[${voters.map((id) => `${id}:{}`).join(' ')}]`;
    const values = `[${input.map(indexText).join(' ')}]`;
    return `error: mismatched input (explicit or _) for voters ${set}: ${values}`;
  }
  const answers = assign(input, [...args.ids, ...args.joint]);
  if (run.command === 'vote') return runVote(args.isJoint, incoming, outgoing, answers);
  if (run.command !== 'committed') throw new ScriptError(`unknown command: ${run.command}`);
  const acks = new Acks(answers);
  return args.isJoint
    ? runJointCommitted(incoming, outgoing, acks)
    : runMajorityCommitted(incoming, answers);
}

function parseArgs(run: ScriptCase): QuorumArgs {
  const args: QuorumArgs = { ids: [], joint: [], isJoint: false, indexes: [], votes: [] };
  for (const { key, values } of run.args) {
    for (const value of values) {
      if (key === 'cfg') {
        args.ids.push(mustScan(parseUint, value));
      } else if (key === 'cfgj') {
        args.isJoint = true;
        if (value !== 'zero') args.joint.push(mustScan(parseUint, value));
        else if (values.length > 1) throw new ScriptError("cannot mix 'zero' into configuration");
      } else if (key === 'idx') {
        const index = value === '_' ? 0 : mustScan(parseUint, value);
        if (value !== '_' && index === 0) throw new ScriptError('cannot use 0 as idx');
        args.indexes.push(index);
      } else if (key === 'votes') {
        const vote = ['_', 'n', 'y'].indexOf(value);
        if (vote === -1) throw new ScriptError(`unknown vote: ${value}`);
        args.votes.push(vote);
      } else {
        throw new ScriptError(`unknown arg ${key}`);
      }
    }
  }
  return args;
}

/** Gives values to ids in order of appearance, each id once, and leaves placeholders out. */
function assign(values: readonly number[], ids: readonly number[]): Map<number, number> {
  const assigned = new Map<number, number>();
  let next = 0;
  for (const id of ids) {
    const value = values[next];
    if (assigned.has(id) || value === undefined) continue;
    assigned.set(id, value);
    next++;
  }
  for (const [id, value] of assigned) if (value === 0) assigned.delete(id);
  return assigned;
}

function runVote(
  isJoint: boolean,
  incoming: MajorityConfig,
  outgoing: MajorityConfig,
  answers: ReadonlyMap<number, number>,
): string {
  const votes = new Map([...answers].map(([id, value]) => [id, value !== 1]));
  if (!isJoint) return `${voteResultName(incoming.voteResult(votes))}\n`;
  const result = new JointConfig(incoming, outgoing).voteResult(votes);
  const swapped = new JointConfig(outgoing, incoming).voteResult(votes);
  const symmetry = swapped === result ? '' : `${voteResultName(swapped)} <-- via symmetry\n`;
  return `${symmetry}${voteResultName(result)}\n`;
}

function runJointCommitted(
  incoming: MajorityConfig,
  outgoing: MajorityConfig,
  acks: AckedIndexer,
): string {
  const joint = new JointConfig(incoming, outgoing);
  const index = joint.committedIndex(acks);
  const swapped = new JointConfig(outgoing, incoming).committedIndex(acks);
  const symmetry = swapped === index ? '' : `${indexText(swapped)} <-- via symmetry\n`;
  return `${joint.describe(acks)}${symmetry}${indexText(index)}\n`;
}

function runMajorityCommitted(
  voters: MajorityConfig,
  answers: ReadonlyMap<number, number>,
): string {
  const acks = new Acks(answers);
  const index = voters.committedIndex(acks);
  let text = voters.describe(acks);
  const compare = (other: number, how: string): void => {
    if (other !== index) text += `${indexText(other)} <-- ${how}`;
  };
  const none = new MajorityConfig();
  compare(committedByCounting(voters, acks), 'via alternative computation\n');
  compare(new JointConfig(voters, none).committedIndex(acks), 'via zero-joint quorum\n');
  compare(new JointConfig(voters, voters).committedIndex(acks), 'via self-joint quorum\n');
  for (const id of voters.ids) {
    const own = answers.get(id) ?? 0;
    if (!(index > own && own > 0)) continue;
    // Below the committed index it does not matter how far below.
    const lowered = (to: number): Acks => new Acks(new Map([...answers, [id, to]]));
    compare(voters.committedIndex(lowered(own - 1)), `overlaying ${id}->${own}`);
    compare(voters.committedIndex(lowered(0)), `overlaying ${id}->0`);
  }
  return `${text}${indexText(index)}\n`;
}

/** The definition: the largest acknowledged index that more than half of the voters have reached. */
function committedByCounting(voters: MajorityConfig, acks: AckedIndexer): number {
  if (voters.size === 0) return INDEX_INFINITE;
  const indexes = voters.ids.map((id) => acks.ackedIndex(id));
  let best = 0;
  for (const candidate of indexes) {
    const reached = indexes.filter((index) => index >= candidate).length;
    if (reached > voters.size / 2 && candidate > best) best = candidate;
  }
  return best;
}
