import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Output } from '../../src/cli/output.js';

/** Takes `limit` writes, then answers EPIPE: a pipe whose reader has gone. */
class Pipe extends Writable {
  readonly chunks: string[] = [];
  readonly #limit: number;

  constructor(limit = Infinity) {
    super({ decodeStrings: false });
    this.#limit = limit;
  }

  override _write(chunk: string, _encoding: string, done: (error?: Error) => void): void {
    if (this.chunks.length >= this.#limit) {
      done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
      return;
    }
    this.chunks.push(chunk);
    done();
  }
}

describe('Output', () => {
  it('gathers lines into batches and keeps their order', async () => {
    const pipe = new Pipe();
    const output = new Output(pipe);
    for (let i = 0; i < 10_000; i++) expect(await output.line(`line ${i}`)).toBe(true);
    await output.flush();
    expect(pipe.chunks.length).toBeLessThan(10);
    expect(pipe.chunks.join('').split('\n')).toHaveLength(10_001);
    expect(pipe.chunks.join('')).toContain('line 4999\nline 5000\n');
  });

  it('says within one batch that nobody reads any more', async () => {
    const pipe = new Pipe(1);
    const output = new Output(pipe);
    let lines = 0;
    while (await output.line('x'.repeat(1023))) lines++;
    expect(lines).toBeLessThan(3 * 32);
    expect(output.isClosed).toBe(true);
    expect(await output.line('more')).toBe(false);
    expect(await output.flush()).toBe(false);
  });

  it('takes a line in pieces, in batches of bounded length, until nobody reads', async () => {
    const pipe = new Pipe(40);
    const output = new Output(pipe);
    const piece = 'x'.repeat(1000);
    expect(await output.linePieces(['one', ' ', 'line'])).toBe(true);
    expect(await output.linePieces(Array.from({ length: 1000 }, () => piece))).toBe(true);
    await output.flush();
    expect(pipe.chunks.join('')).toBe(`one line\n${piece.repeat(1000)}\n`);
    expect(Math.max(...pipe.chunks.map((chunk) => chunk.length))).toBeLessThan(40_000);
    let taken = 0;
    const endless = function* (): Generator<string, void, void> {
      for (;;) {
        taken++;
        yield piece;
      }
    };
    expect(await output.linePieces(endless())).toBe(false);
    expect(taken).toBeLessThan(1000);
  });

  it('a signal ends the wait for a reader that takes nothing, and only that', async () => {
    const reason = new Error('stop');
    const stalled = new Writable({ write: () => undefined });
    const controller = new AbortController();
    const output = new Output(stalled, () => controller.signal);
    await output.line('a');
    const written = output.flush();
    controller.abort(reason);
    await expect(written).rejects.toBe(reason);
    expect([output.isStalled, output.isClosed]).toEqual([true, false]);
    expect(await output.line('x'.repeat(100_000))).toBe(false);
    const late = new Output(new Writable({ write: () => undefined }), () => controller.signal);
    await expect(late.write('x')).rejects.toBe(reason);
    const pipe = new Pipe();
    const alive = new Output(pipe, () => controller.signal);
    await alive.line('what was listed before');
    expect(await alive.flush()).toBe(true);
    expect(pipe.chunks).toEqual(['what was listed before\n']);
    expect(alive.isStalled).toBe(false);
  });

  it('writes pieces behind the lines before them, each when the one before was taken', async () => {
    const pipe = new Pipe(3);
    const output = new Output(pipe);
    await output.line('line');
    expect(await output.write('piece')).toBe(true);
    expect(pipe.chunks).toEqual(['line\n', 'piece']);
    expect(await output.write(Buffer.from('bytes'))).toBe(true);
    expect(String(pipe.chunks[2])).toBe('bytes');
    expect(await output.write('more')).toBe(false);
    expect(await output.write('more')).toBe(false);
  });
});
