/**
 * Standard output for long listings: written in batches, at the speed of the reader, and no further
 * than it reads. After `| head` has what it wants, the next batch reports the end. A signal ends the wait for a reader
 * that takes nothing.
 */

/** Gathered before a write, characters. */
const BATCH_LENGTH = 32 * 1024;
/** What a reader has after a signal, to take what is under way. */
const GRACE_MS = 250;

export class Output {
  readonly #stream: NodeJS.WritableStream;
  #pending = '';
  readonly #signal: () => AbortSignal | undefined;
  #isClosed = false;
  #isStalled = false;

  /** `signal`: asked at every write; undefined as long as the command has none. */
  constructor(
    stream: NodeJS.WritableStream = process.stdout,
    signal: () => AbortSignal | undefined = () => undefined,
  ) {
    this.#stream = stream;
    this.#signal = signal;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.#isClosed = true;
    });
  }

  /** True when nobody reads any more: the command stops, with status 0. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** True when the signal came while the reader took nothing: what it did not take is given up. */
  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** Adds a line. Resolves to false when nobody reads any more. @throws the reason of the signal, when it stalled */
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
    if (this.#isClosed || this.#isStalled) return false;
    if (this.#pending === '') return true;
    const text = this.#pending;
    this.#pending = '';
    return this.#write(text);
  }

  async #write(data: string | Uint8Array): Promise<boolean> {
    const taken = new Promise<void>((resolve) => {
      this.#stream.write(data, (error) => {
        if (error) this.#isClosed = true;
        // A pipe takes writes synchronously: without a turn of the event loop no signal would arrive.
        setImmediate(resolve);
      });
    });
    const signal = this.#signal();
    if (signal === undefined) await taken;
    else if (!(await isTakenBefore(signal, taken))) {
      this.#isStalled = true;
      signal.throwIfAborted();
    }
    return !this.#isClosed;
  }
}

/** False when the signal came first, and the grace after it went by. */
function isTakenBefore(signal: AbortSignal, taken: Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const giveUp = (): void => {
      timer = setTimeout(() => resolve(false), GRACE_MS);
    };
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
    void taken.then(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      resolve(true);
    });
  });
}
