/**
 * Rivals are packages nokv does not depend on: they are loaded when a run asks for them, from
 * nokv's own surroundings or from the directory the command runs in.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { NokvError } from '../../base/errors.js';

/**
 * The exports of an installed package.
 * @throws NokvError NOKV_IO when it is not installed or its native part does not load.
 */
export async function loadModule(name: string, directory: string): Promise<unknown> {
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
