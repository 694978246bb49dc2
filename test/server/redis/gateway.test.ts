/** The gateway on an embedded database with all its commands, on a simulated machine. */
import { describe, expect, it } from 'vitest';
import { MemNet, type MemClient } from '../../../src/env/mem-net.js';
import { DATA_COMMANDS } from '../../../src/gateway/commands/data-commands.js';
import { GatewayConfig } from '../../../src/gateway/config.js';
import { Gateway } from '../../../src/gateway/gateway.js';
import { FACTS } from '../../gateway/gateway-fixture.js';
import { killAndServe, serve, type Served } from './backend-fixture.js';

interface Connected {
  readonly gateway: Gateway;
  readonly client: MemClient;
}

async function connected({ env, backend }: Served): Promise<Connected> {
  const { clock, random, log } = env;
  const gateway = new Gateway({
    backend,
    commands: DATA_COMMANDS,
    clock,
    random,
    log,
    config: new GatewayConfig(),
    facts: FACTS,
    onShutdown: () => undefined,
  });
  const net = new MemNet();
  await net.listen({ path: '/socket' }, undefined, (connection) => gateway.accept(connection));
  return { gateway, client: net.connect('/socket') };
}

/** Sends lines, and waits until so many lines have come back. */
async function ask(served: Served, client: MemClient, count: number, ...lines: string[]) {
  client.send(lines.map((line) => `${line}\r\n`).join(''));
  let text = '';
  while (text.split('\r\n').length <= count) {
    await served.env.clock.nextTurn();
    text += client.takeReceived().toString('latin1');
  }
  return text;
}

describe('a gateway on an embedded database', () => {
  it('keeps reads going on a full disk, and writes again when there is room', async () => {
    const served = await serve();
    const { client } = await connected(served);
    expect(await ask(served, client, 1, 'SET a 1')).toBe('+OK\r\n');
    served.env.fs.setCapacity(served.env.fs.usedBytes);
    expect(await ask(served, client, 3, `SET b ${'x'.repeat(5000)}`, 'GET a')).toMatch(
      /^-MISCONF Cannot persist writes: .*\[NOKV_NO_SPACE\].*\r\n\$1\r\n1\r\n$/,
    );
    const status = async (): Promise<string | undefined> =>
      /aof_last_write_status:(\w+)/.exec(await ask(served, client, 13, 'INFO persistence'))?.[1];
    expect(await status()).toBe('err');
    served.env.fs.setCapacity(undefined);
    expect(await ask(served, client, 2, 'SET b 2', 'DBSIZE')).toBe('+OK\r\n:2\r\n');
    expect(await status()).toBe('ok');
  });

  it('tells how many keys there are on a full disk, also when some have expired', async () => {
    const served = await serve();
    const { env } = served;
    const { client, gateway } = await connected(served);
    await ask(served, client, 1, 'MSET a 1 b 2 c 3');
    await ask(served, client, 3, 'SET x 1 PX 1000', 'SET y 1 PX 1000', 'SET z 1 PX 9000');
    expect(await ask(served, client, 1, 'DBSIZE')).toBe(':6\r\n');
    env.fs.setCapacity(env.fs.usedBytes);
    while ((await ask(served, client, 1, 'SET a 1')) === '+OK\r\n') continue;
    env.clock.advance(1000);
    expect(await ask(served, client, 1, 'DBSIZE')).toBe(':4\r\n');
    // Expired keys are being counted out, in vain.
    gateway.start();
    await env.clock.run(1000);
    client.send('DBSIZE\r\nINFO keyspace\r\nRANDOMKEY\r\nSCAN 0\r\n');
    await env.clock.run(100);
    const text = client.takeReceived().toString('latin1');
    expect(text).toMatch(/^:4\r\n/);
    expect(text).toContain('db0:keys=4,expires=1,avg_ttl=0');
    expect(text).not.toContain('MISCONF');
    expect(text).toContain('*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nz\r\n');
    expect(env.log.of('redis_expiry_failed')).toHaveLength(1);
    env.fs.setCapacity(undefined);
    await env.clock.run(1000);
    expect(await ask(served, client, 2, 'DBSIZE', 'SET d 1')).toBe(':4\r\n+OK\r\n');
    const again = await killAndServe(served);
    const { client: other } = await connected(again);
    expect(await ask(again, other, 1, 'DBSIZE')).toBe(':5\r\n');
  });

  it('a transaction is whole after the process was killed', async () => {
    const served = await serve();
    const { client } = await connected(served);
    const lines = ['SET n 41', 'MULTI', 'INCR n', 'SET a 1', 'DEL a', 'SET b 1', 'EXEC'];
    expect(await ask(served, client, 11, ...lines)).toMatch(
      /\*4\r\n:42\r\n\+OK\r\n:1\r\n\+OK\r\n$/,
    );
    const again = await killAndServe(served);
    const { client: other } = await connected(again);
    expect(await ask(again, other, 4, 'GET n', 'EXISTS a b', 'DBSIZE')).toBe(
      '$2\r\n42\r\n:1\r\n:2\r\n',
    );
  });
});
