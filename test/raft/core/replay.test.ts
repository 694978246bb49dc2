/**
 * The scripts of test/raft/testdata, text for text, and what the replay says of scripts that differ.
 * REWRITE=1 writes actual outputs into the files; the difference is reviewed like code.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { main, replayText, scriptsBelow } from '../harness/replay.js';

const TESTDATA = fileURLToPath(new URL('../testdata', import.meta.url));
const FILES = scriptsBelow(TESTDATA);

describe('scripts', () => {
  it.each(FILES.map((file) => [relative(TESTDATA, file), file]))('%s', (_name, file) => {
    const replayed = replayText(readFileSync(file, 'utf8'));
    if (process.env['REWRITE'] === '1') writeFileSync(file, replayed.rewritten);
    else expect(replayed.difference).toBeUndefined();
  });

  it('are rewritten to themselves', () => {
    for (const file of FILES) {
      const text = readFileSync(file, 'utf8');
      expect(replayText(text).rewritten).toBe(text);
    }
  });
});

describe('replayText', () => {
  it('tells the kinds of scripts by their commands', () => {
    expect(replayText('simple\nv1\n----\n').kind).toBe('confchange');
    expect(replayText('vote cfg=(1) votes=(y)\n----\nVoteWon\n')).toMatchObject({
      kind: 'quorum',
      cases: 1,
      difference: undefined,
    });
    expect(replayText('raft-state\n----\nok\n').kind).toBe('interaction');
  });

  it('names the first line that differs', () => {
    const text =
      '# a group\nadd-nodes 1\n----\nINFO 1 switched to configuration voters=()\nother\n';
    expect(replayText(text).difference).toEqual({
      line: 5,
      command: 'add-nodes',
      expected: 'other',
      actual: 'INFO 1 became follower at term 0',
    });
  });

  it('finds missing and superfluous output', () => {
    const missing = replayText('raft-state\n----\n\nraft-state\n----\nok\nok\n');
    expect(missing.difference).toMatchObject({ line: 3, expected: undefined, actual: 'ok' });
    const extra = replayText('raft-state\n----\nok\nok\n');
    expect(extra.difference).toMatchObject({ line: 4, expected: 'ok', actual: undefined });
  });

  it('reads blank lines between doubled separators, continued lines and lists', () => {
    const text =
      'committed cfg=(1, 2) \\\n  idx=(4, 5)\n----\n----\n\nx\n----\n----\n\nvote\n----\nVoteWon\n';
    const { difference, cases } = replayText(text);
    expect(cases).toBe(2);
    expect(difference).toMatchObject({ line: 5, expected: '' });
  });

  it('shows a script error and a failed replica as output', () => {
    expect(replayText('campaign 1\n----\n').difference?.actual).toContain('no node 1');
    const text = 'add-nodes 1 voters=(1) index=3\n----\n\ncompact 1 9\n----\n';
    const lines = replayText(text).rewritten;
    expect(lines).toContain('panic: compact 9 is out of bound lastindex(3)');
  });
});

describe('raft:replay', () => {
  it('exits with 0 only when there are scripts and all are the same', () => {
    const output = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    try {
      expect(main([`${TESTDATA}/quorum`])).toBe(0);
      expect(main([fileURLToPath(new URL('../harness', import.meta.url))])).toBe(1);
      expect(main([])).toBe(1);
      expect(output.mock.calls.flat().at(-1)).toContain('No scripts');
    } finally {
      output.mockRestore();
    }
  });
});
