/**
 * Clients that send anything, in any pieces, and read when they like, against a store that answers late. From seeds.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import type { MemClient } from '../../src/env/mem-net.js';
import { GatewayFixture, request } from './gateway-fixture.js';

const CLIENTS = 4;
const STEPS = 150;
/** Socket buffer, one turn, and one large value: what one client may make the server hold for output. */
const OUTPUT_MAX = 1024 * 1024;

const WORDS = [
  'GET',
  'SET',
  'INCR',
  'DEL',
  'MULTI',
  'EXEC',
  'DISCARD',
  'WATCH',
  'PING',
  'HELLO',
].concat(
  ['CLIENT', 'CONFIG', 'COMMAND', 'INFO', 'SLOWLOG', 'AUTH', 'RESET', 'CRASH', 'HSET', 'OBJECT'],
  ['DEBUG', 'MEMORY', 'LATENCY', 'DBSIZE', 'SELECT', 'ECHO', 'WAIT', 'TIME', 'FUNCTION', 'SAVE'],
);
const ARGUMENTS = [
  'a',
  'b',
  'c',
  '1',
  '-1',
  '3',
  'LIST',
  'INFO',
  'GET',
  'SET',
  'SETNAME',
  'KILL',
].concat([
  'ID',
  'REPLY',
  'SKIP',
  'ON',
  'DOCS',
  'HELP',
  'ENCODING',
  'USAGE',
  'SLEEP',
  'RESETSTAT',
  '*',
  '',
]);

function randomRequest(random: Prng): Buffer {
  const pick = (words: readonly string[]): string => words[random.below(words.length)]!;
  if (random.chance(1, 30)) {
    const noise = Buffer.alloc(1 + random.below(100));
    random.fill(noise);
    return noise;
  }
  if (random.chance(1, 20))
    return request('SET', pick(['a', 'b']), Buffer.alloc(random.below(60_000)));
  const args = Array.from({ length: random.below(4) }, () => pick(ARGUMENTS));
  return request(pick(WORDS), ...args);
}

/** One step of one client. */
function step(random: Prng, client: MemClient): void {
  switch (random.below(8)) {
    case 0:
      client.stopReading();
      break;
    case 1:
      client.readOn(random.below(100_000));
      break;
    case 2:
      client.readOn();
      break;
    case 3:
      if (random.chance(1, 10)) client.reset();
      break;
    default: {
      const count = 1 + random.below(20);
      const bytes = Buffer.concat(Array.from({ length: count }, () => randomRequest(random)));
      const at = random.below(bytes.length);
      client.send(bytes.subarray(0, at));
      client.send(bytes.subarray(at));
    }
  }
}

describe('any clients', () => {
  it.each([11, 12, 13, 14, 15, 16])(
    'seed %i: memory is bounded and the server goes on',
    async (seed) => {
      const random = new Prng(seed);
      const fixture = new GatewayFixture();
      const clients = Array.from({ length: CLIENTS }, () => fixture.connect());
      for (let i = 0; i < STEPS; i++) {
        const at = random.below(CLIENTS);
        if (clients[at]!.isClosed) clients[at] = fixture.connect();
        fixture.commits.isHeld = random.chance(1, 2);
        step(random, clients[at]!);
        if (random.chance(1, 2)) fixture.commits.settle(random.below(4));
        if (random.chance(1, 4)) fixture.commits.settleAll();
        if (random.chance(1, 3)) await fixture.env.clock.run(100);
        await fixture.settled();
        expect(fixture.gateway.writer.pendingBytes, `seed ${seed}, step ${i}`).toBe(0);
        for (const client of fixture.gateway.clients.values()) {
          expect(client.outputBytes, `seed ${seed}, step ${i}`).toBeLessThan(OUTPUT_MAX);
        }
      }
      fixture.commits.isHeld = false;
      fixture.commits.settleAll();
      const last = fixture.connect();
      expect(await fixture.ask(last, 'ECHO alive')).toBe('$5\r\nalive\r\n');
      const closed = fixture.gateway.close(1000);
      await fixture.env.clock.run(2000);
      await closed;
      expect(fixture.gateway.clients.size).toBe(0);
      // CRASH is the one defect there is.
      const defects = fixture.env.log
        .of('redis_defect')
        .map(({ fields }) => String(fields['stack']));
      expect(defects.filter((stack) => !stack.includes('a defect'))).toEqual([]);
    },
  );
});
