/**
 * Rivals are packages nokv does not depend on: they are loaded when a run asks for them, from
 * nokv's own surroundings or from the directory the command runs in.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { NokvError } from '../../base/errors.js';
import { platformFacts } from '../../env/process-facts.js';

/** Packages whose native part ends the process when a later Node loads it, and the last one that can. */
const LAST_NODE = new Map([['rocksdb', 20]]);

/**
 * The exports of an installed package.
 * @throws NokvError NOKV_IO when it is not installed or its native part does not load.
 */
export async function loadModule(name: string, directory: string): Promise<unknown> {
  if (!runsHere(name)) {
    const last = LAST_NODE.get(name);
    throw new NokvError('NOKV_IO', `Cannot run engine ${name}: it ends the process on this Node`, {
      hint: `Run it on Node ${last}, or leave it out of --engines`,
      details: { engine: name, node: platformFacts().nodeVersion },
    });
  }
  let failure: unknown;
  for (const base of [import.meta.url, pathToFileURL(`${directory}/`).href]) {
    try {
      const path = createRequire(base).resolve(name);
      return (await import(pathToFileURL(path).href)) as unknown;
    } catch (error) {
      failure ??= error;
    }
  }
  throw new NokvError('NOKV_IO', `Cannot run engine ${name}: the package does not load`, {
    hint: `Install it beside nokv with "npm install ${name}", or leave it out of --engines`,
    details: { engine: name, reason: failure instanceof Error ? failure.message : String(failure) },
    cause: failure,
  });
}

/** False for a package that would take the process with it. */
export function runsHere(name: string): boolean {
  const major = Number.parseInt(platformFacts().nodeVersion.slice(1), 10);
  return major <= (LAST_NODE.get(name) ?? Number.POSITIVE_INFINITY);
}
