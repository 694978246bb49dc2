/** `nokv redis` with real clients, connecting as their users do. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Redis as IoRedis } from 'ioredis';
import { createClient } from 'redis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RedisProcess, temporaryDirectory, TLS_CERT, TLS_KEY } from './redis-process.js';
import { nokv } from './spawn.js';

interface IoOptions {
  readonly port?: number;
  readonly path?: string;
  readonly password?: string;
  readonly tls?: {
    readonly ca: Buffer;
    readonly servername: string;
    readonly cert?: Buffer;
    readonly key?: Buffer;
  };
  readonly enableReadyCheck?: boolean;
}

function ioredis(options: IoOptions): IoRedis {
  const client = new IoRedis({ ...options, retryStrategy: null });
  // What a test does not expect fails its commands.
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  return client;
}

async function nodeRedis(options: Parameters<typeof createClient>[0]) {
  const client = createClient(options);
  client.on('error', () => undefined);
  await client.connect();
  onTestFinished(() => {
    if (client.isOpen) client.destroy();
  });
  return client;
}

/** Sends bytes, and gives what comes back until the server closes. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('end', () => resolve(text));
    socket.on('error', reject);
  });
}

describe('clients with their default settings', () => {
  it('ioredis: strings, pipelines, transactions, expiry, bytes', async () => {
    const server = await RedisProcess.start(temporaryDirectory());
    const client = ioredis({ port: server.port });
    expect(await client.set('hello', 'world')).toBe('OK');
    expect(await client.get('hello')).toBe('world');
    const key = Buffer.from([0, 1, 255, 13, 10, 128]);
    const value = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    await client.set(key, value);
    expect(await client.getBuffer(key)).toEqual(value);

    const pipeline = client.pipeline();
    for (let i = 0; i < 500; i++) pipeline.incr('counter');
    const answers = await pipeline.exec();
    expect(answers?.map(([, answer]) => answer)).toEqual(
      Array.from({ length: 500 }, (_, i) => i + 1),
    );

    expect(await client.multi().set('a', '1').incr('a').get('a').exec()).toEqual([
      [null, 'OK'],
      [null, 2],
      [null, '2'],
    ]);
    await client.watch('a');
    await client.set('a', 'other');
    expect(await client.multi().set('a', 'mine').exec()).toBeNull();

    await client.set('gone', 'x', 'PX', 60_000);
    expect(await client.pttl('gone')).toBeGreaterThan(50_000);
    expect(await client.exists('hello', 'gone', 'never')).toBe(2);
    await expect(client.incr('hello')).rejects.toThrow(
      'ERR value is not an integer or out of range',
    );
  });

  it('node-redis: the same in RESP3', async () => {
    const server = await RedisProcess.start(temporaryDirectory());
    const client = await nodeRedis({ socket: { port: server.port } });
    expect(await client.set('hello', 'world', { EX: 100 })).toBe('OK');
    expect(await client.get('hello')).toBe('world');
    expect(await client.get('nothing')).toBeNull();
    const answers = await Promise.all(Array.from({ length: 200 }, () => client.incr('counter')));
    expect(answers).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    expect(await client.multi().set('a', '1').incr('a').get('a').exec()).toEqual(['OK', 2, '2']);
    expect(await client.mGet(['hello', 'nothing'])).toEqual(['world', null]);
    expect(await client.configGet('appendfsync')).toEqual({ appendfsync: 'everysec' });
    const keys: string[] = [];
    for await (const some of client.scanIterator()) keys.push(...some);
    expect(keys.sort()).toEqual(['a', 'counter', 'hello']);
    expect(await client.info('server')).toContain('redis_mode:standalone');
  });

  it('both over TLS', async () => {
    const args = ['--tls-port', '0', '--tls-cert', TLS_CERT, '--tls-key', TLS_KEY];
    const server = await RedisProcess.start(temporaryDirectory(), args);
    const port = server.ready.tls_port;
    const ca = readFileSync(TLS_CERT);
    const first = ioredis({ port, tls: { ca, servername: 'localhost' } });
    expect(await first.set('k', Buffer.alloc(1_000_000, 'v'))).toBe('OK');
    const second = await nodeRedis({ socket: { port, host: 'localhost', tls: true, ca } });
    expect(await second.strLen('k')).toBe(1_000_000);
    expect((await second.get('k'))?.length).toBe(1_000_000);
  });

  it('both over a Unix socket, also when a killed server left it behind', async () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'nokv.sock');
    const workdir = join(directory, 'data');
    const killed = await RedisProcess.start(workdir, ['--unix-socket', path]);
    expect(await ioredis({ path }).set('k', 'v')).toBe('OK');
    killed.signal('SIGKILL');
    await killed.ended();
    const server = await RedisProcess.start(workdir, ['--unix-socket', path]);
    expect(server.ready.keys).toBe(1);
    expect(await ioredis({ path }).get('k')).toBe('v');
    const client = await nodeRedis({ socket: { path, tls: false } });
    expect(await client.get('k')).toBe('v');
  });

  it('both with a password', async () => {
    const server = await RedisProcess.start(temporaryDirectory(), [], {
      NOKV_REDIS_PASSWORD: 'secret',
    });
    const first = ioredis({ port: server.port, password: 'secret' });
    expect(await first.set('k', 'v')).toBe('OK');
    const second = await nodeRedis({ socket: { port: server.port }, password: 'secret' });
    expect(await second.get('k')).toBe('v');
    const stranger = ioredis({ port: server.port, enableReadyCheck: false });
    await expect(stranger.get('k')).rejects.toThrow('NOAUTH');
  });
});

describe('nokv redis', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('ends in order at %s', async (signal) => {
    const workdir = temporaryDirectory();
    const server = await RedisProcess.start(workdir);
    const client = ioredis({ port: server.port });
    await client.set('k', 'v');
    server.signal(signal);
    const { status, end } = await server.ended();
    expect(status).toBe(0);
    expect(end).toMatchObject({ end: true });
    const again = await RedisProcess.start(workdir);
    expect(await ioredis({ port: again.port }).get('k')).toBe('v');
  });

  it('ends at SHUTDOWN', async () => {
    const server = await RedisProcess.start(temporaryDirectory());
    await exchange(server.port, 'SET a 1\r\nSHUTDOWN\r\n');
    expect(await server.ended()).toMatchObject({ status: 0 });
  });

  it('answers what it has received before it ends', async () => {
    const server = await RedisProcess.start(temporaryDirectory(), ['--appendfsync', 'always']);
    const client = ioredis({ port: server.port });
    await client.ping();
    const answers = Array.from({ length: 100 }, (_, i) => client.set(`k${i}`, 'v'));
    await answers[0];
    server.signal('SIGTERM');
    expect((await Promise.all(answers)).every((answer) => answer === 'OK')).toBe(true);
    expect(await server.ended()).toMatchObject({ status: 0 });
  });

  it('loses nothing that was answered when it is killed', async () => {
    const workdir = temporaryDirectory();
    const server = await RedisProcess.start(workdir);
    const client = ioredis({ port: server.port });
    const pipeline = client.pipeline();
    for (let i = 0; i < 1000; i++) pipeline.set(`k${i}`, `v${i}`);
    await pipeline.exec();
    server.signal('SIGKILL');
    await server.ended();
    const again = await RedisProcess.start(workdir);
    expect(again.ready.keys).toBe(1000);
    expect(await ioredis({ port: again.port }).get('k999')).toBe('v999');
  });

  it('refuses a workdir that another one holds, and names it', async () => {
    const workdir = temporaryDirectory();
    await RedisProcess.start(workdir);
    const run = nokv(['redis', '--workdir', workdir, '--addr', '127.0.0.1:0']);
    expect(run.status).toBe(5);
    expect(run.stderr).toMatch(/held by pid \d+/);
  });

  it('says that an address is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      other.close();
    });
    const address = other.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const workdir = join(temporaryDirectory(), 'data');
    const run = nokv(['redis', '--workdir', workdir, '--addr', `127.0.0.1:${port}`]);
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(/Cannot listen 127\.0\.0\.1:\d+: EADDRINUSE.*\n.*Another process/);
    const figures = ['--addr', '127.0.0.1:0', '--metrics-addr', `127.0.0.1:${port}`];
    expect(nokv(['redis', '--workdir', workdir, ...figures]).status).toBe(1);
    expect(existsSync(workdir), 'a workdir is left behind').toBe(false);
  });

  it.each([
    ['half of TLS', ['--tls-port', '0'], 2, /Give --tls-port, --tls-cert and --tls-key together/],
    [
      'a missing file',
      ['--tls-port', '0', '--tls-cert', '/no', '--tls-key', TLS_KEY],
      3,
      /no \/no/,
    ],
    ['a bad file', ['--tls-port', '0', '--tls-cert', TLS_KEY, '--tls-key', TLS_KEY], 2, /is bad/],
    ['an authority without TLS', ['--tls-ca', TLS_CERT], 2, /for --tls-ca too/],
    ['a bad address', ['--metrics-addr', 'nowhere'], 2, /write it like 127\.0\.0\.1:6380/],
  ])('refuses %s', (_name, args, status, message) => {
    const run = nokv([
      'redis',
      '--workdir',
      temporaryDirectory(),
      '--addr',
      '127.0.0.1:0',
      ...args,
    ]);
    expect(run.stderr).toMatch(message);
    expect(run.status).toBe(status);
  });

  it('asks clients for a certificate with --tls-ca', async () => {
    const files = ['--tls-cert', TLS_CERT, '--tls-key', TLS_KEY, '--tls-ca', TLS_CERT];
    const server = await RedisProcess.start(temporaryDirectory(), ['--tls-port', '0', ...files]);
    const port = server.ready.tls_port;
    const ca = readFileSync(TLS_CERT);
    const known = ioredis({
      port,
      tls: { ca, servername: 'localhost', cert: ca, key: readFileSync(TLS_KEY) },
    });
    expect(await known.ping()).toBe('PONG');
    await expect(ioredis({ port, tls: { ca, servername: 'localhost' } }).ping()).rejects.toThrow();
  });

  it('refuses a limit on writes of one key, which would meet other clients', () => {
    const directory = temporaryDirectory();
    const file = join(directory, 'nokv.toml');
    writeFileSync(file, 'hot_key_write_limit = 100\n');
    const workdir = join(directory, 'data');
    const run = nokv(['redis', '--workdir', workdir, '--addr', '127.0.0.1:0', '--options', file]);
    expect(run.status).toBe(2);
    expect(run.stderr).toContain('Cannot serve with hotKeyWriteLimit [NOKV_INVALID]');
    expect(existsSync(workdir)).toBe(false);
  });

  it('refuses to serve when there is nothing to listen on', () => {
    const run = nokv(['redis', '--workdir', temporaryDirectory(), '--addr', 'none']);
    expect(run).toMatchObject({ status: 2, stdout: '' });
    expect(run.stderr).toContain('there is nothing to listen on');
  });

  it('shows its figures at the metrics address', async () => {
    const args = ['--metrics-addr', '127.0.0.1:0'];
    const server = await RedisProcess.start(temporaryDirectory(), args);
    await exchange(server.port, 'SET a 1\r\nGET a\r\nNOPE\r\nQUIT\r\n');
    const url = server.ready.metrics ?? '';
    const run = nokv(['stats', '--expvar', url]);
    expect(run.stdout).toContain('Redis.Gateway commands=3 errors=1 active_conn=0 accepted_conn=1');
    const prometheus = await (await fetch(`${url}/metrics`)).text();
    expect(prometheus).toContain('# TYPE nokv_redis_commands_total counter\n');
    expect(prometheus).toContain('nokv_redis_commands_per_operation_get 1\n');
  });

  it('compat lists every command of Redis 7 with a reason where one is missing', () => {
    const run = nokv(['redis', 'compat', '--json']);
    const { data } = JSON.parse(run.stdout) as {
      data: { commands: { name: string; support: string; note: string }[] };
    };
    expect(data.commands.length).toBe(240);
    expect(data.commands.find(({ name }) => name === 'get')?.support).toBe('yes');
    for (const { support, note } of data.commands) expect(note === '').toBe(support === 'yes');
  });
});
