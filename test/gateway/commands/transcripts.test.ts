/**
 * Transcripts of commands and what Redis 7.0.15 answered: transcripts/*.txt, `> command` and below it the answer. Every
 * transcript begins with an empty keyspace. REWRITE=1 asks the real server (redis-process.ts) and writes them anew.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { splitInline } from '../../../src/gateway/inline-split.js';
import { serve } from '../../server/redis/backend-fixture.js';
import { answerLines, runCommand } from './command-runner.js';
import { RedisProcess, redisVersion } from './redis-process.js';

const DIRECTORY = join(import.meta.dirname, 'transcripts');
const FILES = readdirSync(DIRECTORY).filter((name) => name.endsWith('.txt'));
const REWRITE = process.env['REWRITE'] === '1';
const VERSION = redisVersion();

type Run = (args: readonly Buffer[]) => Promise<readonly string[]>;

/** The transcript with the answers of `run`. */
async function transcribe(text: string, run: Run): Promise<string> {
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('> ')) lines.push(line, ...(await run(argsOf(line.slice(2)))));
    else if (line === '' || line.startsWith('#')) lines.push(line);
  }
  return lines.join('\n');
}

function argsOf(line: string): Buffer[] {
  const args = splitInline(Buffer.from(line));
  if (args === undefined) throw new Error(`unbalanced quotes: ${line}`);
  return args;
}

describe('transcripts', () => {
  it.each(FILES)('%s: the commands answer as Redis does', async (name) => {
    const text = readFileSync(join(DIRECTORY, name), 'utf8');
    const { backend } = await serve();
    const random = new Prng(1);
    const run: Run = async (args) =>
      answerLines(await runCommand(backend, args, () => random.fraction()));
    expect(await transcribe(text, run)).toBe(text);
  });
});

describe.runIf(VERSION !== undefined)(`transcripts against redis-server ${VERSION ?? ''}`, () => {
  let redis: RedisProcess;
  beforeAll(async () => {
    redis = await RedisProcess.start();
  });
  afterAll(() => redis.stop());

  it.each(FILES)('%s is what Redis answers', async (name) => {
    const path = join(DIRECTORY, name);
    const text = readFileSync(path, 'utf8');
    await redis.run([Buffer.from('FLUSHALL')]);
    const answers = await transcribe(text, async (args) => answerLines(await redis.run(args)));
    if (REWRITE) writeFileSync(path, answers);
    else if (VERSION?.startsWith('7.0.') === true) expect(answers).toBe(text);
  });
});
