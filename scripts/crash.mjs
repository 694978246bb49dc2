/**
 * Kills a writing process with SIGKILL, again and again, and checks after each kill that every acknowledged
 * write is there, that no batch is torn and that nothing else appears. docs/testing.md, "Kills".
 *
 *   node scripts/crash.mjs [--cycles 200] [--seed S] [--durability os|disk] [--wal-mib N] [--workdir DIR]
 *                          [--json]
 *   node scripts/crash.mjs --workload bank [--cycles 200] [--seed S] [--durability os|disk] [--workdir DIR] [--json]
 *
 * Half of the kills come at any moment; the others are steered into the phase that was hit least, so
 * that each gets its share. With the bank, transactions are what is killed (crash/bank.mjs). Exit status 1 on a violation: the directory is kept and named.
 */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { rollOptions } from './crash/options.mjs';
import { randomFrom } from './crash/program.mjs';
import { flagsOf } from './usage.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bundle = join(root, 'dist', 'crash');

const PHASES = ['open', 'flush', 'compaction', 'gc', 'rewrite', 'rotation', 'close'];
/** Phases that must each be hit by at least this share of the kills. */
const MUST_HIT = ['flush', 'compaction', 'gc', 'rewrite', 'rotation'];
const SHARE_MIN = 0.02;
/** Fewer kills than this say nothing about shares. */
const SHARE_KILLS_MIN = 50;
/** A life ends at the latest after this, milliseconds: when the phase it was to end in does not come. */
const LIFE_MS = 250;
const LIFE_HELD_MS = 1000;
/** The workdir is thrown away after so many kills. */
const KILLS_PER_WORKDIR = 100;
/** What every generation of the program gets: numbers must differ over the life of a workdir. */
const RUN_ON_OFFSET = 1_000_000;

const flags = flagsOf(import.meta.url, {
  workload: { type: 'string', default: 'writes' },
  cycles: { type: 'string', default: '200' },
  seed: { type: 'string', default: '1' },
  durability: { type: 'string', default: 'os' },
  'wal-mib': { type: 'string', default: '0' },
  workdir: { type: 'string' },
  json: { type: 'boolean', default: false },
});

const cycles = Number(flags.cycles);
const seed = Number(flags.seed);
const walBytes = Number(flags['wal-mib']) * 1024 * 1024;
if (!Number.isInteger(cycles) || cycles < 1 || !Number.isInteger(seed) || !(walBytes >= 0)) {
  console.error('Cannot run: --cycles, --seed and --wal-mib are numbers');
  process.exit(2);
}
if (flags.workload !== 'writes' && flags.workload !== 'bank') {
  console.error('Cannot run: --workload is writes or bank');
  process.exit(2);
}
if (!existsSync(join(root, 'dist', 'index.js'))) {
  console.error('Cannot run: there is no build; run npm run build');
  process.exit(2);
}
const { Checker } = await import('./crash/checker.mjs');

/** One file for each writer and one for their workers: loading a hundred modules would take longer than its life. */
await build({
  entryPoints: {
    writer: join(root, 'scripts', 'crash', 'writer.mjs'),
    'bank-writer': join(root, 'scripts', 'crash', 'bank-writer.mjs'),
    'worker-entry': join(root, 'dist', 'env', 'worker-entry.js'),
  },
  outdir: bundle,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: ['fs-native-extensions', 'lz4-napi'],
  logLevel: 'warning',
});

if (flags.workload === 'bank') {
  const { printBank, runBank } = await import('./crash/bank.mjs');
  const { durability, workdir } = flags;
  const writer = join(bundle, 'bank-writer.mjs');
  const result = await runBank({ cycles, seed, durability, workdir, writer });
  if (flags.json) console.log(JSON.stringify(result));
  else printBank(result);
  process.exit(result.ok ? 0 : 1);
}

/** Where this life is to end: at any moment, or in the phase that was hit least. */
function aim(random, hits) {
  if (walBytes > 0) return { phase: 'any', afterMs: 1 };
  if (random.below(2) === 0)
    return { phase: 'any', afterMs: random.below(random.below(2) === 0 ? 20 : 120) };
  const least = [...PHASES].sort((a, b) => hits[a] - hits[b] || a.localeCompare(b));
  const phase = least[random.below(2)];
  return {
    phase,
    afterMs: random.below(30) / 10,
    occurrence: random.below(2),
    step: random.below(14),
  };
}

/** Phases whose file operations the writer can be held between; the others run in workers. */
const HOLDABLE = new Set(['open', 'rewrite', 'rotation', 'close']);

/** One life of the writer. Resolves with what is known when it is dead. */
function live(workdir, generation, options, target) {
  const isHeld = HOLDABLE.has(target.phase);
  const later =
    target.phase === 'rewrite' || target.phase === 'rotation' ? 14 * target.occurrence : 0;
  const holdAt = isHeld ? { phase: target.phase, step: target.step + later } : null;
  const closeAfter = target.phase === 'close' ? 200 + 500 * target.occurrence : 0;
  const given = { workdir, seed, generation, options, holdAt, closeAfter, walBytes };
  const child = spawn(process.execPath, [join(bundle, 'writer.mjs'), JSON.stringify(given)], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  const life = {
    acknowledged: 0,
    active: new Set(),
    isOpen: false,
    isClosed: false,
    isHeld: false,
    errors: [],
  };
  let timer;
  const kill = () => child.kill('SIGKILL');
  const killAfter = (ms) => {
    clearTimeout(timer);
    if (ms < 1) kill();
    else timer = setTimeout(kill, ms);
  };
  let occurrence = 0;
  const onLine = (line) => {
    const text = line.slice(2);
    switch (line[0]) {
      case 'A':
        life.acknowledged = Number(text);
        break;
      case 'B':
        life.active.add(text);
        if (text === target.phase && !isHeld && occurrence++ === target.occurrence)
          killAfter(target.afterMs);
        break;
      case 'E':
        life.active.delete(text);
        break;
      case 'O':
        life.isOpen = true;
        if (walBytes === 0)
          killAfter(target.phase === 'any' ? target.afterMs : isHeld ? LIFE_HELD_MS : LIFE_MS);
        break;
      case 'H':
      case 'W':
        life.isHeld = true;
        kill();
        break;
      case 'C':
        life.isClosed = true;
        break;
      default:
        life.errors.push(text);
    }
  };
  if (target.phase === 'any' && target.afterMs === 0)
    timer = setTimeout(kill, 30 + (generation % 40));
  return new Promise((resolve) => {
    let rest = '';
    child.stdio[3].setEncoding('utf8').on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) onLine(line);
    });
    child.stderr.setEncoding('utf8').on('data', (text) => life.errors.push(text));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (signal !== 'SIGKILL' && !(code === 0 && life.isClosed)) {
        life.errors.push(`the writer ended by itself: code ${code}, signal ${signal}`);
      }
      resolve({ ...life, wasKilled: signal === 'SIGKILL' });
    });
  });
}

const base = flags.workdir ?? mkdtempSync(join(tmpdir(), 'nokv-crash-'));
mkdirSync(base, { recursive: true });
const hits = Object.fromEntries(PHASES.map((phase) => [phase, 0]));
const openMs = [];
const totals = {
  kills: 0,
  acknowledged: 0,
  recovered: 0,
  tornBytes: 0,
  orphans: 0,
  beyond: 0,
  idle: 0,
};
const startedMs = performance.now();
let workdir = '';
let model = [];
let lives = 0;
let where = '';

async function cycle(i) {
  const random = randomFrom(seed, i);
  if (workdir === '' || totals.kills % KILLS_PER_WORKDIR === KILLS_PER_WORKDIR - 1) {
    if (workdir !== '') rmSync(workdir, { recursive: true, force: true });
    workdir = join(base, `w${i}`);
    rmSync(workdir, { recursive: true, force: true });
    model = [];
  }
  const options = rollOptions(random, flags.durability, walBytes);
  const target = aim(random, hits);
  where = `cycle ${i}, target ${JSON.stringify(target)}, options ${JSON.stringify(options)}`;
  const life = await live(workdir, i, options, target);
  lives++;
  if (life.errors.length > 0) throw new Error(`the writer reports: ${life.errors.join(' | ')}`);
  if (life.wasKilled) totals.kills++;
  if (life.active.size === 0) totals.idle++;
  for (const phase of life.active) hits[phase]++;
  totals.acknowledged += life.acknowledged;
  // Checking a copy leaves the crashed directory to the next life: a crash of a recovery of a crash.
  const isCopy = random.below(2) === 0;
  const checked = isCopy ? `${workdir}.copy` : workdir;
  if (isCopy && existsSync(workdir)) cpSync(workdir, checked, { recursive: true });
  where += `, ${isCopy ? 'copy' : 'in place'}, acknowledged ${life.acknowledged}, active ${[...life.active]}`;
  const current = { seed, generation: i, acknowledged: life.acknowledged };
  const runOn = isCopy ? undefined : RUN_ON_OFFSET + i;
  const next = await checker.check(
    checked,
    rollOptions(random, flags.durability, walBytes),
    model,
    current,
    runOn,
  );
  if (isCopy) rmSync(checked, { recursive: true, force: true });
  else checkFiles(workdir);
  openMs.push(next.openMs);
  totals.recovered += next.recovery.walEntries;
  totals.tornBytes += next.recovery.walTornBytes;
  totals.orphans += next.recovery.orphansRemoved;
  totals.beyond += next.k - life.acknowledged;
}

/** After a clean close there is one manifest and nothing that a crash left behind. */
function checkFiles(directory) {
  const names = readdirSync(directory);
  const manifests = names.filter((name) => name.startsWith('MANIFEST-'));
  const odd = names.filter(
    (name) => !/^(CURRENT|LOCK|vlog|MANIFEST-\d+|\d+\.(wal|sst))$/.test(name),
  );
  if (manifests.length !== 1) throw new Error(`${manifests.length} manifests after a clean close`);
  if (odd.length > 0) throw new Error(`left behind after a clean close: ${odd.join(' ')}`);
}

function percentile(sorted, share) {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return Math.round(value * 10) / 10;
}

function summary(failure) {
  const sorted = [...openMs].sort((a, b) => a - b);
  const kills = Math.max(1, totals.kills);
  const shares = Object.fromEntries(
    PHASES.map((phase) => [phase, Math.round((hits[phase] / kills) * 1000) / 1000]),
  );
  const isJudged = totals.kills >= SHARE_KILLS_MIN && walBytes === 0;
  const missed = isJudged ? MUST_HIT.filter((phase) => hits[phase] / kills < SHARE_MIN) : [];
  return {
    ok: failure === undefined && missed.length === 0,
    seed,
    durability: flags.durability,
    cycles: lives,
    ...totals,
    cycle_ms: Math.round((performance.now() - startedMs) / Math.max(1, lives)),
    reopen_ms: {
      p50: percentile(sorted, 0.5),
      p99: percentile(sorted, 0.99),
      max: percentile(sorted, 1),
    },
    hits,
    shares,
    missed_phases: missed,
    violation: failure === undefined ? null : String(failure?.stack ?? failure),
    where: failure === undefined ? null : where,
    workdir: failure === undefined ? null : workdir,
  };
}

function print(result) {
  if (flags.json) {
    console.log(JSON.stringify(result));
    return;
  }
  const { reopen_ms: reopen } = result;
  console.log(
    `${result.kills} kills in ${result.cycles} cycles of ${result.cycle_ms} ms, durability ${result.durability}, seed ${seed}`,
  );
  console.log(
    `acknowledged ${result.acknowledged}, found beyond ${result.beyond}, replayed ${result.recovered} entries, torn ${result.tornBytes} bytes, orphans ${result.orphans}`,
  );
  console.log(`reopen p50 ${reopen.p50} ms, p99 ${reopen.p99} ms, max ${reopen.max} ms`);
  console.log(
    `kills by phase: ${PHASES.map((phase) => `${phase} ${hits[phase]} (${(result.shares[phase] * 100).toFixed(1)} %)`).join(', ')}, none ${result.idle}`,
  );
  if (result.missed_phases.length > 0)
    console.log(`too few kills in: ${result.missed_phases.join(', ')}`);
  if (result.violation !== null) {
    console.log(`VIOLATION: ${result.violation}`);
    console.log(`at ${result.where}`);
    console.log(`kept: ${result.workdir} (and what lies beside it)`);
  }
}

const checker = new Checker();
let failure;
try {
  for (let i = 1; i <= cycles; i++) await cycle(i);
} catch (error) {
  failure = error;
}
const result = summary(failure);
print(result);
if (failure === undefined) {
  rmSync(workdir, { recursive: true, force: true });
  if (flags.workdir === undefined) rmSync(base, { recursive: true, force: true });
}
await checker.close();
process.exitCode = result.ok ? 0 : 1;
