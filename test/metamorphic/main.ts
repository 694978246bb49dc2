/**
 * `npm run test:meta`: random programs under many option sets, as long as wanted. Run by scripts/meta.mjs.
 *
 * A database that spins in microtasks stops this thread, and with it every timer: a second thread
 * watches the progress, and ends the process when there is none.
 */
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { checkPrograms, type MetaSettings } from './check-programs.js';

const INITIAL = {
  programs: '20',
  operations: '2000',
  options: '5',
  seed: '1',
  'first-option': '0',
  'shrink-attempts': '2000',
};

/** Returns the exit status: 1 for a failure. */
export async function main(settings: MetaSettings): Promise<number> {
  const startMs = performance.now();
  let done = 0;
  const watchdog = startWatchdog(settings);
  const failure = await checkPrograms(settings, watchdog.note, (seed) => {
    done++;
    const seconds = (performance.now() - startMs) / 1000;
    console.log(`program ${seed}: equal, ${done}/${settings.programs}, ${seconds.toFixed(1)} s`);
  });
  await watchdog.stop();
  if (failure === undefined) return 0;
  console.error(failure);
  return 1;
}

/** Seconds without a step after which the process ends. */
const SPIN_SECONDS = 60;

/** Plain JavaScript: it must not depend on a loader. Shared: seed, option set, step, count of notes. */
const WATCHDOG = `
  const { workerData } = require('node:worker_threads');
  const { writeSync } = require('node:fs');
  const { shared, seconds, operations } = workerData;
  let before = -1;
  setInterval(() => {
    const count = Atomics.load(shared, 3);
    if (count !== before) {
      before = count;
      return;
    }
    writeSync(2, 'Program ' + shared[0] + ' spins under option set ' + shared[1] + ', at step ' + shared[2] +
      '. Repeat it with:\\n  npm run test:meta -- --seed ' + shared[0] + ' --programs 1 --operations ' +
      operations + ' --first-option ' + shared[1] + ' --options 1\\n');
    process.kill(process.pid, 'SIGKILL');
  }, seconds * 1000);
`;

function startWatchdog(settings: MetaSettings): {
  note: (seed: number, run: number, step: number) => void;
  stop: () => Promise<unknown>;
} {
  const shared = new Int32Array(new SharedArrayBuffer(16));
  const worker = new Worker(WATCHDOG, {
    eval: true,
    workerData: { shared, seconds: SPIN_SECONDS, operations: settings.operations },
  });
  worker.unref();
  return {
    note(seed, run, step) {
      shared[0] = seed;
      shared[1] = run;
      shared[2] = step;
      Atomics.add(shared, 3, 1);
    },
    stop: () => worker.terminate(),
  };
}

/** @throws RangeError for what is no positive integer, TypeError for an unknown flag */
export function readSettings(args: string[]): MetaSettings {
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
