/**
 * Tables without borders, numbers to the right. The table library grows faster than linearly, so that
 * a long table is streamed with the widths of its first rows instead.
 */

export interface Column {
  readonly name: string;
  /** Numbers stand right. Default left. */
  readonly align?: 'left' | 'right';
}

export type Row = readonly (string | number)[];

/** Rows laid out as one table; more than that are streamed. */
export const TABLE_ROWS_MAX = 500;

const GAP = '  ';
const NO_BORDER = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: GAP,
};

/** The lines of a table, head first, without line ends. Rows are taken from `rows` as lines are taken. */
export async function* tableLines(
  columns: readonly Column[],
  rows: Iterable<Row> | AsyncIterable<Row>,
): AsyncGenerator<string, void, void> {
  let first: Row[] | undefined = [];
  let widths: number[] = [];
  for await (const row of rows) {
    if (first === undefined) {
      yield paddedLine(columns, widths, row);
    } else if (first.push(row) > TABLE_ROWS_MAX) {
      widths = widthsOf(columns, first);
      yield paddedLine(columns, widths, headOf(columns));
      for (const early of first) yield paddedLine(columns, widths, early);
      first = undefined;
    }
  }
  if (first !== undefined) yield* laidOutLines(columns, first);
}

async function* laidOutLines(
  columns: readonly Column[],
  rows: readonly Row[],
): AsyncGenerator<string, void, void> {
  const { default: Table } = await import('cli-table3');
  const table = new Table({
    head: [...headOf(columns)],
    chars: NO_BORDER,
    colAligns: columns.map((column) => column.align ?? 'left'),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push(row.map(String));
  for (const line of table.toString().split('\n')) yield line.trimEnd();
}

function headOf(columns: readonly Column[]): string[] {
  return columns.map((column) => column.name);
}

function widthsOf(columns: readonly Column[], rows: readonly Row[]): number[] {
  return columns.map((column, i) =>
    rows.reduce((width, row) => Math.max(width, String(row[i] ?? '').length), column.name.length),
  );
}

function paddedLine(columns: readonly Column[], widths: readonly number[], row: Row): string {
  const cells = columns.map((column, i) => {
    const text = String(row[i] ?? '');
    const width = widths[i] ?? 0;
    return column.align === 'right' ? text.padStart(width) : text.padEnd(width);
  });
  return cells.join(GAP).trimEnd();
}
