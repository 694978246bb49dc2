/** How commands that write open a workdir: options of a file, if one is named, under what the command itself asks for. */
import { hasCode, NokvError } from '../base/errors.js';
import { type Db, openDb } from '../engine/db.js';
import type { OpenOptions } from '../engine/options.js';
import { createNodeEnv } from '../env/node-env.js';

/** Options of a TOML file. @throws NokvError NOKV_INVALID naming file, line and key; NOKV_NOT_FOUND; IoError */
export async function loadOptions(path: string): Promise<OpenOptions> {
  const { readOptions } = await import('./options-file.js');
  return readOptions(createNodeEnv().fs, path);
}

/** `optionsFile` is undefined without one; `own` options win. @throws what `open` and loadOptions throw */
export async function openWorkdir(
  workdir: string,
  optionsFile: string | undefined,
  own: OpenOptions = {},
): Promise<Db> {
  const given = optionsFile === undefined ? {} : await loadOptions(optionsFile);
  try {
    return await openDb(createNodeEnv(), workdir, { ...given, ...own });
  } catch (error) {
    throw hasCode(error, 'NOKV_NOT_FOUND') ? notFound(workdir, error) : error;
  }
}

/** The engine's hint names an option of the library. */
function notFound(workdir: string, cause: unknown): NokvError {
  return new NokvError('NOKV_NOT_FOUND', 'Cannot open: there is no database', {
    details: { workdir },
    hint: `Check the path ${workdir}; "nokv put --create" and "nokv import" begin a database`,
    cause,
  });
}
