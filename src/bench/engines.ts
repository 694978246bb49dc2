/** The engines by name. Rivals are loaded when they are asked for; nokv too, so that tests of the harness need no database. */
import { closestName } from '../base/closest-name.js';
import type { BenchEngine } from './engine.js';
import { ClassicLevelEngine } from './engines/classic-level.js';
import { LmdbEngine } from './engines/lmdb.js';
import { loadModule } from './engines/load-module.js';
import { NullEngine } from './engines/null-engine.js';
import { RocksDbEngine } from './engines/rocksdb.js';
import type { BenchMachine } from './machine.js';
import { invalid } from './workloads.js';

export const ENGINE_NAMES = [
  'nokv',
  'nokv-art',
  'nokv-skiplist',
  'classic-level',
  'lmdb',
  'rocksdb',
  'null',
] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** Packages of their own, which may not be installed. */
const RIVALS: readonly EngineName[] = ['classic-level', 'lmdb', 'rocksdb'];

/** "nokv,lmdb,null", each once, in this order. @throws NokvError NOKV_INVALID. */
export function parseEngines(text: string): EngineName[] {
  const chosen: EngineName[] = [];
  for (const part of text.split(',')) {
    const name = part.trim().toLowerCase();
    if (name === '') continue;
    if (!isEngineName(name)) {
      const closest = closestName(name, ENGINE_NAMES);
      const suggestion = closest === undefined ? '' : `; did you mean "${closest}"?`;
      throw invalid(
        `unknown engine "${name}"${suggestion}`,
        `Known are ${ENGINE_NAMES.join(', ')}`,
      );
    }
    if (!chosen.includes(name)) chosen.push(name);
  }
  if (chosen.length === 0) throw invalid('no engines selected', 'Give names such as nokv,lmdb');
  return chosen;
}

/** True for nokv in any variant: it works in the workdir itself. */
export function isNokv(name: EngineName): boolean {
  return name.startsWith('nokv');
}

/** True for what comes in a package of its own: it works beside the workdir. null writes nothing. */
export function isRival(name: EngineName): boolean {
  return RIVALS.includes(name);
}

/** Before anything is run: every rival asked for is there. @throws NokvError NOKV_IO naming the one that is not. */
export async function checkInstalled(
  names: readonly EngineName[],
  moduleDirectory: string,
): Promise<void> {
  for (const name of names) {
    if (isRival(name)) await loadModule(name, moduleDirectory);
  }
}

export interface EngineSurroundings {
  readonly machine: BenchMachine;
  /** Where packages are looked for besides nokv's own surroundings. */
  readonly moduleDirectory: string;
  /** Length of the value that the null engine returns. */
  readonly valueBytes: number;
}

export async function makeEngine(
  name: EngineName,
  { machine, moduleDirectory, valueBytes }: EngineSurroundings,
): Promise<BenchEngine> {
  switch (name) {
    case 'classic-level':
      return new ClassicLevelEngine(machine, moduleDirectory);
    case 'lmdb':
      return new LmdbEngine(moduleDirectory);
    case 'rocksdb':
      return new RocksDbEngine(machine, moduleDirectory);
    case 'null':
      return new NullEngine(valueBytes);
    case 'nokv':
    case 'nokv-art':
    case 'nokv-skiplist': {
      const { NokvEngine } = await import('./engines/nokv.js');
      if (name === 'nokv') return new NokvEngine(name);
      return new NokvEngine(name, name === 'nokv-art' ? 'art' : 'skiplist');
    }
  }
}

function isEngineName(name: string): name is EngineName {
  return (ENGINE_NAMES as readonly string[]).includes(name);
}
