/**
 * A small workdir with one byte, one length or one file damaged, in every way (a sample of them unless FULL=1;
 * npm run test:corruption): opening it and reading everything gives exactly what was written, or a NokvError
 * that names a file. Never another value, never less without a word, never a hang, never another error.
 */
import { describe, expect, it } from 'vitest';
import { NokvError } from '../../src/base/errors.js';
import { Prng } from '../../src/base/prng.js';
import type { MemFs } from '../../src/env/mem-fs.js';
import { type Damage, damages, type Ending, smallWorkdir, TINY, type Workdir } from './damage.js';
import { namesFile, readContent } from './history.js';
import { abandon, filesBelow, openOn, WORKDIR } from './simulation.js';

const FULL = process.env['FULL'] === '1';
const SEED = Number(process.env['SEED'] ?? '1');
const TIMEOUT_MS = FULL ? 7_200_000 : 60_000;
/** Of so many damages one is tried, when not all are. */
const STRIDE = 60;

type Verdict = 'right' | 'refused' | 'tail lost';

/** Opens and reads. @throws Error when the answer is not one of the allowed ones */
async function judge(
  disk: MemFs,
  { history, flushed }: Workdir,
  ending: Ending,
  isCut = false,
): Promise<Verdict> {
  let opened;
  try {
    opened = await openOn(disk, TINY);
    const content = readContent(opened.db);
    const all = history.issued;
    if (history.match(content, { low: all, operations: all }) === all) return 'right';
    const { walTornBytes, walLostSegments } = opened.db.recovery;
    // Cut between two records, the last segment is what a crash a moment earlier would have left.
    const isTold = walTornBytes + walLostSegments > 0 || isCut;
    if (ending === 'closed' || !isTold) {
      throw new Error(`silent: ${history.match(content, { low: all, operations: all })}`);
    }
    const found = history.match(content, { low: flushed, operations: all });
    if (typeof found === 'string') throw new Error(`more than a tail is lost: ${found}`);
    return 'tail lost';
  } catch (error) {
    if (error instanceof NokvError && namesFile(error)) return 'refused';
    throw error;
  } finally {
    if (opened !== undefined) abandon(opened);
  }
}

async function judgeDamage(workdir: Workdir, damage: Damage, ending: Ending): Promise<Verdict> {
  const disk = workdir.fs.clone();
  damage.apply(disk);
  try {
    return await judge(disk, workdir, ending, damage.isLogCut);
  } catch (error) {
    throw new Error(`${ending}: ${damage.what}: ${String(error)}`, { cause: error });
  }
}

describe.each(['closed', 'killed', 'powered off'] as const)('a workdir that was %s', (ending) => {
  it('has every kind of file', async () => {
    const { fs } = await smallWorkdir(ending);
    const files = filesBelow(fs, WORKDIR).join(' ');
    for (const part of ['CURRENT', 'MANIFEST-', '.wal', '.sst', 'bucket-000', 'bucket-001']) {
      expect(files).toContain(part);
    }
  });

  it(
    'gives the right content or an error, however it is damaged',
    async () => {
      const workdir = await smallWorkdir(ending);
      const { history } = workdir;
      expect(await judge(workdir.fs.clone(), workdir, ending)).toBe('right');
      const random = new Prng(SEED);
      const wrong: string[] = [];
      const verdicts = { right: 0, refused: 0, 'tail lost': 0 };
      let skip = 0;
      for (const damage of damages(workdir.fs)) {
        if (!FULL && --skip > 0 && !damage.what.endsWith('gone')) continue;
        skip = 1 + random.below(2 * STRIDE);
        try {
          verdicts[await judgeDamage(workdir, damage, ending)]++;
        } catch (error) {
          wrong.push(error instanceof Error ? error.message : String(error));
        }
      }
      expect(wrong.slice(0, 20), `${wrong.length} of them`).toEqual([]);
      expect(verdicts.refused).toBeGreaterThan(verdicts['tail lost']);
      expect(history.issued).toBeGreaterThan(20);
    },
    TIMEOUT_MS,
  );
});
