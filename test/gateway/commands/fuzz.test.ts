/**
 * Random commands against the embedded backend and a real redis-server (redis-process.ts), answer by answer. Without
 * one the same commands run alone: nothing may fail but as an answer. SEED=n runs one seed, RUNS=n so many.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { serve } from '../../server/redis/backend-fixture.js';
import { type Answer, answerLines, quoted, runCommand } from './command-runner.js';
import { KEYS, randomCommand } from './random-command.js';
import { RedisProcess, redisVersion } from './redis-process.js';

const FIRST = Number(process.env['SEED'] ?? '1');
const RUNS = Number(process.env['RUNS'] ?? (process.env['SEED'] === undefined ? '20' : '1'));
const COMMANDS = 400;
const VERSION = redisVersion();

const TOUCH_ALL = ['TOUCH', ...KEYS].map((word) => Buffer.from(word, 'latin1'));

/** The order of keys is nobody's. */
function comparable(args: readonly Buffer[], answer: Answer): string {
  const lines = answerLines(answer);
  const name = String(args[0]).toLowerCase();
  return (name === 'keys' || name === 'scan' ? lines.sort() : lines).join('\n');
}

describe('random commands', () => {
  let redis: RedisProcess | undefined;
  beforeAll(async () => {
    if (VERSION === undefined) console.warn('no redis-server: answers are compared with nothing');
    else redis = await RedisProcess.start();
  });
  afterAll(() => redis?.stop());

  it.each(Array.from({ length: RUNS }, (_, i) => FIRST + i))('seed %i', async (seed) => {
    const random = new Prng(seed);
    const { backend } = await serve();
    await redis?.run([Buffer.from('FLUSHALL')]);
    const done: string[] = [];
    while (done.length < COMMANDS) {
      // As one client's pipeline: later commands see what is not committed yet.
      const pipeline = Array.from({ length: 1 + random.below(20) }, () => randomCommand(random));
      const answers = pipeline.map((args) => runCommand(backend, args, () => random.fraction()));
      for (const [i, args] of pipeline.entries()) {
        done.push(args.map(quoted).join(' '));
        const answer = await (answers[i] as Promise<Answer>);
        if (redis === undefined) continue;
        // Redis counts what has expired and was not looked at since.
        if (String(args[0]) === 'DBSIZE') await redis.run(TOUCH_ALL);
        const context = `seed ${seed}, after:\n${done.slice(-12).join('\n')}`;
        expect(comparable(args, answer), context).toBe(comparable(args, await redis.run(args)));
      }
    }
  });
});
