/**
 * Standard output for long listings: written in batches, at the speed of the reader, and no further
 * than it reads. After `| head` has what it wants, the next batch reports the end.
 */

/** Gathered before a write, characters. */
const BATCH_LENGTH = 32 * 1024;

export class Output {
  readonly #stream: NodeJS.WritableStream;
  #pending = '';
  #isClosed = false;

  constructor(stream: NodeJS.WritableStream = process.stdout) {
    this.#stream = stream;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.#isClosed = true;
    });
  }

  /** True when nobody reads any more: the command stops, with status 0. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Adds a line. Resolves to false when nobody reads any more. */
  async line(text: string): Promise<boolean> {
    this.#pending += `${text}\n`;
    return this.#pending.length < BATCH_LENGTH ? !this.#isClosed : this.flush();
  }

  /** Adds a line that comes in pieces: it may be longer than a string can be. False as of `line`. */
  async linePieces(pieces: Iterable<string>): Promise<boolean> {
    for (const piece of pieces) {
      this.#pending += piece;
      if (this.#pending.length >= BATCH_LENGTH && !(await this.flush())) return false;
    }
    return this.line('');
  }

  /** Writes what was gathered and then `data`, without line end; false when nobody reads any more. */
  async write(data: string | Uint8Array): Promise<boolean> {
    return (await this.flush()) && this.#write(data);
  }

  /** Writes what was gathered and waits until the system has it; false when nobody reads any more. */
  async flush(): Promise<boolean> {
    if (this.#isClosed) return false;
    if (this.#pending === '') return true;
    const text = this.#pending;
    this.#pending = '';
    return this.#write(text);
  }

  async #write(data: string | Uint8Array): Promise<boolean> {
    await new Promise<void>((resolve) => {
      this.#stream.write(data, (error) => {
        if (error) this.#isClosed = true;
        // A pipe takes writes synchronously: without a turn of the event loop no signal would arrive.
        setImmediate(resolve);
      });
    });
    return !this.#isClosed;
  }
}
