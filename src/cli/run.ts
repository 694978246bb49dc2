/**
 * Where the command line starts: bin/run.js and bin/dev.js call `run` and nothing else. The commands
 * are entries of the same bundle; oclif finds them through oclif.manifest.json.
 */
import { execute } from '@oclif/core/execute';
import { settings } from '@oclif/core/settings';

/** Runs the command that the arguments name, then ends the process with its exit status. */
export async function run(binUrl: string): Promise<void> {
  // Whatever NODE_ENV says, run what was built: never TypeScript that happens to lie beside it.
  settings.enableAutoTranspile = false;
  if (process.env['NOKV_NO_COLOR']) process.env['NO_COLOR'] = '1';
  await execute({ dir: binUrl });
  await Promise.all([drain(process.stdout), drain(process.stderr)]);
  process.exit();
}

/** Resolves when everything written so far was handed to the system, or nobody reads any more. */
function drain(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => {
      resolve();
    });
  });
}
