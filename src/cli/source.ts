/** Where a command takes its lines from: a file, or standard input. */
import { open as openFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { NokvError } from '../base/errors.js';

const CHUNK_BYTES = 1024 * 1024;
const STDIN = '-';

export interface Source {
  /** The absolute path; - for standard input. */
  readonly name: string;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** undefined for a pipe. */
  readonly bytes: number | undefined;
  readonly close: () => Promise<void>;
}

/** `signal` ends the wait for more bytes, too: a pipe may be silent for long. */
export async function openSource(call: string, file: string, signal: AbortSignal): Promise<Source> {
  if (file === STDIN) {
    const chunks = addAbortSignal(signal, process.stdin);
    return { name: STDIN, chunks, bytes: undefined, close: () => Promise.resolve() };
  }
  const handle = await openFile(file);
  const stat = await handle.stat();
  if (stat.isDirectory()) {
    await handle.close();
    throw new NokvError('NOKV_INVALID', `Cannot ${call} ${file}: it is a directory`, {
      hint: 'Name a file of JSON lines, or - for standard input',
    });
  }
  return {
    name: resolve(file),
    chunks: addAbortSignal(
      signal,
      handle.createReadStream({ highWaterMark: CHUNK_BYTES, autoClose: false }),
    ),
    bytes: stat.isFile() ? stat.size : undefined,
    close: () => handle.close(),
  };
}
