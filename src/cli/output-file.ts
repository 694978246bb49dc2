/**
 * A file for a long listing that is there whole or not at all: lines go to FILE.PID-RANDOM.partial, which takes the
 * name FILE when everything is written and synced. The name is nobody else's: of two exports to FILE at a time, the one
 * that ends last is what FILE is. What is no regular file (a pipe, /dev/null) is written to as it is.
 *
 * A process that was killed leaves its partial file behind; the next one that writes FILE removes it.
 */
import { randomBytes } from 'node:crypto';
import { open, readdir, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Gathered before a write, characters. */
const BATCH_LENGTH = 512 * 1024;
/** A partial file that nobody has written to for so long is a left-over. */
const LEFT_OVER_MS = 60 * 60 * 1000;
const PARTIAL_NAME = /^\.(\d+)-[0-9a-f]{8}\.partial$/;

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
    if (found !== undefined && !found.isFile())
      return new OutputFile(target, undefined, await open(target, 'w'));
    await removeLeftOvers(target);
    const partial = `${target}.${process.pid}-${randomBytes(4).toString('hex')}.partial`;
    return new OutputFile(target, partial, await open(partial, 'wx'));
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
    if (this.#partial !== undefined && !this.#isWhole) await rm(this.#partial, { force: true });
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

/**
 * Removes partial files of processes that are gone. In another container a process of that number may be alive: it
 * has written lately then.
 */
async function removeLeftOvers(target: string): Promise<void> {
  const directory = dirname(target);
  const base = basename(target);
  for (const name of await readdir(directory).catch(() => [])) {
    const pid = name.startsWith(base) && PARTIAL_NAME.exec(name.slice(base.length))?.[1];
    if (pid === undefined || pid === false || isAlive(Number(pid))) continue;
    const path = join(directory, name);
    const modifiedMs = (await stat(path).catch(() => undefined))?.mtimeMs ?? Infinity;
    if (Date.now() - modifiedMs > LEFT_OVER_MS) await rm(path, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** What Node throws of an open file does not say which one; of a rename it does. */
function withPath(thrown: unknown, path: string): unknown {
  if (thrown instanceof Error && !('path' in thrown)) Object.assign(thrown, { path });
  return thrown;
}
