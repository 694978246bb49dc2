import { describe, expect, it } from 'vitest';
import { IoError } from '../../src/base/errors.js';
import { GatewayFixture, request } from './gateway-fixture.js';

describe('HTTP', () => {
  it.each([
    ['of a form', 'POST / HTTP/1.1'],
    ['that begins with a command', 'GET / HTTP/1.1\r\nHost: 127.0.0.1:6380'],
    ['in small letters', 'post /'],
  ])('a request %s is cut off before the commands in its body', async (_what, head) => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    expect(await fixture.ask(client, head, '', 'SET a 1')).not.toContain('OK');
    expect(client.isClosed).toBe(true);
    expect(await fixture.ask(fixture.connect(), 'GET a')).toBe('$-1\r\n');
  });
});

describe('order of replies', () => {
  it('a reply that is known at once waits behind an older one that is not', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    fixture.commits.isHeld = true;
    expect(await fixture.ask(client, 'SET a 1', 'GET a', 'PING')).toBe('');
    fixture.commits.settle();
    await fixture.settled();
    expect(client.takeReceived().toString()).toBe('+OK\r\n$1\r\n1\r\n+PONG\r\n');
  });

  it('commits that end in another order are answered in the order of the commands', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    fixture.commits.isHeld = true;
    await fixture.ask(client, 'SET a x', 'INCR n', 'INCR n');
    fixture.commits.settle(2);
    fixture.commits.settle(1);
    await fixture.settled();
    expect(client.takeReceived().toString()).toBe('');
    fixture.commits.settle();
    await fixture.settled();
    expect(client.takeReceived().toString()).toBe('+OK\r\n:1\r\n:2\r\n');
  });

  it('the writes of one pipeline are all with the store before the first is answered', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    fixture.commits.isHeld = true;
    await fixture.ask(client, ...Array.from({ length: 16 }, (_, i) => `SET k${i} v`));
    expect(fixture.commits.count).toBe(16);
    fixture.commits.settleAll();
    await fixture.settled();
    expect(client.takeReceived().toString()).toBe('+OK\r\n'.repeat(16));
    expect(client.writes).toBe(1);
  });

  it('a turn of input is answered in one write', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.ask(client, ...Array.from({ length: 100 }, () => 'PING'));
    expect(client.writes).toBe(1);
  });

  it('the protocol of a reply is that of its command', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    fixture.commits.isHeld = true;
    await fixture.ask(client, 'SET a 1', 'GET none', 'HELLO 3', 'GET none');
    fixture.commits.settle();
    await fixture.settled();
    const text = client.takeReceived().toString();
    expect(text.startsWith('+OK\r\n$-1\r\n%7\r\n')).toBe(true);
    expect(text.endsWith('_\r\n')).toBe(true);
  });
});

describe('failures', () => {
  it('of a commit reach the client that wrote, with code and hint, and reads go on', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    fixture.commits.isHeld = true;
    await fixture.ask(client, 'SET a 1', 'GET b');
    fixture.commits.settle(0, new IoError({ op: 'write', path: '/d/1.wal', errno: 'ENOSPC' }));
    await fixture.settled();
    const text = client.takeReceived().toString();
    expect(text).toMatch(/^-MISCONF .*no space left.*\[NOKV_NO_SPACE\]; .*\r\n\$-1\r\n$/);
  });

  it('a defect of a command is an error of its client and of nobody else', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    expect(await fixture.ask(client, 'CRASH a', 'PING')).toMatch(
      /^-ERR internal error.*\r\n\+PONG/,
    );
    expect(fixture.env.log.of('redis_defect')).toHaveLength(1);
  });

  it('unknown, unsupported and misspelt commands are told apart', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    expect(await fixture.ask(client, 'nope a b')).toBe(
      "-ERR unknown command 'nope', with args beginning with: 'a' 'b' \r\n",
    );
    expect(await fixture.ask(client, 'HSET a b c')).toMatch(
      /^-ERR 'hset' is not supported by nokv: there are no hashes/,
    );
    expect(await fixture.ask(client, 'GET')).toBe(
      "-ERR wrong number of arguments for 'get' command\r\n",
    );
  });

  it('of the protocol are answered and end the connection', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    client.send('PING\r\n*1\r\n:3\r\nPING\r\n');
    await fixture.settled();
    expect(client.takeReceived().toString()).toBe(
      "+PONG\r\n-ERR Protocol error: expected '$', got ':'\r\n",
    );
    expect(client.isEnded).toBe(true);
  });
});

describe('back pressure', () => {
  it('a client that does not read is not read from, and holds little memory', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    client.send(request('SET', 'big', Buffer.alloc(100_000, 'x')));
    client.stopReading();
    for (let i = 0; i < 200; i++) client.send(request('GET', 'big'));
    await fixture.settled();
    expect(client.isReading).toBe(false);
    expect(client.bufferedBytes).toBeLessThan(1_000_000);
    client.readOn();
    await fixture.settled();
    while (client.unsentBytes > 0) await fixture.settled();
    expect(client.takeReceived().length).toBe(5 + 200 * (9 + 100_002));
  });

  it('a pipeline of writes beyond the bound waits for the store', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    fixture.commits.isHeld = true;
    for (let i = 0; i < 10_000; i++) client.send(request('INCR', 'n'));
    await fixture.settled();
    expect(fixture.commits.count).toBe(4096);
    expect(client.isReading).toBe(false);
    while (fixture.commits.count > 0) {
      fixture.commits.settleAll();
      await fixture.settled();
    }
    const lines = client.takeReceived().toString().split('\r\n');
    expect(lines.slice(0, -1)).toEqual(Array.from({ length: 10_000 }, (_, i) => `:${i + 1}`));
  });
});

describe('the end of a connection', () => {
  it('QUIT is answered after what came before it, and what follows is not run', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    fixture.commits.isHeld = true;
    await fixture.ask(client, 'SET a 1', 'QUIT', 'SET b 1');
    expect(client.isEnded).toBe(false);
    fixture.commits.settle();
    await fixture.settled();
    expect(client.takeReceived().toString()).toBe('+OK\r\n+OK\r\n');
    expect(client.isEnded).toBe(true);
    expect(fixture.backend.rowCount).toBe(1);
  });

  it('a client that only stops sending gets its replies', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    fixture.commits.isHeld = true;
    client.send('SET a 1\r\nGET a\r\n');
    client.sendEnd();
    fixture.commits.settle();
    await fixture.settled();
    expect(client.takeReceived().toString()).toBe('+OK\r\n$1\r\n1\r\n');
    expect(client.isEnded).toBe(true);
  });

  it('a client that is gone leaves nothing behind', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    fixture.commits.isHeld = true;
    await fixture.ask(client, 'SET a 1', 'GET a');
    client.reset();
    fixture.commits.settle();
    await fixture.settled();
    expect(fixture.gateway.clients.size).toBe(0);
    expect(client.takeReceived().length).toBe(0);
  });

  it('beyond maxclients a client is told so', async () => {
    const fixture = new GatewayFixture({ clientsMax: 1 });
    fixture.connect();
    const second = fixture.connect();
    expect(second.takeReceived().toString()).toBe('-ERR max number of clients reached\r\n');
    expect(second.isEnded).toBe(true);
  });

  it('an idle client is closed after the timeout', async () => {
    const fixture = new GatewayFixture({ timeoutSeconds: 5 });
    const client = fixture.connect();
    await fixture.env.clock.run(4000);
    expect(client.isEnded).toBe(false);
    await fixture.env.clock.run(3000);
    expect(client.isEnded).toBe(true);
  });

  it('closing the gateway answers what was received and ends everybody', async () => {
    const fixture = new GatewayFixture();
    const idle = fixture.connect();
    const busy = fixture.connect();
    fixture.commits.isHeld = true;
    await fixture.ask(busy, 'SET a 1');
    const closed = fixture.gateway.close(5000);
    expect(idle.isEnded).toBe(true);
    expect(busy.isEnded).toBe(false);
    fixture.commits.settle();
    await closed;
    expect(busy.takeReceived().toString()).toBe('+OK\r\n');
  });

  it('closing the gateway does not wait for a store that never answers', async () => {
    const fixture = new GatewayFixture();
    const busy = fixture.connect();
    fixture.commits.isHeld = true;
    await fixture.ask(busy, 'SET a 1');
    const closed = fixture.gateway.close(5000);
    await fixture.env.clock.run(5000);
    await closed;
    expect(busy.isClosed).toBe(true);
  });
});

describe('AUTH', () => {
  it('lets nobody in without the password', async () => {
    const fixture = new GatewayFixture({ password: 'secret' });
    const client = fixture.connect();
    expect(await fixture.ask(client, 'GET a')).toBe('-NOAUTH Authentication required.\r\n');
    expect(await fixture.ask(client, 'HELLO 3')).toMatch(/^-NOAUTH HELLO must be called/);
    expect(await fixture.ask(client, 'AUTH wrong')).toMatch(/^-WRONGPASS/);
    expect(await fixture.ask(client, 'AUTH secretsecret')).toMatch(/^-WRONGPASS/);
    expect(await fixture.ask(client, 'AUTH admin secret')).toMatch(/^-WRONGPASS/);
    expect(await fixture.ask(client, 'AUTH default secret')).toBe('+OK\r\n');
    expect(await fixture.ask(client, 'GET a')).toBe('$-1\r\n');
  });

  it('HELLO may carry it', async () => {
    const fixture = new GatewayFixture({ password: 'secret' });
    const client = fixture.connect();
    const text = await fixture.ask(
      client,
      'HELLO 2 AUTH default secret SETNAME me',
      'CLIENT GETNAME',
    );
    expect(text).toMatch(/^\*14\r\n\$6\r\nserver/);
    expect(text).toMatch(/\$2\r\nme\r\n$/);
  });

  it('gives a stranger little memory', async () => {
    const fixture = new GatewayFixture({ password: 'secret' });
    const many = fixture.connect();
    many.send('*11\r\n');
    const large = fixture.connect();
    large.send('*2\r\n$4\r\nAUTH\r\n$16385\r\n');
    await fixture.settled();
    expect(many.takeReceived().toString()).toContain('unauthenticated multibulk length');
    expect(large.takeReceived().toString()).toContain('unauthenticated bulk length');
  });

  it('without a password refuses one argument as Redis does', async () => {
    const fixture = new GatewayFixture();
    expect(await fixture.ask(fixture.connect(), 'AUTH x')).toMatch(
      /^-ERR AUTH <password> called without any password configured/,
    );
  });
});

describe('CLIENT REPLY', () => {
  it('OFF silences everything until ON, SKIP one reply', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    expect(await fixture.ask(client, 'CLIENT REPLY SKIP', 'PING', 'ECHO a')).toBe('$1\r\na\r\n');
    expect(await fixture.ask(client, 'CLIENT REPLY OFF', 'PING', 'SET a 1')).toBe('');
    expect(await fixture.ask(client, 'CLIENT REPLY ON', 'GET a')).toBe('+OK\r\n$1\r\n1\r\n');
  });
});
