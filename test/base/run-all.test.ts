import { describe, expect, it } from 'vitest';
import { runAll } from '../../src/base/run-all.js';

describe('runAll', () => {
  it('runs every step in turn, and throws the one error as it is', async () => {
    const seen: number[] = [];
    const error = new Error('second');
    const steps = [
      (): void => void seen.push(1),
      (): Promise<void> => Promise.reject(error),
      (): undefined => undefined,
      async (): Promise<void> => {
        await Promise.resolve();
        seen.push(3);
      },
      (): void => void seen.push(4),
    ];
    await expect(runAll('many', steps)).rejects.toBe(error);
    expect(seen).toEqual([1, 3, 4]);
  });

  it('throws several errors together', async () => {
    const fail = (text: string) => () => {
      throw new Error(text);
    };
    await expect(runAll('many', [fail('a'), fail('b')])).rejects.toMatchObject({
      message: 'many',
      errors: [{ message: 'a' }, { message: 'b' }],
    });
  });
});
