/** `npm run test:recovery`: prints the recovery matrix, case by case; the status is 1 when one deviates. Run by scripts/recovery.mjs. */
import { recoveryCases } from './matrix.js';

const NAME_WIDTH = 68;

/** Arguments are parts of names: only cases that have one of them are run. */
export async function main(parts: readonly string[]): Promise<number> {
  const cases = recoveryCases().filter(
    ({ name }) => parts.length === 0 || parts.some((part) => name.includes(part)),
  );
  let deviations = 0;
  for (const { name, verdict } of cases) {
    const { text, deviation } = await verdict();
    console.log(`${deviation === undefined ? 'ok  ' : 'BAD '} ${name.padEnd(NAME_WIDTH)} ${text}`);
    if (deviation === undefined) continue;
    deviations++;
    console.log(`     ${deviation}`);
  }
  console.log(`${cases.length} cases, ${deviations} deviations`);
  return deviations > 0 || cases.length === 0 ? 1 : 0;
}
