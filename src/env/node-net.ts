/**
 * The network of a real process: TCP, TLS and Unix sockets. The system does not wait for more behind a write
 * (TCP_NODELAY): who has many small pieces gathers them, as the outbox does for a turn of the event loop. The modules
 * of Node are loaded when somebody listens: commands that do not would start later.
 */
import type { Server, Socket } from 'node:net';
import type {
  Connection,
  ConnectionHandler,
  ListenAddress,
  Listener,
  Net,
  TlsMaterial,
} from '../base/env.js';
import { IoError, NokvError } from '../base/errors.js';
import { NetInput } from './net-input.js';
import { NetOutbox } from './net-outbox.js';

/** A client that does not finish its TLS handshake is cut off after this. */
const HANDSHAKE_MS_MAX = 10_000;
/** Of the path of a socket, without its NUL. */
const SOCKET_PATH_BYTES_MAX = process.platform === 'linux' ? 107 : 103;
/** Connections that the system holds ready for us. */
const BACKLOG = 511;

export class NodeNet implements Net {
  async listen(
    address: ListenAddress,
    tls: TlsMaterial | undefined,
    accept: (connection: Connection) => ConnectionHandler,
  ): Promise<Listener> {
    // Immediates come when all sockets that had input in this turn have been read.
    const outbox = new NetOutbox((callback) => void setImmediate(callback));
    const server =
      tls === undefined
        ? await plainServer(outbox, accept)
        : await tlsServer(tls, (socket) => attachStream(socket, outbox, accept));
    if ('path' in address) await preparePath(address.path);
    await listen(server, address);
    // A failure to accept (no descriptor left) concerns one client; the server goes on.
    server.on('error', () => undefined);
    return new NodeListener(server, address);
  }
}

type Accept = (connection: Connection) => ConnectionHandler;

async function plainServer(outbox: NetOutbox, accept: Accept): Promise<Server> {
  const net = await import('node:net');
  const input = new NetInput();
  const options = { noDelay: true, keepAlive: true, allowHalfOpen: true, pauseOnConnect: true };
  return net.createServer(options, (socket) => {
    const handle = takeHandle(socket);
    if (handle === undefined) attachStream(socket, outbox, accept);
    else attachReader(net.Socket, handle, input, outbox, accept);
  });
}

async function tlsServer(
  { key, cert, ca }: TlsMaterial,
  open: (socket: Socket) => void,
): Promise<Server> {
  const { createServer } = await import('node:tls');
  const { X509Certificate } = await import('node:crypto');
  const options = {
    key: Buffer.from(key),
    cert: Buffer.from(cert),
    ...(ca === undefined
      ? {}
      : { ca: Buffer.from(ca), requestCert: true, rejectUnauthorized: true }),
    noDelay: true,
    keepAlive: true,
    allowHalfOpen: true,
    handshakeTimeout: HANDSHAKE_MS_MAX,
  };
  try {
    // A file without a certificate would be taken for an authority that nobody has a certificate of.
    if (ca !== undefined) new X509Certificate(Buffer.from(ca));
    const server = createServer(options, open);
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    return server;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const short = reason.split('::').at(-1) ?? '';
    const message = `Cannot listen with TLS: key or certificate is bad (${short})`;
    throw new NokvError('NOKV_INVALID', message, {
      hint: 'Give PEM files of a key and of its certificate, and of the certificate of an authority',
      details: { reason },
      cause,
    });
  }
}

/**
 * A process that was killed leaves its socket behind: nobody answers there, and nobody can listen either. It goes.
 * @throws NokvError NOKV_INVALID for what the system would misunderstand or blame on something else
 */
async function preparePath(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const bytes = Buffer.byteLength(path);
  // The system's structure ends there, and libuv would cut the path.
  if (bytes > SOCKET_PATH_BYTES_MAX) {
    throw new NokvError('NOKV_INVALID', `Cannot listen at ${path}: the path is too long`, {
      hint: `The path of a socket has up to ${SOCKET_PATH_BYTES_MAX} bytes: choose a shorter one, or a relative one`,
      details: { path, bytes },
    });
  }
  const { lstatSync, statSync, unlinkSync } = await import('node:fs');
  const { dirname } = await import('node:path');
  if (statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new NokvError('NOKV_NOT_FOUND', `Cannot listen at ${path}: there is no such directory`, {
      hint: 'Make the directory, or choose another path',
      details: { path },
    });
  }
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) {
    throw new NokvError('NOKV_INVALID', `Cannot listen at ${path}: it is no socket`, {
      hint: 'Choose another path; only a socket that a killed server left behind is replaced',
      details: { path },
    });
  }
  const { connect } = await import('node:net');
  const isDead = await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
  if (isDead) unlinkSync(path);
}

function listen(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      const path = 'path' in address ? address.path : `${address.host}:${address.port}`;
      const hint =
        error.code === 'EADDRINUSE'
          ? 'Another process listens there: stop it, or choose another address'
          : 'Check the address';
      const errno = error.code ?? 'EINVAL';
      reject(new IoError({ op: 'listen', path, errno }, { cause: error, hint }));
    };
    server.once('error', onError);
    server.listen({ ...address, backlog: BACKLOG }, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

class NodeListener implements Listener {
  readonly address: string;
  readonly port: number;
  readonly #server: Server;
  #closing: Promise<void> | undefined;

  constructor(server: Server, asked: ListenAddress) {
    this.#server = server;
    this.#closing = undefined;
    const bound = server.address();
    if ('path' in asked || typeof bound !== 'object' || bound === null) {
      this.address = 'path' in asked ? asked.path : '';
      this.port = 0;
    } else {
      this.address = addressOf(asked.host, bound.port);
      this.port = bound.port;
    }
  }

  close(): Promise<void> {
    // The callback comes when the last connection has ended; not listening any more is at once.
    this.#closing ??= Promise.resolve(void this.#server.close());
    return this.#closing;
  }
}

/** A socket that is read as any stream is. Its input may have been paused. */
function attachStream(socket: Socket, outbox: NetOutbox, accept: Accept): void {
  const handler = attach(socket, outbox, accept);
  socket.on('data', (bytes: Buffer) => {
    outbox.isReading = true;
    try {
      handler.onData(bytes);
    } finally {
      outbox.isReading = false;
    }
  });
  socket.resume();
}

/** The part of a socket that belongs to the system, as Node calls it. */
type SystemHandle = Readonly<Record<'useUserBuffer' | 'readStart', unknown>>;

/**
 * Takes a socket apart, to read from it without the layers of a stream: half of the time that a small request spends in
 * Node goes there. `new Socket({ onread })` is the documented way to have input without them, but a server makes
 * its sockets itself and has no such option. undefined when this Node builds its sockets in another way, or on Windows,
 * where a read may be given its memory before it ends: then the socket is as it was.
 */
function takeHandle(socket: Socket): SystemHandle | undefined {
  const holder = socket as unknown as { _handle?: SystemHandle | null };
  const handle = holder._handle;
  if (process.platform === 'win32') return undefined;
  if (typeof handle?.useUserBuffer !== 'function' || typeof handle.readStart !== 'function') {
    return undefined;
  }
  holder._handle = null;
  // Nothing is left in it to close; the server counts it as gone.
  socket.destroy();
  return handle;
}

/** A socket that reads into memory which all of them share. */
function attachReader(
  SocketClass: typeof Socket,
  handle: SystemHandle,
  input: NetInput,
  outbox: NetOutbox,
  accept: Accept,
): void {
  const callback = (length: number): boolean => {
    outbox.isReading = true;
    try {
      handler.onData(input.take(length));
    } finally {
      outbox.isReading = false;
    }
    return true;
  };
  const options = { handle, allowHalfOpen: true, onread: { buffer: input.buffer, callback } };
  // Input begins in a later turn: the handler is there by then.
  const handler = attach(new SocketClass(options), outbox, accept);
}

function attach(socket: Socket, outbox: NetOutbox, accept: Accept): ConnectionHandler {
  const connection = new NodeConnection(socket, outbox);
  // Before anything can fail: an error without a listener would end the process.
  let reason: Error | undefined;
  socket.on('error', (error) => {
    reason = error;
  });
  const handler = accept(connection);
  socket.on('drain', () => handler.onDrain());
  socket.on('end', () => handler.onEnd());
  socket.on('close', () => handler.onClose(reason));
  return handler;
}

class NodeConnection implements Connection {
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly #socket: Socket;
  readonly #outbox: NetOutbox;

  constructor(socket: Socket, outbox: NetOutbox) {
    this.#socket = socket;
    this.#outbox = outbox;
    this.remoteAddress = addressOf(socket.remoteAddress, socket.remotePort);
    this.localAddress = addressOf(socket.localAddress, socket.localPort);
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#socket.writable) return true;
    return this.#outbox.write(this.#socket, bytes);
  }

  cork(): void {
    this.#outbox.flush();
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#outbox.flush();
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** A Unix socket has no address of its own on the side of the client. */
function addressOf(host: string | undefined, port: number | undefined): string {
  if (host === undefined || port === undefined) return '';
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
