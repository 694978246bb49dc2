import { describe, expect, it } from 'vitest';
import { TABLE_ROWS_MAX, tableLines, type Column, type Row } from '../../src/cli/table.js';

const COLUMNS: Column[] = [{ name: 'LEVEL' }, { name: 'FILES', align: 'right' }, { name: 'NOTE' }];

async function linesOf(rows: Iterable<Row> | AsyncIterable<Row>): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of tableLines(COLUMNS, rows)) lines.push(line);
  return lines;
}

describe('tableLines', () => {
  it('prints no borders, numbers to the right, nothing behind the last column', async () => {
    expect(
      await linesOf([
        ['L0', 9, 'overlapping'],
        ['L6', 1234, ''],
      ]),
    ).toEqual(['LEVEL  FILES  NOTE', 'L0         9  overlapping', 'L6      1234']);
  });

  it('prints the head alone when there are no rows', async () => {
    expect(await linesOf([])).toEqual(['LEVEL  FILES  NOTE']);
  });

  it('streams a long table in the layout of a short one', async () => {
    const rows = Array.from({ length: TABLE_ROWS_MAX + 1 }, (_, i): Row => [`L${i}`, i, 'x']);
    const long = await linesOf(rows);
    expect(long).toHaveLength(TABLE_ROWS_MAX + 2);
    expect(long.slice(0, 4)).toEqual((await linesOf(rows.slice(0, TABLE_ROWS_MAX))).slice(0, 4));
  });

  it('takes no more rows than lines are wanted, once it streams', async () => {
    let taken = 0;
    async function* endless(): AsyncGenerator<Row> {
      for (;;) yield ['L0', ++taken, 'x'];
    }
    const lines = tableLines(COLUMNS, endless());
    for (let i = 0; i < TABLE_ROWS_MAX + 10; i++) await lines.next();
    await lines.return();
    expect(taken).toBeLessThanOrEqual(TABLE_ROWS_MAX + 10);
  });
});
