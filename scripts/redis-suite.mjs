/**
 * Runs Redis' own test suite against `nokv redis`, in its external mode, on a fresh workdir, and says whether
 * everything passes that must. docs/redis-storage.md, "Tests".
 *
 *   npm run test:redis-suite -- --suite DIR [--unit NAME ...] [--appendfsync always|everysec|no] [--all] [--keep]
 *
 *   --suite        the sources of Redis 7.0.15 (also REDIS_SUITE); below is said how to get them
 *   --unit         other units than those that must pass; no list is compared then
 *   --all          skips nothing
 *   --keep         keeps the workdir
 *
 * test/gateway/redis-suite-names.tsv lists what must pass, redis-suite-skips.txt what is left out and why. Exit status 1
 * when a test fails, or one that must pass was not run.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { flagsOf } from './usage.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const NAMES = join(root, 'test', 'gateway', 'redis-suite-names.tsv');
const SKIPS = join(root, 'test', 'gateway', 'redis-suite-skips.txt');

const UNITS = [
  ...['unit/type/string', 'unit/type/incr', 'unit/expire', 'unit/keyspace', 'unit/scan'],
  ...['unit/protocol', 'unit/quit', 'unit/other', 'unit/bitops', 'unit/bitfield', 'unit/multi'],
];

const HOW_TO_GET = `The suite is in the sources of Redis 7.0.15, and needs tclsh (Debian: apt-get install tcl). Either of:
  apt-get source redis              Debian 12 with deb-src: with the tests of its security fixes, as the list wants them
  https://download.redis.io/releases/redis-7.0.15.tar.gz
Then: npm run test:redis-suite -- --suite DIR`;

const values = flagsOf(import.meta.url, {
  suite: { type: 'string', default: process.env['REDIS_SUITE'] ?? '' },
  unit: { type: 'string', multiple: true },
  appendfsync: { type: 'string', default: 'everysec' },
  all: { type: 'boolean', default: false },
  keep: { type: 'boolean', default: false },
});

/** Lines that are neither empty nor comments. */
const linesOf = (file) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

/** Resolves with the server and its port when it answers. */
async function startServer(workdir) {
  const args = ['redis', '--workdir', workdir, '--addr', '127.0.0.1:0', '--json'];
  args.push('--appendfsync', values.appendfsync);
  const stdio = ['ignore', 'pipe', 'inherit'];
  const server = spawn(process.execPath, [join(root, 'bin', 'run.js'), ...args], { stdio });
  for await (const line of createInterface({ input: server.stdout })) {
    const port = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (port !== undefined) return { server, port };
  }
  throw new Error('nokv redis did not start');
}

async function stopServer(server) {
  if (server.exitCode !== null) throw new Error(`nokv redis ended with status ${server.exitCode}`);
  const ended = once(server, 'exit');
  server.kill('SIGTERM');
  const [status] = await ended;
  return status;
}

/** Runs the suite; what became of every test, by `unit<TAB>name`. */
async function runSuite(suite, port, skipFile, units) {
  const flags = ['--singledb', '--durable', '--ignore-encoding', '--ignore-digest', '--no-latency'];
  const args = ['--host', '127.0.0.1', '--port', port, ...flags];
  if (!values.all) args.push('--skipfile', skipFile);
  for (const unit of units) args.push('--single', unit);
  const tests = spawn('./runtest', args, { cwd: suite, stdio: ['ignore', 'pipe', 'inherit'] });
  const outcomes = { ok: [], err: [], skip: [], ignore: [] };
  let unit = '';
  let isInError = false;
  for await (const coloured of createInterface({ input: tests.stdout })) {
    const line = coloured.replace(/\x1b\[[\d;]*m/g, '');
    unit = /^Testing (\S+)/.exec(line)?.[1] ?? unit;
    const [, outcome, text] = /^\[(ok|err|skip|ignore|exception)\]: (.*)$/.exec(line) ?? [];
    if (outcome !== undefined) {
      isInError = outcome === 'err' || outcome === 'exception';
      const name = text.replace(/ \(\d+ ms\)$/, '');
      outcomes[outcome === 'exception' ? 'err' : outcome].push(`${unit}\t${name}`);
    } else if (/^(Testing|\[)/.test(line)) isInError = false;
    if (isInError) console.log(line);
  }
  if (tests.exitCode === null) await once(tests, 'exit');
  return outcomes;
}

/** Those of `wanted` that are not in `had`, each as often as it is missing. */
function missingOf(wanted, had) {
  const counts = new Map();
  for (const name of had) counts.set(name, (counts.get(name) ?? 0) + 1);
  return wanted.filter((name) => {
    const count = counts.get(name) ?? 0;
    counts.set(name, count - 1);
    return count <= 0;
  });
}

async function main() {
  const suite = resolve(values.suite);
  if (values.suite === '' || !existsSync(join(suite, 'runtest'))) {
    console.error(HOW_TO_GET);
    return 2;
  }
  if (spawnSync('npm', ['run', '-s', 'build'], { cwd: root, stdio: 'inherit' }).status !== 0)
    return 2;
  const workdir = mkdtempSync(join(tmpdir(), 'nokv-redis-suite-'));
  const skipFile = `${workdir}.skips`;
  writeFileSync(skipFile, `${linesOf(SKIPS).join('\n')}\n`);
  const { server, port } = await startServer(workdir);
  let outcomes;
  let status;
  try {
    outcomes = await runSuite(suite, port, skipFile, values.unit ?? UNITS);
  } finally {
    status = await stopServer(server);
    rmSync(skipFile, { force: true });
    if (!values.keep) rmSync(workdir, { recursive: true, force: true });
  }
  const { ok, err, skip, ignore } = outcomes;
  const must = values.unit === undefined ? linesOf(NAMES) : [];
  const missing = missingOf(must, ok);
  console.log(
    `${ok.length} passed, ${err.length} failed, ${skip.length} skipped, ${ignore.length} not for external servers`,
  );
  if (must.length > 0)
    console.log(`${must.length - missing.length} of the ${must.length} that must pass have passed`);
  for (const name of missing) console.log(`missing: ${name.replace('\t', ': ')}`);
  if (status !== 0) console.log(`nokv redis ended with status ${status}`);
  if (values.keep) console.log(`workdir: ${workdir}`);
  return err.length > 0 || missing.length > 0 || status !== 0 ? 1 : 0;
}

process.exitCode = await main();
