/**
 * Configuration changes as they are proposed. Version 1 changes one member; version 2 changes several
 * through a joint configuration, and an empty one leaves a joint configuration. How they become bytes
 * of an entry: conf-change-codec.ts. What they do to a configuration: conf-changer.ts.
 */

export const CONF_ADD_NODE = 0;
export const CONF_REMOVE_NODE = 1;
/** Changes nothing in the consensus; the application may use the context. */
export const CONF_UPDATE_NODE = 2;
export const CONF_ADD_LEARNER = 3;
export type ConfChangeType = number;

const TYPE_NAMES = [
  'ConfChangeAddNode',
  'ConfChangeRemoveNode',
  'ConfChangeUpdateNode',
  'ConfChangeAddLearnerNode',
] as const;

/** Simple when one member changes, else joint and left by the leader. */
export const TRANSITION_AUTO = 0;
/** Joint, and left by the leader as soon as it can. */
export const TRANSITION_JOINT_IMPLICIT = 1;
/** Joint until the application proposes an empty change. */
export const TRANSITION_JOINT_EXPLICIT = 2;
export type ConfChangeTransition = number;

const TRANSITION_NAMES = [
  'ConfChangeTransitionAuto',
  'ConfChangeTransitionJointImplicit',
  'ConfChangeTransitionJointExplicit',
] as const;

export interface ConfChangeSingle {
  readonly type: ConfChangeType;
  /** 0: the change was refused by the application and is skipped. */
  readonly nodeId: number;
}

/** Version 1: one change. */
export interface ConfChange extends ConfChangeSingle {
  readonly version: 1;
  readonly context: Uint8Array;
}

export interface ConfChangeV2 {
  readonly version: 2;
  readonly transition: ConfChangeTransition;
  readonly changes: readonly ConfChangeSingle[];
  readonly context: Uint8Array;
}

export type AnyConfChange = ConfChange | ConfChangeV2;

const NO_CONTEXT = new Uint8Array(0);

export function confChange(
  type: ConfChangeType,
  nodeId: number,
  context: Uint8Array = NO_CONTEXT,
): ConfChange {
  return { version: 1, type, nodeId, context };
}

export function confChangeV2(
  changes: readonly ConfChangeSingle[],
  transition: ConfChangeTransition = TRANSITION_AUTO,
  context: Uint8Array = NO_CONTEXT,
): ConfChangeV2 {
  return { version: 2, transition, changes, context };
}

/** The same change as version 2. */
export function asV2(change: AnyConfChange): ConfChangeV2 {
  if (change.version === 2) return change;
  return confChangeV2(
    [{ type: change.type, nodeId: change.nodeId }],
    TRANSITION_AUTO,
    change.context,
  );
}

/** Ends a joint configuration: no changes, and no transition asked for. */
export function leavesJoint(change: ConfChangeV2): boolean {
  return change.transition === TRANSITION_AUTO && change.changes.length === 0;
}

/** Needs a joint configuration: several changes, or one was asked for. */
export function entersJoint(change: ConfChangeV2): boolean {
  return change.transition !== TRANSITION_AUTO || change.changes.length > 1;
}

/** Requires entersJoint(). */
export function leavesByItself(change: ConfChangeV2): boolean {
  return change.transition !== TRANSITION_JOINT_EXPLICIT;
}

export function confChangeTypeName(type: ConfChangeType): string {
  return TYPE_NAMES[type] ?? String(type);
}

export function transitionName(transition: ConfChangeTransition): string {
  return TRANSITION_NAMES[transition] ?? String(transition);
}
