/** Just enough of a disk for table tests: named byte arrays, no crashes, no faults. */
import type { Fs, FsFile } from '../../../src/base/env.js';
import { IoError } from '../../../src/base/errors.js';

/** A file over a growing array; `bytes` is its content. */
export class TinyFile implements FsFile {
  readonly path: string;
  #data: Uint8Array;
  #size: number;
  #isClosed = false;
  /** Lengths of the reads made, for tests of readahead. */
  readonly reads: number[] = [];
  readonly writes: number[] = [];
  /** When set, no write takes more than this at once. */
  writeBytesMax = Number.MAX_SAFE_INTEGER;

  constructor(path: string, data: Uint8Array = new Uint8Array(0)) {
    this.path = path;
    this.#data = data;
    this.#size = data.length;
  }

  get content(): Uint8Array {
    return this.#data.slice(0, this.#size);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  read(target: Uint8Array, start: number, length: number, position: number): number {
    if (this.#isClosed) throw new IoError({ op: 'read', path: this.path, errno: 'EBADF' });
    const count = Math.max(0, Math.min(length, this.#size - position));
    target.set(this.#data.subarray(position, position + count), start);
    this.reads.push(count);
    return count;
  }

  write(source: Uint8Array, start: number, length: number, position: number): number {
    const count = Math.min(length, this.writeBytesMax);
    const end = position + count;
    if (end > this.#data.length) {
      const grown = new Uint8Array(2 * end);
      grown.set(this.#data.subarray(0, this.#size));
      this.#data = grown;
    }
    this.#data.set(source.subarray(start, start + count), position);
    this.#size = Math.max(this.#size, end);
    this.writes.push(count);
    return count;
  }

  truncate(size: number): void {
    this.#size = size;
  }

  size(): number {
    return this.#size;
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  syncBlocking(): void {}

  close(): void {
    this.#isClosed = true;
  }
}

/** An Fs that opens the given contents read-only; `opened` collects the files. */
export function tinyFs(contents: Map<string, Uint8Array>): Fs & { opened: TinyFile[] } {
  const opened: TinyFile[] = [];
  const open = (path: string): FsFile => {
    const data = contents.get(path);
    if (data === undefined) throw new IoError({ op: 'open', path, errno: 'ENOENT' });
    const file = new TinyFile(path, data);
    opened.push(file);
    return file;
  };
  return { open, opened } as unknown as Fs & { opened: TinyFile[] };
}
