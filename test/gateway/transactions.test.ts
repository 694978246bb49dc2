import { describe, expect, it } from 'vitest';
import { GatewayFixture } from './gateway-fixture.js';

describe('MULTI and EXEC', () => {
  it('run what was queued in one commit', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    fixture.commits.isHeld = true;
    expect(await fixture.ask(client, 'MULTI', 'SET a 1', 'INCR a', 'GET a')).toBe(
      '+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n',
    );
    expect(fixture.backend.rowCount).toBe(0);
    expect(await fixture.ask(client, 'EXEC')).toBe('');
    expect(fixture.commits.count).toBe(1);
    fixture.commits.settle();
    await fixture.settled();
    expect(client.takeReceived().toString()).toBe('*3\r\n+OK\r\n:2\r\n$1\r\n2\r\n');
  });

  it('commands behind EXEC do not wait for its commit', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    fixture.commits.isHeld = true;
    await fixture.ask(client, 'MULTI', 'SET a 1', 'EXEC', 'SET b 2', 'SET c 3');
    expect(fixture.commits.count).toBe(3);
  });

  it('an error of one command leaves the others as they are', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.ask(client, 'MULTI', 'SET a x', 'INCR a', 'SET b 1');
    expect(await fixture.ask(client, 'EXEC')).toBe(
      '*3\r\n+OK\r\n-ERR value is not an integer or out of range\r\n+OK\r\n',
    );
    expect(fixture.backend.rowCount).toBe(2);
  });

  it('a defect takes the whole transaction with it', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.ask(client, 'MULTI', 'SET a x', 'CRASH a');
    expect(await fixture.ask(client, 'EXEC')).toMatch(/^-ERR internal error/);
    expect(fixture.backend.rowCount).toBe(0);
  });

  it.each([
    ['an unknown command', 'NOPE'],
    ['an unsupported command', 'LPUSH a b'],
    ['a wrong number of arguments', 'GET'],
    ['a command that is not allowed there', 'SAVE'],
  ])('%s among the queued ones makes EXEC refuse all', async (_name, wrong) => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.ask(client, 'MULTI', 'SET a 1', wrong);
    expect(await fixture.ask(client, 'EXEC', 'GET a')).toBe(
      '-EXECABORT Transaction discarded because of previous errors.\r\n$-1\r\n',
    );
  });

  it('commands of the connection answer in their places', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.ask(client, 'MULTI', 'PING', 'SET a 1', 'ECHO x', 'SELECT 0', 'DEBUG RELOAD');
    expect(await fixture.ask(client, 'EXEC')).toBe(
      '*5\r\n+PONG\r\n+OK\r\n$1\r\nx\r\n+OK\r\n+OK\r\n',
    );
  });

  it('DISCARD drops what was queued', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.ask(client, 'MULTI', 'SET a 1');
    expect(await fixture.ask(client, 'DISCARD', 'EXEC', 'GET a')).toBe(
      '+OK\r\n-ERR EXEC without MULTI\r\n$-1\r\n',
    );
  });

  it('an empty transaction is an empty array', async () => {
    const fixture = new GatewayFixture();
    expect(await fixture.ask(fixture.connect(), 'MULTI', 'EXEC')).toBe('+OK\r\n*0\r\n');
  });

  it('may be left by RESET', async () => {
    const fixture = new GatewayFixture();
    expect(await fixture.ask(fixture.connect(), 'MULTI', 'SET a 1', 'RESET', 'GET a')).toBe(
      '+OK\r\n+QUEUED\r\n+RESET\r\n$-1\r\n',
    );
  });
});

describe('WATCH', () => {
  it.each([
    ['written', 'SET a 2', '*-1\r\n'],
    ['written with the same value', 'SET a 1', '*-1\r\n'],
    ['deleted', 'DEL a', '*-1\r\n'],
    ['left alone', 'SET b 1', '*1\r\n$1\r\n1\r\n'],
  ])('a key that somebody else has %s', async (_name, other, answer) => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.ask(client, 'SET a 1', 'WATCH a', 'MULTI', 'GET a');
    await fixture.ask(fixture.connect(), other);
    expect(await fixture.ask(client, 'EXEC')).toBe(answer);
  });

  it('is over after EXEC, DISCARD and UNWATCH', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    for (const end of ['MULTI\r\nEXEC', 'MULTI\r\nDISCARD', 'UNWATCH']) {
      await fixture.ask(client, 'WATCH a', end, 'SET a 1', 'MULTI', 'GET a');
      expect(await fixture.ask(client, 'EXEC')).toBe('*1\r\n$1\r\n1\r\n');
    }
  });

  it('the first of two counts', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.ask(client, 'WATCH a', 'SET a 1', 'WATCH a', 'MULTI', 'GET a');
    expect(await fixture.ask(client, 'EXEC')).toBe('*-1\r\n');
  });

  it('a transaction that does nothing runs none of its commands', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.ask(client, 'WATCH a', 'SET a 1', 'MULTI', 'CLIENT SETNAME me', 'SET b 1');
    expect(await fixture.ask(client, 'EXEC', 'CLIENT GETNAME', 'GET b')).toBe(
      '*-1\r\n$-1\r\n$-1\r\n',
    );
  });
});
