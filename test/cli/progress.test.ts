import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { formatCount } from '../../src/cli/format.js';
import { startProgress, type Progress } from '../../src/cli/progress.js';

interface Watched {
  progress: Progress;
  lines: () => string[];
  advance: (ms: number) => void;
}

async function watch(options: {
  /** Of a terminal; undefined: there is none. */
  columns?: number;
  total?: number;
  isQuiet?: boolean;
  detail?: (done: number, elapsedMs: number) => string;
}): Promise<Watched> {
  let nowMs = 0;
  const { columns } = options;
  const terminal = columns === undefined ? {} : { isTTY: true, columns };
  const stream = Object.assign(new PassThrough(), terminal);
  const progress = await startProgress({
    label: 'Checking',
    format: formatCount,
    isQuiet: options.isQuiet ?? false,
    stream: stream as unknown as NodeJS.WriteStream,
    nowMs: () => nowMs,
    ...(options.total === undefined ? {} : { total: options.total }),
    ...(options.detail === undefined ? {} : { detail: options.detail }),
  });
  return {
    progress,
    lines: () =>
      String(stream.read() ?? '')
        .split('\n')
        .slice(0, -1),
    advance: (ms) => {
      nowMs += ms;
    },
  };
}

describe('Progress on a terminal without a width', () => {
  it('prints lines: nothing can be drawn over there', async () => {
    const { progress, lines } = await watch({ total: 10, columns: 0 });
    progress.update(5);
    progress.stop();
    expect(lines()).toEqual(['Checking: 5 of 10, 50%, 0.00 ms left']);
  });
});

describe('Progress without a terminal', () => {
  it('prints one line for each tenth, with what is left', async () => {
    const { progress, lines, advance } = await watch({ total: 100 });
    for (let done = 0; done <= 100; done++) {
      progress.update(done);
      advance(100);
    }
    progress.stop();
    const printed = lines();
    expect(printed).toHaveLength(10);
    expect(printed[0]).toBe('Checking: 10 of 100, 10%, 9.0 s left');
    expect(printed[9]).toBe('Checking: 100 of 100, 100%, 0.00 ms left');
  });

  it('says more when it is given more to say, and nothing is left of a source that grew', async () => {
    const detail = (done: number, elapsedMs: number): string => `${done}/${elapsedMs} ms`;
    const { progress, lines, advance } = await watch({ total: 10, detail });
    advance(100);
    progress.update(12);
    expect(lines()).toEqual(['Checking: 12 of 10, 120%, 12/100 ms, 0.00 ms left']);
  });

  it('prints one line for each 30 seconds when the end is unknown', async () => {
    const { progress, lines, advance } = await watch({});
    for (let i = 1; i <= 61; i++) {
      advance(1000);
      progress.update(i);
    }
    expect(lines()).toEqual(['Checking: 30, 30.0 s', 'Checking: 60, 1 m 0 s']);
  });

  it('prints nothing when it is to be quiet', async () => {
    const { progress, lines, advance } = await watch({ total: 10, isQuiet: true });
    for (let i = 0; i <= 10; i++) {
      advance(40_000);
      progress.update(i);
    }
    progress.stop();
    expect(lines()).toEqual([]);
  });
});
