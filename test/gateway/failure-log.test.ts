import { describe, expect, it } from 'vitest';
import { createSimEnv } from '../../src/env/sim-env.js';
import { FailureLog } from '../../src/gateway/failure-log.js';

describe('FailureLog', () => {
  it('tells of the first failure of a kind at once, and of more once a second', () => {
    const { clock, log } = createSimEnv(1);
    const failures = new FailureLog(clock, log);
    for (let i = 0; i < 1000; i++) {
      failures.add('NOKV_NO_SPACE', 'no space left');
      if (i === 500) failures.add('NOKV_IO', 'failed');
      clock.advance(2);
    }
    const told = log
      .of('redis_command_failed')
      .map(({ timeMs, fields }) => [
        timeMs - (log.lines[0]?.timeMs ?? 0),
        fields['code'],
        fields['others_before'] ?? 0,
      ]);
    expect(told).toEqual([
      [0, 'NOKV_NO_SPACE', 0],
      [1000, 'NOKV_NO_SPACE', 499],
      [1000, 'NOKV_IO', 0],
    ]);
  });
});
