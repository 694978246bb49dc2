/** Where a command takes its lines from: a file, a named pipe, or standard input. */
import { constants, openSync } from 'node:fs';
import { open as openFile, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
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

/** Before something is made for their sake. @throws what the system says; NokvError NOKV_INVALID for a directory */
export async function mustBeFiles(call: string, files: readonly string[]): Promise<void> {
  for (const file of files) {
    if ((await stat(file)).isDirectory()) {
      throw new NokvError('NOKV_INVALID', `Cannot ${call} ${file}: it is a directory`, {
        hint: 'Name the files in it',
        details: { path: file },
      });
    }
  }
}

/** `signal` ends the wait for more bytes, too: a pipe may be silent for long. */
export async function openSource(call: string, file: string, signal: AbortSignal): Promise<Source> {
  if (file === STDIN) {
    const chunks = addAbortSignal(signal, process.stdin);
    return { name: STDIN, chunks, bytes: undefined, close: () => Promise.resolve() };
  }
  if (process.platform === 'linux' && (await isPipe(file))) return openPipe(file, signal);
  const handle = await openFile(file);
  const found = await handle.stat();
  if (found.isDirectory()) {
    await handle.close();
    throw new NokvError('NOKV_INVALID', `Cannot ${call} ${file}: it is a directory`, {
      hint: 'Name a file, or - for standard input',
    });
  }
  return {
    name: resolve(file),
    chunks: addAbortSignal(
      signal,
      handle.createReadStream({ highWaterMark: CHUNK_BYTES, autoClose: false }),
    ),
    bytes: found.isFile() ? found.size : undefined,
    close: () => handle.close(),
  };
}

/** False for what is not there: to open it says why. */
function isPipe(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFIFO(),
    () => false,
  );
}

/**
 * A named pipe. To open it as a file would wait for somebody who opens its other end, and neither that wait nor the one
 * for bytes could be ended. Linux says nothing of its end before it had a beginning: other systems may.
 */
function openPipe(file: string, signal: AbortSignal): Source {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  const socket = new Socket({ fd: descriptor, readable: true, writable: false });
  return {
    name: resolve(file),
    chunks: addAbortSignal(signal, socket),
    bytes: undefined,
    close: () => {
      socket.destroy();
      return Promise.resolve();
    },
  };
}

/** All bytes of a file or of standard input. @throws as openSource; NokvError NOKV_INVALID when they are more than `bytesMax` */
export async function readWhole(
  call: string,
  file: string,
  signal: AbortSignal,
  bytesMax: number,
): Promise<Uint8Array> {
  const source = await openSource(call, file, signal);
  try {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of source.chunks) {
      bytes += chunk.length;
      if (bytes > bytesMax) {
        throw new NokvError('NOKV_INVALID', `Cannot ${call} ${file}: it is too large`, {
          hint: `Give at most ${bytesMax} bytes`,
          details: { path: source.name },
        });
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, bytes);
  } finally {
    await source.close();
  }
}
