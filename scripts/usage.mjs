/**
 * What every script of this folder does with its arguments: --help prints the comment that its file begins with, and what is no
 * known flag ends it with status 2 and a line that says so.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** Ends the process when --help is among the arguments. `url`: import.meta.url of the script. */
export function answerHelp(url) {
  if (!process.argv.includes('--help')) return;
  const [, comment] = /^\/\*\*\n(.*?)\n \*\/\n/s.exec(readFileSync(fileURLToPath(url), 'utf8'));
  console.log(comment.replaceAll(/^ \* ?/gm, ''));
  process.exit(0);
}

/** What `read` returns; ends the process when the arguments are not what it wants. */
export function orUsage(url, read) {
  answerHelp(url);
  try {
    return read();
  } catch (error) {
    const isOurs = error instanceof RangeError || error.code?.startsWith('ERR_PARSE_ARGS');
    if (!isOurs) throw error;
    console.error(`Cannot run: ${error.message}`);
    console.error(`What there is: node scripts/${basename(fileURLToPath(url))} --help`);
    process.exit(2);
  }
}

/** The values of the flags, `options` being as of util.parseArgs. */
export function flagsOf(url, options) {
  return orUsage(url, () => parseArgs({ options }).values);
}
