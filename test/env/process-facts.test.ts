import { describe, expect, it } from 'vitest';
import { commandLine } from '../../src/env/process-facts.js';

describe('commandLine', () => {
  it('shows the arguments, without the value of a password', () => {
    expect(commandLine(['node', 'run.js', 'redis', '--requirepass', 'secret', '-w', 'd'])).toEqual([
      'node',
      'run.js',
      'redis',
      '--requirepass',
      '(hidden)',
      '-w',
      'd',
    ]);
    expect(commandLine(['redis', '--requirepass=se=cret', '--addr=x'])).toEqual([
      'redis',
      '--requirepass=(hidden)',
      '--addr=x',
    ]);
    expect(commandLine()).toEqual(process.argv);
  });
});
