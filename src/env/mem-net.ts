/**
 * A network in memory, for tests: the test is the client. Bytes arrive when the test says so, in the pieces that it
 * cuts; what the server writes is kept, and taken by a reader that may be slow.
 */
import type {
  Connection,
  ConnectionHandler,
  ListenAddress,
  Listener,
  Net,
  TlsMaterial,
} from '../base/env.js';
import { IoError } from '../base/errors.js';

/** As of a socket of Node: from this many bytes on there is no room. */
const ROOM_BYTES = 16 * 1024;

export class MemNet implements Net {
  readonly #accepting = new Map<string, (connection: Connection) => ConnectionHandler>();
  #clients = 0;

  listen(
    address: ListenAddress,
    _tls: TlsMaterial | undefined,
    accept: (connection: Connection) => ConnectionHandler,
  ): Promise<Listener> {
    const name = 'path' in address ? address.path : `${address.host}:${address.port}`;
    if (this.#accepting.has(name)) {
      return Promise.reject(new IoError({ op: 'listen', path: name, errno: 'EADDRINUSE' }));
    }
    this.#accepting.set(name, accept);
    return Promise.resolve({
      address: name,
      port: 'path' in address ? 0 : address.port,
      close: () => {
        this.#accepting.delete(name);
        return Promise.resolve();
      },
    });
  }

  /** A client connects. @throws IoError ECONNREFUSED when nobody listens there */
  connect(name: string): MemClient {
    const accept = this.#accepting.get(name);
    if (accept === undefined) {
      throw new IoError({ op: 'connect', path: name, errno: 'ECONNREFUSED' });
    }
    return new MemClient(`client:${++this.#clients}`, name, accept);
  }
}

/** The client's end, and what the server sees of it. */
export class MemClient implements Connection {
  readonly remoteAddress: string;
  readonly localAddress: string;
  /** Bytes of the server that the client has read. */
  readonly #received: Buffer[];
  readonly #waiting: Buffer[];
  readonly #handler: ConnectionHandler;
  #waitingBytes: number;
  #unsent: Buffer[];
  #isSlow: boolean;
  #needsDrain: boolean;
  /** The server reads. */
  isReading: boolean;
  /** The server has ended its direction. */
  isEnded: boolean;
  isClosed: boolean;
  /** Writes of the server so far. */
  writes: number;

  constructor(
    remoteAddress: string,
    localAddress: string,
    accept: (connection: Connection) => ConnectionHandler,
  ) {
    this.remoteAddress = remoteAddress;
    this.localAddress = localAddress;
    this.#received = [];
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#unsent = [];
    this.#isSlow = false;
    this.#needsDrain = false;
    this.isReading = true;
    this.isEnded = false;
    this.isClosed = false;
    this.writes = 0;
    this.#handler = accept(this);
  }

  /** The client sends; a server that does not read gets it later. */
  send(bytes: Uint8Array | string): void {
    if (this.isClosed) return;
    this.#unsent.push(Buffer.from(bytes as Uint8Array));
    this.#deliver();
  }

  #deliver(): void {
    while (this.isReading && !this.isClosed) {
      const next = this.#unsent.shift();
      if (next === undefined) return;
      this.#handler.onData(next);
    }
  }

  /** Sent and not taken by the server, bytes. */
  get unsentBytes(): number {
    return this.#unsent.reduce((sum, { length }) => sum + length, 0);
  }

  /** The client sends nothing more. */
  sendEnd(): void {
    if (!this.isClosed) this.#handler.onEnd();
  }

  /** The client reads nothing until `readOn`. */
  stopReading(): void {
    this.#isSlow = true;
  }

  /** The client reads what waits, up to so many bytes, and goes on reading when it has all. */
  readOn(bytesMax = Infinity): void {
    let left = bytesMax;
    for (let next = this.#waiting[0]; next !== undefined && left > 0; next = this.#waiting[0]) {
      const taken = next.subarray(0, Math.min(left, next.length));
      this.#received.push(Buffer.from(taken));
      left -= taken.length;
      this.#waitingBytes -= taken.length;
      if (taken.length === next.length) this.#waiting.shift();
      else this.#waiting[0] = next.subarray(taken.length);
    }
    if (this.#waitingBytes > 0) return;
    this.#isSlow = false;
    if (!this.#needsDrain) return;
    this.#needsDrain = false;
    if (!this.isClosed) this.#handler.onDrain();
    this.#maybeClosed();
  }

  /** Everything that was read and not taken yet. */
  takeReceived(): Buffer {
    return Buffer.concat(this.#received.splice(0));
  }

  get bufferedBytes(): number {
    return this.#waitingBytes;
  }

  write(bytes: Uint8Array): boolean {
    if (this.isClosed || this.isEnded) return true;
    this.writes++;
    if (!this.#isSlow) {
      this.#received.push(Buffer.from(bytes));
      return true;
    }
    this.#waiting.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    this.#waitingBytes += bytes.length;
    this.#needsDrain ||= this.#waitingBytes >= ROOM_BYTES;
    return !this.#needsDrain;
  }

  cork(): void {
    return;
  }

  uncork(): void {
    return;
  }

  pause(): void {
    this.isReading = false;
  }

  resume(): void {
    if (this.isReading) return;
    this.isReading = true;
    queueMicrotask(() => this.#deliver());
  }

  end(): void {
    this.isEnded = true;
    this.#maybeClosed();
  }

  #maybeClosed(): void {
    if (this.isEnded && this.#waitingBytes === 0) this.#close(undefined);
  }

  destroy(): void {
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#close(undefined);
  }

  /** The client is gone without a word. */
  reset(): void {
    this.#close(new IoError({ op: 'read', path: this.remoteAddress, errno: 'ECONNRESET' }));
  }

  #close(reason: Error | undefined): void {
    if (this.isClosed) return;
    this.isClosed = true;
    queueMicrotask(() => this.#handler.onClose(reason));
  }
}
