/** `npm run test:meta`: random programs under many option sets, as long as wanted. Run by scripts/meta.mjs. */
import { parseArgs } from 'node:util';
import { checkPrograms, type MetaSettings } from './check-programs.js';

const INITIAL = {
  programs: '20',
  operations: '2000',
  options: '5',
  seed: '1',
  'first-option': '0',
  'shrink-attempts': '2000',
};

export async function main(args: string[]): Promise<number> {
  const settings = readSettings(args);
  const startMs = performance.now();
  let done = 0;
  const failure = await checkPrograms(settings, (seed) => {
    done++;
    const seconds = (performance.now() - startMs) / 1000;
    console.log(`program ${seed}: equal, ${done}/${settings.programs}, ${seconds.toFixed(1)} s`);
  });
  if (failure === undefined) return 0;
  console.error(failure);
  return 1;
}

/** @throws RangeError for what is no positive integer, TypeError for an unknown flag */
function readSettings(args: string[]): MetaSettings {
  const names = Object.keys(INITIAL) as (keyof typeof INITIAL)[];
  const { values } = parseArgs({
    args,
    options: Object.fromEntries(
      names.map((name) => [name, { type: 'string' as const, default: INITIAL[name] }]),
    ),
  });
  const numberOf = (name: keyof typeof INITIAL): number => {
    const number = Number(values[name]);
    if (Number.isSafeInteger(number) && number >= 0) return number;
    throw new RangeError(`--${name} must be an integer, and not negative`);
  };
  return {
    seed: numberOf('seed'),
    programs: numberOf('programs'),
    operations: numberOf('operations'),
    options: numberOf('options'),
    firstOption: numberOf('first-option'),
    shrinkAttempts: numberOf('shrink-attempts'),
  };
}
