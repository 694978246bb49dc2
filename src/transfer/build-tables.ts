/**
 * JSON Lines into external tables: rows in the order of their keys, as they come. Memory is that of the table writer.
 * A line that is no row, or out of order, ends it with the line's number.
 */
import { NokvError } from '../base/errors.js';
import type { FamilyName } from '../engine/options.js';
import type { TableWriter } from '../engine/external/table-writer.js';
import { LineReader } from './line-reader.js';
import { parseLine } from './parse-line.js';

export interface BuildOptions {
  /** Names the source in errors. */
  readonly source: string;
  readonly columnFamily: FamilyName;
  readonly signal?: AbortSignal;
  /** Called now and then with the bytes of the source that were taken. */
  readonly onProgress?: (bytes: number) => void;
}

/** Adds every row of the input to the writer, which the caller finishes. @throws NokvError NOKV_INVALID naming a line */
export async function buildTables(
  input: AsyncIterable<Uint8Array>,
  writer: TableWriter,
  options: BuildOptions,
): Promise<void> {
  const reader = new LineReader(0, 0, 0);
  const put = { columnFamily: options.columnFamily };
  try {
    for await (const chunk of input) {
      options.signal?.throwIfAborted();
      reader.push(chunk);
      while (reader.next()) takeLine(reader, writer, put, options.source);
      options.onProgress?.(reader.offset);
    }
  } catch (error) {
    // A source that was torn down for the signal says so less clearly than its reason.
    options.signal?.throwIfAborted();
    throw error;
  }
  if (reader.finish()) takeLine(reader, writer, put, options.source);
}

function takeLine(
  reader: LineReader,
  writer: TableWriter,
  put: { readonly columnFamily: FamilyName },
  source: string,
): void {
  const row = parseLine(reader);
  if (typeof row !== 'object') return;
  const { line } = reader;
  if ('problem' in row) {
    throw new NokvError(
      'NOKV_INVALID',
      `Cannot build tables: line ${line} of ${source}: ${row.problem}`,
      {
        hint: 'Correct the line',
        details: { source, line },
      },
    );
  }
  try {
    writer.put(row.key, row.value, put);
  } catch (error) {
    if (!(error instanceof NokvError) || error.code !== 'NOKV_INVALID') throw error;
    throw new NokvError('NOKV_INVALID', `Line ${line} of ${source}: ${error.message}`, {
      hint: 'Sort the rows by the bytes of their keys, each key once, or give --sort',
      details: { ...error.details, source, line },
      cause: error,
    });
  }
}
