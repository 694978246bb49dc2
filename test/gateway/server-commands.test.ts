import { describe, expect, it } from 'vitest';
import { GatewayFixture, request } from './gateway-fixture.js';

/** The text of a bulk reply. */
function bulkText(reply: string): string {
  return reply.slice(reply.indexOf('\r\n') + 2, -2);
}

describe('CLIENT', () => {
  it('LIST tells every client, ID and NAME one', async () => {
    const fixture = new GatewayFixture();
    const first = fixture.connect();
    const second = fixture.connect();
    expect(await fixture.ask(first, 'CLIENT ID', 'CLIENT SETNAME one')).toBe(':1\r\n+OK\r\n');
    await fixture.ask(second, 'CLIENT SETINFO LIB-NAME lib', 'MULTI', 'GET a');
    const lines = bulkText(await fixture.ask(first, 'CLIENT LIST'))
      .trimEnd()
      .split('\n');
    expect(lines[0]).toMatch(/^id=1 addr=client:1 .* name=one .* multi=-1 .* cmd=client .* resp=2/);
    expect(lines[1]).toMatch(/^id=2 addr=client:2 .* flags=x .* multi=1 .* lib-name=lib/);
    // Those of Redis 7.0.15, and the two of a later one that clients set.
    const names = lines[0]?.split(' ').map((field) => field.split('=', 1).join());
    expect(names?.join(' ')).toBe(
      'id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem multi-mem rbs rbp obl oll ' +
        'omem tot-mem events cmd user redir resp lib-name lib-ver',
    );
  });

  it('KILL ends others at once, and itself after the reply', async () => {
    const fixture = new GatewayFixture();
    const first = fixture.connect();
    const second = fixture.connect();
    expect(await fixture.ask(first, 'CLIENT KILL ID 2')).toBe(':1\r\n');
    expect(second.isClosed).toBe(true);
    expect(await fixture.ask(first, 'CLIENT KILL TYPE normal')).toBe(':0\r\n');
    expect(await fixture.ask(first, 'CLIENT KILL client:1', 'PING')).toBe('+OK\r\n');
    expect(first.isClosed).toBe(true);
  });

  it('PAUSE WRITE holds those that write, in their order, until its time is over', async () => {
    const fixture = new GatewayFixture();
    const first = fixture.connect();
    const second = fixture.connect();
    expect(await fixture.ask(first, 'CLIENT PAUSE 500 WRITE')).toBe('+OK\r\n');
    expect(await fixture.ask(first, 'GET a', 'SET a 1', 'GET a')).toBe('$-1\r\n');
    expect(await fixture.ask(second, 'MULTI', 'GET a', 'EXEC')).toBe(
      '+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n',
    );
    await fixture.env.clock.run(499);
    expect(first.takeReceived().toString()).toBe('');
    await fixture.env.clock.run(1);
    expect(first.takeReceived().toString()).toBe('+OK\r\n$1\r\n1\r\n');
  });

  it('PAUSE holds everything, also what was queued before; UNPAUSE of another client ends it', async () => {
    const fixture = new GatewayFixture();
    const first = fixture.connect();
    const second = fixture.connect();
    await fixture.ask(first, 'MULTI', 'SET a 1');
    expect(await fixture.ask(second, 'CLIENT PAUSE 1000', 'PING')).toBe('+OK\r\n');
    expect(await fixture.ask(first, 'EXEC')).toBe('');
    const third = fixture.connect();
    expect(await fixture.ask(third, 'CLIENT UNPAUSE')).toBe('+OK\r\n');
    await fixture.settled();
    expect(first.takeReceived().toString()).toBe('*1\r\n+OK\r\n');
    expect(second.takeReceived().toString()).toBe('+PONG\r\n');
  });

  it('PAUSE WRITE holds an EXEC that would write', async () => {
    const fixture = new GatewayFixture();
    const first = fixture.connect();
    await fixture.ask(first, 'MULTI', 'SET a 1');
    const second = fixture.connect();
    await fixture.ask(second, 'CLIENT PAUSE 1000 WRITE');
    expect(await fixture.ask(first, 'EXEC')).toBe('');
    expect(await fixture.ask(second, 'CLIENT UNPAUSE', 'GET a')).toContain('+OK');
    await fixture.settled();
    expect(first.takeReceived().toString()).toBe('*1\r\n+OK\r\n');
  });

  it('of two pauses the later end and the stricter mode count; what was held goes on when the server closes', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    const other = fixture.connect();
    await fixture.ask(other, 'CLIENT PAUSE 300 WRITE');
    await fixture.ask(other, 'CLIENT PAUSE 100');
    expect(await fixture.ask(client, 'PING')).toBe('');
    await fixture.env.clock.run(299);
    expect(client.takeReceived().toString()).toBe('');
    await fixture.env.clock.run(1);
    expect(client.takeReceived().toString()).toBe('+PONG\r\n');
    await fixture.ask(other, 'CLIENT PAUSE 99999999999');
    expect(await fixture.ask(client, 'SET a 1')).toBe('');
    const closed = fixture.gateway.close(1000);
    await fixture.settled();
    expect(client.takeReceived().toString()).toBe('+OK\r\n');
    await fixture.env.clock.run(1000);
    await closed;
  });

  it('PAUSE refuses what is no time and no mode', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    expect(await fixture.ask(client, 'CLIENT PAUSE x', 'CLIENT PAUSE -1')).toBe(
      '-ERR timeout is not an integer or out of range\r\n-ERR timeout is negative\r\n',
    );
    expect(await fixture.ask(client, 'CLIENT PAUSE 1 READ')).toBe('-ERR syntax error\r\n');
    expect(await fixture.ask(client, 'CLIENT UNPAUSE', 'PING')).toBe('+OK\r\n+PONG\r\n');
  });

  it('names may not hold spaces', async () => {
    const fixture = new GatewayFixture();
    expect(await fixture.ask(fixture.connect(), 'CLIENT SETNAME "a b"')).toBe(
      '-ERR Client names cannot contain spaces, newlines or special characters.\r\n',
    );
  });
});

describe('CONFIG', () => {
  it('GET takes patterns, and several', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    expect(await fixture.ask(client, 'CONFIG GET append*')).toBe(
      '*4\r\n$11\r\nappendfsync\r\n$8\r\neverysec\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n',
    );
    expect(await fixture.ask(client, 'CONFIG GET SAVE nothing')).toBe(
      '*2\r\n$4\r\nsave\r\n$0\r\n\r\n',
    );
  });

  it('SET appendfsync reaches the store', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    expect(fixture.backend.durability).toBe('os');
    expect(await fixture.ask(client, 'CONFIG SET appendfsync always')).toBe('+OK\r\n');
    expect(fixture.backend.durability).toBe('disk');
  });

  it('SET changes all or nothing', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    expect(await fixture.ask(client, 'CONFIG SET timeout 5 maxclients none')).toBe(
      "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument couldn't be parsed into an integer\r\n",
    );
    expect(fixture.gateway.config.timeoutSeconds).toBe(0);
    expect(await fixture.ask(client, 'CONFIG SET nothing 1')).toMatch(/^-ERR Unknown option/);
    expect(await fixture.ask(client, 'CONFIG SET maxmemory 1mb')).toMatch(/immutable/);
    expect(await fixture.ask(client, 'CONFIG SET maxmemory 0')).toBe('+OK\r\n');
  });

  it('a password that is set asks new clients, not those that are in', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.ask(client, 'CONFIG SET requirepass secret');
    expect(await fixture.ask(client, 'GET a')).toBe('$-1\r\n');
    const stranger = fixture.connect();
    expect(await fixture.ask(stranger, 'GET a')).toMatch(/^-NOAUTH/);
    await fixture.ask(client, 'CONFIG SET requirepass ""');
    expect(await fixture.ask(stranger, 'GET a')).toBe('$-1\r\n');
  });

  it('RESETSTAT forgets the figures', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.ask(client, 'GET a', 'NOPE', 'CONFIG RESETSTAT');
    expect(bulkText(await fixture.ask(client, 'INFO commandstats errorstats'))).not.toContain(
      'get',
    );
  });
});

describe('INFO', () => {
  it('has the sections of Redis, and loading is over', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.ask(client, 'SET a 1');
    const text = bulkText(await fixture.ask(client, 'INFO'));
    for (const line of [
      'redis_version:7.0.15',
      'redis_mode:standalone',
      'loading:0',
      'role:master',
    ]) {
      expect(text.split('\r\n')).toContain(line);
    }
    expect(text).toContain('# Keyspace\r\ndb0:keys=1,');
    expect(text).not.toContain('cmdstat');
  });

  it('counts commands and errors', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.ask(client, 'SET a x', 'INCR a', 'GET', 'MULTI', 'GET a', 'EXEC');
    const text = bulkText(await fixture.ask(client, 'INFO commandstats errorstats'));
    expect(text).toMatch(/cmdstat_incr:calls=1,.*failed_calls=1/);
    expect(text).toMatch(/cmdstat_get:calls=1,.*rejected_calls=1/);
    expect(text).toContain('errorstat_ERR:count=2');
    expect(fixture.gateway.stats()).toMatchObject({
      errors_total: 2,
      connections_active: 1,
      connections_accepted: 1,
      commands_per_operation: { get: 1, set: 1, incr: 1 },
    });
  });
});

describe('expired keys', () => {
  it('are forgotten in the background, and counted', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    const soon = fixture.env.clock.nowMs() + 500;
    await fixture.backend.update([], (view) => view.set(Buffer.from('a'), Buffer.from('1'), soon));
    expect(fixture.backend.rowCount).toBe(1);
    await fixture.env.clock.run(1000);
    expect(fixture.backend.rowCount).toBe(0);
    expect(await fixture.ask(client, 'INFO stats')).toContain('\r\nexpired_keys:1\r\n');
    expect(fixture.gateway.stats()).toMatchObject({ expired_keys: 1 });
  });

  it('stay where they are under DEBUG SET-ACTIVE-EXPIRE 0, and are not seen', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.ask(client, 'DEBUG SET-ACTIVE-EXPIRE 0');
    const soon = fixture.env.clock.nowMs() + 500;
    await fixture.backend.update([], (view) => view.set(Buffer.from('a'), Buffer.from('1'), soon));
    await fixture.env.clock.run(1000);
    expect(fixture.backend.rowCount).toBe(1);
    expect(await fixture.ask(client, 'GET a')).toBe('$-1\r\n');
  });
});

describe('SLOWLOG', () => {
  it('keeps the newest, with arguments cut as Redis cuts them', async () => {
    const fixture = new GatewayFixture({ slowlogMicroseconds: 0 });
    const client = fixture.connect();
    await fixture.ask(client, 'CONFIG SET slowlog-max-len 2');
    client.send(request('GET', Buffer.alloc(130, 'k')));
    client.send(request('ECHO', 'x'));
    await fixture.settled();
    client.takeReceived();
    const text = await fixture.ask(client, 'SLOWLOG GET 10');
    expect(text.startsWith('*2\r\n*6\r\n:2\r\n')).toBe(true);
    expect(text).toContain(`$146\r\n${'k'.repeat(128)}... (2 more bytes)\r\n`);
    expect(await fixture.ask(client, 'SLOWLOG LEN', 'SLOWLOG RESET')).toBe(':2\r\n+OK\r\n');
  });

  it('does not keep passwords', async () => {
    const fixture = new GatewayFixture({ slowlogMicroseconds: 0 });
    const client = fixture.connect();
    await fixture.ask(client, 'AUTH default secret', 'HELLO 3 AUTH default secret');
    expect(await fixture.ask(client, 'SLOWLOG GET')).not.toContain('secret');
  });
});

describe('saving', () => {
  it('SAVE, BGSAVE and DEBUG RELOAD sync the store', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    expect(await fixture.ask(client, 'SAVE', 'BGSAVE', 'DEBUG RELOAD')).toBe(
      '+OK\r\n+Background saving started\r\n+OK\r\n',
    );
    expect(fixture.backend.syncs).toBe(3);
  });

  it('happens every second under everysec, when something was written', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.env.clock.run(3000);
    expect(fixture.backend.syncs).toBe(0);
    await fixture.ask(client, 'SET a 1');
    await fixture.env.clock.run(3000);
    expect(fixture.backend.syncs).toBe(1);
  });
});

describe('the sync of every second', () => {
  it('comes again for a write that was under way during the last one', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    fixture.commits.isHeld = true;
    await fixture.ask(client, 'SET a 1');
    await fixture.env.clock.run(1000);
    expect(fixture.backend.syncs).toBe(1);
    fixture.commits.settle();
    await fixture.env.clock.run(3000);
    expect(fixture.backend.syncs).toBe(2);
  });
});

describe('DEBUG SLEEP', () => {
  it('holds its client and nobody else', async () => {
    const fixture = new GatewayFixture();
    const sleeper = fixture.connect();
    const other = fixture.connect();
    expect(await fixture.ask(sleeper, 'DEBUG SLEEP 1.5', 'SET a 1')).toBe('');
    expect(await fixture.ask(other, 'GET a')).toBe('$-1\r\n');
    await fixture.env.clock.run(1600);
    expect(sleeper.takeReceived().toString()).toBe('+OK\r\n+OK\r\n');
    expect(await fixture.ask(other, 'GET a')).toBe('$1\r\n1\r\n');
  });
});

describe('COMMAND', () => {
  it('tells arity, flags and keys', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    expect(await fixture.ask(client, 'COMMAND INFO get nothing')).toMatch(
      /^\*2\r\n\*10\r\n\$3\r\nget\r\n:2\r\n\*1\r\n\+readonly\r\n:1\r\n:1\r\n:1\r\n.*\$-1\r\n$/s,
    );
    expect(await fixture.ask(client, 'COMMAND GETKEYS set k v', 'COMMAND GETKEYS ping x')).toBe(
      '*1\r\n$1\r\nk\r\n-ERR The command has no key arguments\r\n',
    );
    const count = fixture.gateway.table.entries.length;
    expect(await fixture.ask(client, 'COMMAND COUNT')).toBe(`:${count}\r\n`);
  });
});

describe('LATENCY', () => {
  it('HISTOGRAM tells of the commands that were called, or of those that are named', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    await fixture.ask(client, 'GET a', 'GET b', 'SET a 1');
    const get =
      '$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:2\r\n$14\r\nhistogram_usec\r\n*2\r\n:1\r\n:2\r\n';
    const set =
      '$3\r\nset\r\n*4\r\n$5\r\ncalls\r\n:1\r\n$14\r\nhistogram_usec\r\n*2\r\n:1\r\n:1\r\n';
    expect(await fixture.ask(client, 'LATENCY HISTOGRAM')).toBe(`*4\r\n${get}${set}`);
    expect(await fixture.ask(client, 'LATENCY HISTOGRAM GET get nothing incr')).toBe(
      `*2\r\n${get}`,
    );
    expect(await fixture.ask(client, 'CONFIG RESETSTAT', 'LATENCY HISTOGRAM get')).toBe(
      '+OK\r\n*0\r\n',
    );
  });

  it('GRAPH has no samples, as in Redis before there are any', async () => {
    const fixture = new GatewayFixture();
    expect(await fixture.ask(fixture.connect(), 'LATENCY GRAPH command')).toBe(
      "-ERR No samples available for event 'command'\r\n",
    );
  });
});

describe('what clients ask of things that are not here', () => {
  it.each([
    ['ACL WHOAMI', '$7\r\ndefault\r\n'],
    ['ACL USERS', '*1\r\n$7\r\ndefault\r\n'],
    ['ACL SETUSER joe', /^-ERR ACL is not supported by nokv: there is one user/],
    ['MODULE LIST', '*0\r\n'],
    ['MODULE LOAD x', /^-ERR MODULE is not supported by nokv/],
    [
      'CLIENT CACHING yes',
      /^-ERR CLIENT CACHING can be called only when the client is in tracking/,
    ],
    ['CLIENT KILL TYPE foo', "-ERR Unknown client type 'foo'\r\n"],
    ['CLIENT LIST TYPE pubsub', '$0\r\n\r\n'],
    ['MEMORY USAGE k SAMPLES -1', '-ERR syntax error\r\n'],
    ['SWAPDB 0 0', '+OK\r\n'],
    ['SWAPDB 0 1', '-ERR DB index is out of range\r\n'],
    ['SWAPDB 0 x', '-ERR invalid second DB index\r\n'],
    ['CLIENT KILL ID 0', '-ERR client-id should be greater than 0\r\n'],
  ])('%s', async (line, answer) => {
    const fixture = new GatewayFixture();
    expect(await fixture.ask(fixture.connect(), line)).toEqual(
      typeof answer === 'string' ? answer : expect.stringMatching(answer),
    );
  });
});

describe('SHUTDOWN', () => {
  it('tells the host', async () => {
    const fixture = new GatewayFixture();
    await fixture.ask(fixture.connect(), 'SHUTDOWN NOSAVE');
    expect(fixture.shutdowns).toBe(1);
  });

  it('answers by the end of the connection, behind the replies before it', async () => {
    const fixture = new GatewayFixture();
    const client = fixture.connect();
    fixture.commits.isHeld = true;
    expect(await fixture.ask(client, 'SET a 1', 'SHUTDOWN', 'PING')).toBe('');
    fixture.commits.settle();
    await fixture.settled();
    expect(client.takeReceived().toString()).toBe('+OK\r\n');
    expect(client.isClosed).toBe(true);
  });

  it.each(['SAVE NOSAVE', 'NOSAVE SAVE', 'ABORT NOW', 'FOO'])(
    '%s is a syntax error, and stops nothing',
    async (words) => {
      const fixture = new GatewayFixture();
      const client = fixture.connect();
      expect(await fixture.ask(client, `SHUTDOWN ${words}`)).toBe('-ERR syntax error\r\n');
      expect(fixture.shutdowns).toBe(0);
    },
  );
});
