/** The row that a line of a file of JSON Lines holds: what import and the building of tables have in common. */
import { isUtf8 } from 'node:buffer';
import type { LineReader } from './line-reader.js';
import { parseRow, TRAILER } from './row-line.js';

const BYTE_ORDER_MARK = '\uFEFF';
const REPLACEMENT = '\uFFFD';

/** The row of the reader's line; TRAILER also for an empty line: neither is a row. */
export function parseLine(reader: LineReader): ReturnType<typeof parseRow> {
  let text = reader.bytes.toString('utf8', reader.start, reader.end);
  // What is no UTF-8 was replaced, which must not pass for the value of a row.
  if (text.includes(REPLACEMENT) && !isUtf8(reader.bytes.subarray(reader.start, reader.end))) {
    return { problem: 'it is no UTF-8; give bytes as key_base64 and value_base64' };
  }
  if (reader.line === 1 && text.startsWith(BYTE_ORDER_MARK)) text = text.slice(1);
  return text.trim() === '' ? TRAILER : parseRow(text);
}
