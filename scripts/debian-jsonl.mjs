/**
 * Real rows to try import and export on: the package stanzas that apt keeps on a Debian machine, as JSON Lines.
 * About 64,000 rows of about 700 bytes on Debian 12.
 *
 *   node scripts/debian-jsonl.mjs > packages.jsonl
 *   node scripts/debian-jsonl.mjs | npx nokv import - --workdir ./demo
 *
 * Key: name of the list, '#', ordinal of the stanza in eight digits. Value: the stanza. Rows come in the
 * order of their keys, in the form that `nokv export` writes.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { answerHelp } from './usage.mjs';

answerHelp(import.meta.url);

const LISTS = '/var/lib/apt/lists';
const HELPER = '/usr/lib/apt/apt-helper';
const BATCH_LENGTH = 256 * 1024;

/** Paths of the package lists, sorted by the name that begins their keys. */
function packageLists() {
  let names;
  try {
    names = readdirSync(LISTS);
  } catch {
    names = [];
  }
  const lists = names.filter((name) => /_Packages(\.\w+)?$/.test(name));
  return lists.sort().map((name) => join(LISTS, name));
}

/** Stanzas of a list, decompressed by apt itself. */
async function* stanzasOf(path) {
  const child = spawn(HELPER, ['cat-file', path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.on('close', resolve));
  let stanza = [];
  for await (const line of createInterface({ input: child.stdout, crlfDelay: Infinity })) {
    if (line !== '') stanza.push(line);
    else if (stanza.length > 0) {
      yield stanza.join('\n');
      stanza = [];
    }
  }
  if (stanza.length > 0) yield stanza.join('\n');
  const status = await ended;
  if (status !== 0) throw new Error(`${HELPER} cat-file ${path} ended with status ${status}`);
}

function write(text) {
  return new Promise((resolve) => {
    process.stdout.write(text, resolve);
  });
}

const lists = packageLists();
if (lists.length === 0 || spawnSync(HELPER, ['--version']).error !== undefined) {
  process.stderr.write(
    `There are no package lists of apt in ${LISTS}: this needs a Debian machine after "apt-get update".\n`,
  );
  process.exit(3);
}
process.stdout.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 1));
let rows = 0;
let pending = '';
for (const path of lists) {
  const name = basename(path).replace(/\.\w+$/, '');
  let ordinal = 0;
  for await (const value of stanzasOf(path)) {
    const key = `${name}#${String(ordinal++).padStart(8, '0')}`;
    pending += `${JSON.stringify({ key, value })}\n`;
    rows++;
    if (pending.length < BATCH_LENGTH) continue;
    await write(pending);
    pending = '';
  }
}
await write(pending);
process.stderr.write(`${rows} rows from ${lists.length} lists\n`);
