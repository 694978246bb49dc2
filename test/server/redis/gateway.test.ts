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
    served.env.fs.setCapacity(undefined);
    expect(await ask(served, client, 2, 'SET b 2', 'DBSIZE')).toBe('+OK\r\n:2\r\n');
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
