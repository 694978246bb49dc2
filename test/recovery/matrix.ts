/** The recovery matrix: every state in which a workdir may be found, and what opening it must come to. */
import { damageCases } from './damage-cases.js';
import { interruptedCases } from './interrupted-cases.js';
import { type Verdict, verdictOf } from './verdict.js';

export interface RecoveryCase {
  readonly name: string;
  readonly verdict: () => Promise<Verdict>;
}

export function recoveryCases(): RecoveryCase[] {
  const damage = damageCases().map(({ name, situation }) => ({
    name,
    verdict: async () => verdictOf(await situation()),
  }));
  return [...damage, ...interruptedCases()];
}
