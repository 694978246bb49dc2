/**
 * Overwrites every row again and again while snapshots are held and other processes follow read-only; then says
 * how much of the disk and of the memory that took. docs/testing.md, "Soak".
 *
 *   node scripts/soak.mjs [--records 1000000] [--rounds 10] [--value-bytes 1000] [--value-log]
 *                         [--followers 2] [--durability os|disk] [--workdir DIR] [--json]
 *
 * Checked: what a snapshot saw stays as it was; a follower never sees a row go back in time or another row's
 * bytes; no process grows beyond its budget; when all is quiet the directory holds at most 1.5 times the live
 * bytes; the last values are all there, also after reopening. Exit status 1 otherwise.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open } from '../dist/index.js';
import { checkRow, keyOf, makeRow, shuffled } from './soak/rows.mjs';
import { flagsOf } from './usage.mjs';

const MIB = 1024 * 1024;
const SPACE_RATIO_MAX = 1.5;
/** What a process may take beside its cache and its memtables: V8, code, I/O buffers, workers. */
const RSS_BESIDE_BYTES = 150 * MIB;
const WRITERS = 16;
const SAMPLE_MS = 100;
const SNAPSHOT_SAMPLES = 2000;

const flags = flagsOf(import.meta.url, {
  records: { type: 'string', default: '1000000' },
  rounds: { type: 'string', default: '10' },
  'value-bytes': { type: 'string', default: '1000' },
  'value-log': { type: 'boolean', default: false },
  followers: { type: 'string', default: '2' },
  durability: { type: 'string', default: 'os' },
  workdir: { type: 'string' },
  json: { type: 'boolean', default: false },
});
const [records, rounds, valueBytes, followerCount] = [
  'records',
  'rounds',
  'value-bytes',
  'followers',
].map((name) => {
  const value = Number(flags[name]);
  if (Number.isInteger(value) && value >= (name === 'followers' ? 0 : 1)) return value;
  console.error(`Cannot run: --${name} is a whole number`);
  process.exit(2);
});
if (valueBytes < 16) {
  console.error('Cannot run: --value-bytes is at least 16');
  process.exit(2);
}

const workdir = flags.workdir ?? mkdtempSync(join(tmpdir(), 'nokv-soak-'));
const options = {
  durability: flags.durability,
  valueThreshold: flags['value-log'] ? 16 : 512 * MIB + 1,
};
const violations = [];
const note = (text) => {
  if (!flags.json) console.log(text);
};

/** Bytes of all files; one that vanished meanwhile counts nothing. */
function directoryBytes(directory) {
  let bytes = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    try {
      bytes += entry.isDirectory() ? directoryBytes(path) : statSync(path).size;
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
  return bytes;
}

/** A process that follows; ends by itself when told to, and then says what it saw. */
function startFollower() {
  const child = fork(join(dirname(fileURLToPath(import.meta.url)), 'soak', 'follower.mjs'), [
    JSON.stringify({ workdir, records, valueBytes }),
  ]);
  const ended = new Promise((resolve) => {
    let report = { violation: 'the follower said nothing' };
    child.on('message', (message) => (report = message));
    child.on('exit', () => resolve(report));
  });
  return {
    stop: () => {
      child.send('stop');
      return ended;
    },
  };
}

/** Overwrites all rows once, in another order each round; WRITERS writes are under way at a time. */
async function overwrite(db, round) {
  const order = shuffled(records, round);
  // One for all writers: a put takes its copy before it returns.
  const row = Buffer.alloc(valueBytes);
  let next = 0;
  const write = async () => {
    while (next < records) {
      const i = order(next++);
      makeRow(row, i, round);
      await db.put(keyOf(i), row);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
}

/** Rows spread over all of them, as `reads` sees them, must be of `round`. */
function checkSamples(db, reads, round, what) {
  const step = Math.max(1, Math.floor(records / SNAPSHOT_SAMPLES));
  for (let i = 0; i < records; i += step) {
    const found = checkRow(db.get(keyOf(i), reads), i, valueBytes);
    if (found !== round) violations.push(`${what}: row ${i} is of round ${found}, not ${round}`);
  }
}

const startedMs = performance.now();
let db = await open(workdir, options);
const rssMax =
  db.options.cacheBytes + db.options.memtableBytes * db.options.memtableCount + RSS_BESIDE_BYTES;
// A follower reads a new log before it lets go of the one that it takes the place of.
const followerRssMax = rssMax + db.options.memtableBytes;
const peak = { rss: 0, disk: 0 };
const sampler = setInterval(() => {
  peak.rss = Math.max(peak.rss, process.memoryUsage.rss());
  peak.disk = Math.max(peak.disk, directoryBytes(workdir));
}, SAMPLE_MS);

await overwrite(db, 0);
const followers = Array.from({ length: followerCount }, startFollower);
for (let round = 1; round <= rounds; round++) {
  const roundMs = performance.now();
  const snapshot = db.snapshot();
  await overwrite(db, round);
  checkSamples(db, { snapshot }, round - 1, 'snapshot');
  checkSamples(db, {}, round, 'now');
  snapshot.close();
  const seconds = (performance.now() - roundMs) / 1000;
  note(
    `round ${round}: ${Math.round(records / seconds)} writes/s, ${Math.round(directoryBytes(workdir) / MIB)} MiB on disk, RSS ${Math.round(process.memoryUsage.rss() / MIB)} MiB`,
  );
}
await db.settle();
const reports = await Promise.all(followers.map((follower) => follower.stop()));
await db.settle();
clearInterval(sampler);
const diskBytes = directoryBytes(workdir);
const liveBytes = records * (keyOf(0).length + valueBytes);
await db.close();
db = await open(workdir, options);
for (let i = 0; i < records; i++) {
  const found = checkRow(db.get(keyOf(i)), i, valueBytes);
  if (found !== rounds)
    violations.push(`after reopening: row ${i} is of round ${found}, not ${rounds}`);
}
await db.close();

for (const { violation } of reports) if (violation !== undefined) violations.push(violation);
const followerRss = Math.max(0, ...reports.map((report) => report.rssPeak ?? 0));
const spaceRatio = diskBytes / liveBytes;
if (spaceRatio > SPACE_RATIO_MAX)
  violations.push(`space: ${spaceRatio.toFixed(2)} of ${SPACE_RATIO_MAX}`);
if (peak.rss > rssMax) violations.push(`memory of the writer: ${peak.rss} of ${rssMax} bytes`);
if (followerRss > followerRssMax)
  violations.push(`memory of a follower: ${followerRss} of ${followerRssMax} bytes`);
const result = {
  ok: violations.length === 0,
  records,
  rounds,
  value_bytes: valueBytes,
  value_log: flags['value-log'],
  seconds: Math.round((performance.now() - startedMs) / 100) / 10,
  live_bytes: liveBytes,
  disk_bytes: diskBytes,
  disk_peak_bytes: peak.disk,
  space_ratio: Math.round(spaceRatio * 1000) / 1000,
  rss_peak_bytes: peak.rss,
  rss_max_bytes: rssMax,
  follower_rss_peak_bytes: followerRss,
  follower_rss_max_bytes: followerRssMax,
  follower_reads: reports.reduce((sum, report) => sum + (report.reads ?? 0), 0),
  follower_refreshes: reports.reduce((sum, report) => sum + (report.refreshes ?? 0), 0),
  violations: violations.slice(0, 20),
};
if (flags.json) console.log(JSON.stringify(result));
else {
  for (const [name, value] of Object.entries(result)) {
    if (name !== 'violations') console.log(`${name.padEnd(24)} ${String(value)}`);
  }
  for (const violation of result.violations) console.log(`VIOLATION ${violation}`);
}
if (result.ok && flags.workdir === undefined) rmSync(workdir, { recursive: true, force: true });
else if (!result.ok) console.error(`kept: ${workdir}`);
process.exitCode = result.ok ? 0 : 1;
