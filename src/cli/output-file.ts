/**
 * A file for a long listing that is there whole or not at all: lines go to FILE.partial, which takes the name
 * FILE when everything is written and synced. What is no regular file (a pipe, /dev/null) is written
 * to as it is.
 */
import { open, realpath, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Gathered before a write, characters. */
const BATCH_LENGTH = 512 * 1024;

export class OutputFile {
  readonly #path: string;
  /** undefined when lines go to `path` itself. */
  readonly #partial: string | undefined;
  readonly #handle: FileHandle;
  #pending: string[] = [];
  #pendingLength = 0;
  #bytes = 0;
  #isWhole = false;

  private constructor(path: string, partial: string | undefined, handle: FileHandle) {
    this.#path = path;
    this.#partial = partial;
    this.#handle = handle;
  }

  /** Begins a file; one of that name keeps its content until `commit`. */
  static async create(path: string): Promise<OutputFile> {
    const found = await stat(path).catch(() => undefined);
    const target = found === undefined ? path : await realpath(path);
    const partial = found === undefined || found.isFile() ? `${target}.partial` : undefined;
    return new OutputFile(target, partial, await open(partial ?? target, 'w'));
  }

  /** Bytes of the lines that were written. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a line; true, as somebody always reads a file. @throws the error of the system, with its path */
  async line(text: string): Promise<true> {
    this.#pending.push(text);
    this.#pendingLength += text.length + 1;
    if (this.#pendingLength >= BATCH_LENGTH) await this.#flush();
    return true;
  }

  /** Ends the file: from now on it is there, also after a power loss. @throws the error of the system, with its path */
  async commit(): Promise<void> {
    await this.#flush();
    if (this.#partial === undefined) return;
    try {
      await this.#handle.sync();
      await rename(this.#partial, this.#path);
      this.#isWhole = true;
      const directory = await open(dirname(this.#path), 'r');
      await directory.sync().finally(() => directory.close());
    } catch (error) {
      throw withPath(error, this.#path);
    }
  }

  /** Closes the file; without a commit before it, removes what was written. */
  async dispose(): Promise<void> {
    await this.#handle.close();
    if (this.#partial !== undefined && !this.#isWhole) await unlink(this.#partial);
  }

  async #flush(): Promise<void> {
    if (this.#pendingLength === 0) return;
    const bytes = Buffer.from(`${this.#pending.join('\n')}\n`);
    this.#pending = [];
    this.#pendingLength = 0;
    try {
      for (let at = 0; at < bytes.length;) {
        at += (await this.#handle.write(bytes, at)).bytesWritten;
      }
    } catch (error) {
      throw withPath(error, this.#partial ?? this.#path);
    }
    this.#bytes += bytes.length;
  }
}

/** What Node throws of an open file does not say which one; of a rename it does. */
function withPath(thrown: unknown, path: string): unknown {
  if (thrown instanceof Error && !('path' in thrown)) Object.assign(thrown, { path });
  return thrown;
}
