/** A broken invariant. The name says which; the message what was seen. */

/** Every invariant that the checker watches, by name. */
export const INVARIANTS = [
  'election-safety', // at most one leader in a term, and once: not again after a restart
  'election-quorum', // a leader has durable votes of a quorum of the configuration in force, its own included
  'leader-append-only', // a leader replaces nothing in its log
  'log-matching', // an entry is named by (index, term): same content, same entry before it, everywhere
  'leader-completeness', // what was committed in a term is in the log of every leader of a later term
  'commit-quorum', // what a leader commits is durable on a quorum
  'commit-term', // a leader commits by counting only entries of its term
  'commit-truth', // nobody holds something else to be committed, or more than was committed
  'state-machine-safety', // the same entries applied in the same order, once each
  'durable-state', // term and commit never sink, one vote a term, across crashes
  'durable-before-told', // votes, terms and acknowledgements are durable when they are sent
  'linearizable-read', // a read sees all that anybody knew to be committed when it was asked for
  'configuration-safety', // the members after an entry are the same everywhere, and what a model says
  'configuration-in-force', // a leader decides by the configuration it has applied
  'one-change-at-a-time', // a leader appends no conf change while another is not applied
  'refused', // a message of a well-behaved node was refused, or a replica failed
  'liveness', // with all faults gone a leader is elected and commits
] as const;
export type Invariant = (typeof INVARIANTS)[number];

export class Violation extends Error {
  override readonly name = 'Violation';
  readonly invariant: Invariant;

  constructor(invariant: Invariant, message: string) {
    super(message);
    this.invariant = invariant;
  }
}
