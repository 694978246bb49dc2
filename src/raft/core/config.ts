/** Options of a replica: defaults, units, and what must hold between them. */
import { RaftError } from '../../base/errors.js';
import type { Random } from '../../base/env.js';
import { INDEX_MAX, isCount, NODE_ID_MAX, NO_LIMIT } from './ids.js';
import { SILENT_LOGGER, type RaftLogger } from './logger.js';
import { READ_ONLY_LEASE_BASED, READ_ONLY_SAFE, type ReadOnlyOption } from './read-index.js';
import type { RaftStorage } from './storage.js';

export interface RaftConfig {
  /** This node, 1 .. NODE_ID_MAX. */
  readonly id: number;
  readonly storage: RaftStorage;
  /** Spreads election timeouts. */
  readonly random: Random;
  /** A follower campaigns after this many ticks without its leader, up to twice as many. Above heartbeatTicks. */
  readonly electionTicks: number;
  /** The leader sends heartbeats every so many ticks. */
  readonly heartbeatTicks: number;
  /** Applied before the restart: entries up to here are not handed out again. Default 0. */
  readonly applied?: number;
  /** Storage writes as messages to local threads instead of advance(). Default false. */
  readonly asyncStorageWrites?: boolean;
  /** Encoded bytes of entries in one append message; 0: one entry each. Default NO_LIMIT. */
  readonly messageBytesMax?: number;
  /** Encoded bytes of entries being applied. Default: messageBytesMax, or one entry when that is 0. */
  readonly applyingBytesMax?: number;
  /** Data bytes in the uncommitted tail of a leader's log; above it proposals are dropped. Default NO_LIMIT. */
  readonly uncommittedBytesMax?: number;
  /** Append messages in flight to one follower. Default 256. */
  readonly inflightMessagesMax?: number;
  /** Data bytes in flight to one follower. At least messageBytesMax. Default NO_LIMIT. */
  readonly inflightBytesMax?: number;
  /** A leader that hears of no quorum for electionTicks steps down. Default false. */
  readonly checkQuorum?: boolean;
  /** Ask before raising the term, so that a node that was cut off does not disturb. Default false. */
  readonly preVote?: boolean;
  /** How reads are confirmed. Default READ_ONLY_SAFE; READ_ONLY_LEASE_BASED requires checkQuorum. */
  readonly readOnly?: ReadOnlyOption;
  /** Followers drop proposals instead of forwarding them. Default false. */
  readonly disableProposalForwarding?: boolean;
  /** Conf changes are not checked when proposed: something above serializes and checks them. Default false. */
  readonly disableConfChangeValidation?: boolean;
  /** A leader that is removed or demoted steps down at once. Default false. */
  readonly stepDownOnRemoval?: boolean;
  /**
   * Does as etcd's raft does also where that can break a promise or hang a group (docs/raft-core.md lists the places):
   * for scripts that are compared with it, never for data. Default false.
   */
  readonly likeEtcd?: boolean;
  readonly logger?: RaftLogger;
}

/** Every option decided. */
export type CheckedConfig = Required<RaftConfig>;

/** @throws RaftError `invalid` naming the option. */
export function checkConfig(config: RaftConfig): CheckedConfig {
  const { id, heartbeatTicks, electionTicks } = config;
  const messageBytesMax = config.messageBytesMax ?? NO_LIMIT;
  const applyingBytesMax = config.applyingBytesMax ?? 0;
  const inflightMessagesMax = config.inflightMessagesMax ?? 256;
  const inflightBytesMax = orUnlimited(config.inflightBytesMax);
  const checkQuorum = config.checkQuorum ?? false;
  const readOnly = config.readOnly ?? READ_ONLY_SAFE;
  must(id !== 0, 'cannot use none as id');
  must(isCount(id, NODE_ID_MAX), 'cannot use local target as id');
  must(isCount(heartbeatTicks, INDEX_MAX), 'heartbeat tick must be an integer');
  must(heartbeatTicks > 0, 'heartbeat tick must be greater than 0');
  must(isCount(electionTicks, 0x7fff_ffff), 'election tick must be an integer below 2^31');
  must(electionTicks > heartbeatTicks, 'election tick must be greater than heartbeat tick');
  must(isCount(config.applied ?? 0, INDEX_MAX), 'applied must be an index');
  must(isCount(inflightMessagesMax, INDEX_MAX), 'max inflight messages must be an integer');
  must(inflightMessagesMax > 0, 'max inflight messages must be greater than 0');
  must(messageBytesMax >= 0, 'max message size must be 0 or greater');
  must(applyingBytesMax >= 0, 'max committed size per ready must be 0 or greater');
  must(inflightBytesMax >= messageBytesMax, 'max inflight bytes must be >= max message size');
  must(
    readOnly !== READ_ONLY_LEASE_BASED || checkQuorum,
    'CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased',
  );
  return {
    ...config,
    applied: config.applied ?? 0,
    asyncStorageWrites: config.asyncStorageWrites ?? false,
    messageBytesMax,
    applyingBytesMax: applyingBytesMax === 0 ? Math.max(1, messageBytesMax) : applyingBytesMax,
    uncommittedBytesMax: orUnlimited(config.uncommittedBytesMax),
    inflightMessagesMax,
    inflightBytesMax,
    checkQuorum,
    preVote: config.preVote ?? false,
    readOnly,
    disableProposalForwarding: config.disableProposalForwarding ?? false,
    disableConfChangeValidation: config.disableConfChangeValidation ?? false,
    stepDownOnRemoval: config.stepDownOnRemoval ?? false,
    likeEtcd: config.likeEtcd ?? false,
    logger: config.logger ?? SILENT_LOGGER,
  };
}

/** 0 and absent: no limit. */
function orUnlimited(limit: number | undefined): number {
  return limit === undefined || limit === 0 ? NO_LIMIT : limit;
}

function must(holds: boolean, message: string): void {
  if (!holds) throw new RaftError('invalid', message);
}
