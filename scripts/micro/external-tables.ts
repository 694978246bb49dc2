/**
 * Building and ingesting external tables, of ROWS sorted rows (default 1 million; the figures in docs/external-tables.md are of
 * 10 million) of 16 bytes of key and 16 bytes of value:
 *
 *   ROWS=10000000 npm run bench:micro -- external-tables
 *
 * Ingested into an empty database, then into the same one: behind all rows, and over all rows. Prints rows per second and the
 * highest resident memory seen; work runs in the threads of dist, so build first. DIR names where (default: the system's
 * place for temporary files).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open, openTableWriter } from '../../src/index.js';

const ROWS = Number(process.env['ROWS'] ?? 1_000_000);
/** Between two looks at the memory. */
const POLL_MS = 50;
const directory = mkdtempSync(join(process.env['DIR'] ?? tmpdir(), 'nokv-external-'));

/** Runs one part; prints its rate and the highest resident memory during it. */
async function timed<T>(what: string, part: () => Promise<T>): Promise<T> {
  let peak = process.memoryUsage.rss();
  const look = (): void => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const poll = setInterval(look, POLL_MS);
  const start = performance.now();
  const result = await part();
  const seconds = (performance.now() - start) / 1000;
  look();
  clearInterval(poll);
  const rate = `${Math.round(ROWS / seconds).toLocaleString('en')} rows/s`;
  console.log(
    `${what.padEnd(44)} ${rate.padStart(18)} ${seconds.toFixed(2).padStart(7)} s ${(peak / 2 ** 20).toFixed(0).padStart(5)} MiB`,
  );
  return result;
}

/** Keys are PREFIX and 15 digits. */
async function build(name: string, prefix: string): Promise<string[]> {
  const writer = openTableWriter(join(directory, 'tables'), { name });
  const value = new Uint8Array(16);
  const key = Buffer.from(`${prefix}000000000000000`);
  for (let i = 0; i < ROWS; i++) {
    for (let digit = 15, rest = i; digit >= 4; digit--, rest = Math.floor(rest / 10))
      key[digit] = 48 + (rest % 10);
    value[0] = i;
    value[1] = i >>> 8;
    writer.put(key, value);
    // Let the disk and the timers have their turn.
    if (i % 100_000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return (await writer.finish()).map(({ file }) => file);
}

try {
  console.log(`${ROWS.toLocaleString('en')} rows of 16 + 16 bytes`);
  const first = await timed('build', () => build('first', 'k'));
  const behind = await build('behind', 'l');
  const over = await build('over', 'k');
  const data = join(directory, 'data');
  const db = await open(data);
  const levels: number[][] = [];
  const ingest = async (
    files: string[],
    options: { move?: boolean; verify?: boolean },
  ): Promise<void> => {
    const { tables } = await db.ingest(files, options);
    levels.push([...new Set(tables.map(({ level }) => level))]);
  };
  await timed('ingest, empty database, checked, copied', () => ingest(first, {}));
  await timed('ingest behind all rows, checked, copied', () => ingest(behind, {}));
  await timed('ingest over all rows, checked, copied', () => ingest(over, {}));
  const again = await build('again', 'k');
  await timed('ingest over all rows, moved, not checked', () =>
    ingest(again, { move: true, verify: false }),
  );
  console.log(`levels ${levels.map((one) => one.join('+')).join(', ')}`);
  await timed('scan of the last one', async () => {
    let rows = 0;
    for (const row of db.scan({ gte: 'k', lt: 'l' })) {
      if (row.value.length === 16) rows++;
      if (rows % 100_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    if (rows !== ROWS) throw new Error(`${rows} rows instead of ${ROWS}`);
  });
  await timed('export of the same', () =>
    db.exportTables({ gte: 'k', lt: 'l' }, join(directory, 'out')),
  );
  await db.close();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
