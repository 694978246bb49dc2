/**
 * `nokv bench ycsb` as a function: rounds over engines over workloads. Engines alternate within a
 * round, so that a machine that slows down or speeds up meanwhile is no engine's luck.
 *
 * nokv works in the workdir, which is left as the database of its last run; rivals work beside it, in a
 * directory that is theirs for the whole run and removed at its end.
 */
import { claimDirectory, emptyDirectory, HeldDirectory } from '../env/claimed-directory.js';
import { ProcessMeter } from '../env/process-meter.js';
import type { BenchEngine } from './engine.js';
import { type EngineName, isNokv, isRival, makeEngine } from './engines.js';
import type { BenchMachine, Progress } from './machine.js';
import type { BenchRow } from './rows.js';
import { type RunSettings, runEngine } from './runner.js';

export interface YcsbRequest {
  readonly settings: RunSettings;
  readonly engines: readonly EngineName[];
  readonly rounds: number;
  readonly workdir: string;
  /** Destroys what the directories hold, whosever it is. */
  readonly isOverwriting?: boolean;
  /** Where rival packages are looked for besides nokv's own surroundings. */
  readonly moduleDirectory: string;
}

/** One engine in one round, as plain data. */
export interface YcsbRun {
  readonly settings: RunSettings;
  readonly engine: EngineName;
  readonly round: number;
  readonly directory: string;
  readonly moduleDirectory: string;
}

/**
 * Rows of every round in the order they ran. `runOne` runs one engine once: here, or in a process of its own.
 * @throws LockedError, NokvError NOKV_INVALID when a directory is somebody else's: before anything is run
 */
export async function runYcsb(
  request: YcsbRequest,
  runOne: (run: YcsbRun) => Promise<readonly BenchRow[]>,
): Promise<BenchRow[]> {
  const machine = new ProcessMeter();
  const { engines, workdir, isOverwriting = false } = request;
  const beside = besideWorkdir(workdir);
  const rows: BenchRow[] = [];
  const held = engines.some(isRival) ? HeldDirectory.claim(beside, isOverwriting) : undefined;
  try {
    if (engines.some(isNokv)) claimDirectory(workdir, isOverwriting);
    for (let round = 1; round <= request.rounds; round++) {
      for (const engine of engines) {
        const { settings, moduleDirectory } = request;
        const directory = isNokv(engine) ? workdir : `${beside}/${engine}`;
        rows.push(...(await runOne({ settings, engine, round, directory, moduleDirectory })));
        if (isRival(engine)) machine.removeDirectory(directory);
      }
    }
  } finally {
    held?.remove();
  }
  return rows;
}

/** Runs one engine once in this process. `signal` stops it within a turn of the loop. */
export async function runHere(
  run: YcsbRun,
  progress: Progress,
  signal: AbortSignal,
): Promise<BenchRow[]> {
  const machine: BenchMachine = new ProcessMeter();
  const { moduleDirectory, settings } = run;
  const valueBytes = settings.values.kind === 'fixed' ? settings.values.bytes : 1;
  const engine: BenchEngine = await makeEngine(run.engine, {
    machine,
    moduleDirectory,
    valueBytes,
  });
  const { directory, round } = run;
  const clear = (): void => {
    if (isNokv(run.engine)) emptyDirectory(directory);
    else if (isRival(run.engine)) machine.removeDirectory(directory);
  };
  return runEngine(engine, settings, { machine, progress, directory, clear, round, signal });
}

/** Where rivals keep their data during a run. */
export function besideWorkdir(workdir: string): string {
  return `${workdir.replace(/[/\\]+$/, '')}.rivals`;
}
