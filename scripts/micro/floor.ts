/**
 * What Node and the system cost below two figures that nokv is compared by: `npx tsx scripts/micro/floor.ts [reads] [sockets]`.
 * Whatever a store does comes on top.
 *
 * reads    A value out of the cache: a copy of it from somewhere in half a gigabyte into memory of its own. A value that is
 *          not cached: one read call into memory of its own, from a file of a gigabyte that the system holds in memory, and
 *          a copy for the cache. Nothing is looked up and nothing verified.
 * sockets  GET by redis-benchmark (50 clients, no pipeline, 100 bytes) of a server that answers whatever comes, over the
 *          network layer of the gateway, and of redis-server, in turns. Both programs must be on the PATH.
 *
 * Medians of rounds. `serve` is that server.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Prng } from '../../src/base/prng.js';
import { NodeNet } from '../../src/env/node-net.js';

const MIB = 1024 * 1024;
const FILE_MIB = 1024;
const CACHE_BYTES = 512 * MIB;
const SLAB_BYTES = 64 * 1024;
const READS = 100_000;
const ROUNDS = 5;
const REQUESTS = 200_000;

const median = (figures: readonly number[]): number =>
  [...figures].sort((a, b) => a - b)[figures.length >> 1] as number;

/** Microseconds of one call of `step`. */
function time(step: () => void): number {
  const rounds: number[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < READS; i++) step();
    if (round >= 0) rounds.push(Number(process.hrtime.bigint() - start) / READS / 1000);
  }
  return median(rounds);
}

function measureReads(): void {
  const directory = mkdtempSync(join(tmpdir(), 'nokv-floor-'));
  const random = new Prng(1);
  const cache = new Uint8Array(CACHE_BYTES).fill(1);
  let slab = new Uint8Array(SLAB_BYTES);
  let used = 0;
  /** Where the next `length` bytes of a value go. */
  const room = (length: number): number => {
    if (used + length > SLAB_BYTES) {
      slab = new Uint8Array(Buffer.allocUnsafeSlow(SLAB_BYTES).buffer);
      used = 0;
    }
    used += length;
    return used - length;
  };
  const anywhere = (bytes: number, length: number): number =>
    Math.floor(random.fraction() * (bytes - length));
  try {
    const path = join(directory, 'values');
    const file = openSync(path, 'w+');
    for (let i = 0; i < FILE_MIB; i++) writeSync(file, cache, 0, MIB, i * MIB);
    for (const length of [1000, 4096]) {
      const cached = time(() => {
        const from = anywhere(CACHE_BYTES, length);
        const to = room(length);
        slab.set(cache.subarray(from, from + length), to);
      });
      const uncached = time(() => {
        const to = room(length);
        readSync(file, slab, to, length, anywhere(FILE_MIB * MIB, length));
        cache.set(slab.subarray(to, to + length), anywhere(CACHE_BYTES, length));
      });
      const half = 1000 / ((cached + uncached) / 2);
      console.log(
        `${length} bytes   cached ${cached.toFixed(2)} us   not cached ${uncached.toFixed(2)} us   half of each ${half.toFixed(0)} k/s`,
      );
    }
    closeSync(file);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function serve(): Promise<void> {
  const reply = Buffer.from(`$100\r\n${'x'.repeat(100)}\r\n`);
  const nothing = (): void => undefined;
  const listener = await new NodeNet().listen(
    { host: '127.0.0.1', port: 0 },
    undefined,
    (connection) => ({
      onData: () => void connection.write(reply),
      onDrain: nothing,
      onEnd: () => connection.end(),
      onClose: nothing,
    }),
  );
  console.log(listener.port);
}

/** Thousand requests a second. */
function benchmark(port: number): number {
  const args = [
    '-p',
    `${port}`,
    '-c',
    '50',
    '-n',
    `${REQUESTS}`,
    '-d',
    '100',
    '-t',
    'get',
    '--csv',
  ];
  const { stdout } = spawnSync('redis-benchmark', args, { encoding: 'utf8' });
  const cells = stdout.trim().split('\n').at(-1)?.split(',') ?? [];
  return Number(cells[1]?.replaceAll('"', '')) / 1000;
}

async function measureSockets(): Promise<void> {
  if (spawnSync('redis-server', ['--version']).status !== 0) {
    console.log('sockets: left out, redis-server and redis-benchmark are not on the PATH');
    return;
  }
  const self = fileURLToPath(import.meta.url);
  const bare = spawn(process.execPath, ['--import', 'tsx', self, 'serve'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const barePort = await new Promise<number>((resolve) => {
    bare.stdout.once('data', (port: Buffer) => resolve(Number(port.toString())));
  });
  const redisPort = barePort === 7999 ? 7998 : 7999;
  const redis = spawn(
    'redis-server',
    ['--port', `${redisPort}`, '--save', '', '--appendonly', 'no'],
    { stdio: 'ignore' },
  );
  try {
    const seed = ['-p', `${redisPort}`, '-n', '1', '-d', '100', '-t', 'set', '-q'];
    while (spawnSync('redis-benchmark', seed).status !== 0) {
      if (redis.exitCode !== null)
        throw new Error(`redis-server ended: is port ${redisPort} taken?`);
      await new Promise(setImmediate);
    }
    const rounds: { bare: number; redis: number }[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      rounds.push({ bare: benchmark(barePort), redis: benchmark(redisPort) });
    }
    const ratio = median(rounds.map((round) => round.bare / round.redis));
    console.log(
      `sockets   Node ${median(rounds.map((round) => round.bare)).toFixed(0)} k/s   ` +
        `Redis ${median(rounds.map((round) => round.redis)).toFixed(0)} k/s   ratio ${ratio.toFixed(2)}`,
    );
  } finally {
    bare.kill();
    redis.kill();
  }
}

const wanted = process.argv.slice(2);
if (wanted.includes('serve')) {
  await serve();
} else {
  if (wanted.length === 0 || wanted.includes('reads')) measureReads();
  if (wanted.length === 0 || wanted.includes('sockets')) await measureSockets();
}
