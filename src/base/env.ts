/**
 * The environment: everything that is not a pure function of its input. Clock, randomness, disk,
 * background executor and log come in through this interface, so that a whole database runs
 * from one seed in a test. src/env holds the real implementations and the simulated disk.
 */

/** Time. The wall clock may jump; the monotonic one does not. */
export interface Clock {
  /** Wall time, integer milliseconds since 1970. */
  nowMs(): number;
  /** Monotonic time, fractional milliseconds from an arbitrary origin. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`. A pending timer does not keep the process alive. */
  setTimer(delayMs: number, callback: () => void): Timer;
  /** Resolves after `delayMs`. Somebody waits for it, so it keeps the process alive. */
  sleep(delayMs: number): Promise<void>;
  /** Resolves in a later turn of the event loop, after pending I/O and messages were delivered. */
  nextTurn(): Promise<void>;
}

export interface Timer {
  /** Idempotent; a no-op after the timer fired. */
  cancel(): void;
}

export interface Random {
  /** Uniform in [0, 2^32). */
  u32(): number;
}

/**
 * read: existing file, read-only. create: new file, read-write, fails with EEXIST. update: existing
 * file, read-write.
 */
export type OpenMode = 'read' | 'create' | 'update';

/**
 * An open file. Positions and lengths are bytes. Every method throws IoError; a closed file throws
 * IoError with errno EBADF. Calls are synchronous because a cached read costs a microsecond.
 */
export interface FsFile {
  readonly path: string;
  /** Reads up to `length` bytes at `position` into `target[start...]`; returns the count, short only at the end of the file. */
  read(target: Uint8Array, start: number, length: number, position: number): number;
  /**
   * Writes `source[start, start + length)` at `position`; returns the count written, which may be
   * short (a full disk): the caller continues, and meets the error.
   */
  write(source: Uint8Array, start: number, length: number, position: number): number;
  truncate(size: number): void;
  size(): number;
  /** Data and size durable, off the calling thread. A failure means that unsynced pages may be lost. */
  sync(): Promise<void>;
  /** The same, blocking the calling thread: for worker jobs and rare steps. */
  syncBlocking(): void;
  /** Idempotent. */
  close(): void;
}

export interface FileStat {
  readonly bytes: number;
  readonly isDirectory: boolean;
  /** A regular file: no directory, pipe, socket or device, nor (of lstat) a link. */
  readonly isFile: boolean;
  /** Wall time of the last change of content, milliseconds. */
  readonly modifiedMs: number;
}

/** Held for the life of an open database; released by a crash of the process without help. */
export interface DirectoryLock {
  /** Idempotent. */
  release(): void;
}

/** The disk. Paths are absolute or relative to the process; separators are those of the platform. */
export interface Fs {
  open(path: string, mode: OpenMode): FsFile;
  /** Whole content. @throws IoError ENOENT when absent. */
  readFile(path: string): Uint8Array;
  /** undefined when nothing is there. */
  stat(path: string): FileStat | undefined;
  /** The same, of a link itself: neither a file nor a directory. */
  lstat(path: string): FileStat | undefined;
  /** Names (not paths) in a directory, sorted bytewise. @throws IoError ENOENT. */
  list(directory: string): string[];
  /** Creates the directory and its parents; fine when it is there. */
  makeDirectory(directory: string): void;
  /** Atomic; replaces the target. */
  rename(from: string, to: string): void;
  /**
   * A second name for a file.
   * @throws IoError EEXIST; EXDEV or EPERM where the file system can not do it; ENOTSUP for a symlink
   */
  link(from: string, to: string): void;
  remove(path: string): void;
  /** The same off the calling thread; resolves when it is done. For big files. */
  removeLater(path: string): Promise<void>;
  removeDirectory(directory: string): void;
  /** Makes creations, renames and removals in the directory durable. A no-op where the platform has none. */
  syncDirectory(directory: string): void;
  /** Bytes an ordinary user may still write, or undefined when the platform does not say. */
  freeBytes(path: string): number | undefined;
  /**
   * Takes the exclusive lock of a workdir by every mechanism the platform offers.
   * @throws LockedError naming the holder when any of them is held.
   */
  lockDirectory(directory: string): DirectoryLock;
  join(...parts: string[]): string;
}

/**
 * Runs background jobs: in worker threads in production, inline in tests. A job is plain data
 * (structured clone; SharedArrayBuffers are shared). A lane runs one job at a time, in order.
 */
export interface Executor {
  /** Resolves with the job's result (plain data); rejects with its NokvError, classes restored. */
  run(lane: string, job: unknown): Promise<unknown>;
  /** Waits for running jobs and stops the workers. Idempotent. */
  close(): Promise<void>;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  write(level: LogLevel, event: string, fields?: LogFields): void;
}

/** What the machine and the process are called; recorded in files so that recovery can tell a reboot. */
export interface Host {
  /** Changes at every boot of the machine; '' when the platform does not say. At most 64 ASCII characters. */
  readonly bootId: string;
  readonly pid: number;
  readonly name: string;
}

/** Where to listen. Port 0: any free one. `path`: a Unix socket (on Windows a named pipe). */
export type ListenAddress =
  { readonly host: string; readonly port: number } | { readonly path: string };

/** PEM texts. With `ca`, clients must have a certificate of it. */
export interface TlsMaterial {
  readonly key: Uint8Array;
  readonly cert: Uint8Array;
  readonly ca?: Uint8Array | undefined;
}

/** One end of a stream of bytes. Calls after its end are no-ops. */
export interface Connection {
  /** "10.0.0.7:52114", or the path of the socket. */
  readonly remoteAddress: string;
  readonly localAddress: string;
  /** Given to write() and not taken by the system yet, bytes. At 0 everything written was taken: its memory may be reused. */
  readonly bufferedBytes: number;
  /** False when there is more waiting than there should be: onDrain() comes when it is gone. Bytes that wait are not copied. */
  write(bytes: Uint8Array): boolean;
  /** What is written until uncork() goes out together. */
  cork(): void;
  uncork(): void;
  /** Nothing more is received until resume(). */
  pause(): void;
  resume(): void;
  /** Sends what was written, then closes this direction. */
  end(): void;
  /** Closes at once; what waits is lost. */
  destroy(): void;
}

/** Who hears of a connection. Never called from within a call of the connection. */
export interface ConnectionHandler {
  /** The bytes belong to the handler, but may lie in memory with others': who keeps a few for long copies them. */
  onData(bytes: Buffer): void;
  onDrain(): void;
  /** The other side sends nothing more. */
  onEnd(): void;
  /** The last call. `reason` is undefined for an orderly end. */
  onClose(reason: Error | undefined): void;
}

export interface Listener {
  /** "127.0.0.1:6380", or the path. */
  readonly address: string;
  /** 0 for a path. */
  readonly port: number;
  /** Takes no more connections; those that are open stay. Idempotent. */
  close(): Promise<void>;
}

export interface Net {
  /**
   * `accept` is called for every connection.
   * @throws IoError when the address cannot be taken; NokvError NOKV_INVALID for bad certificates
   */
  listen(
    address: ListenAddress,
    tls: TlsMaterial | undefined,
    accept: (connection: Connection) => ConnectionHandler,
  ): Promise<Listener>;
}

/** Memory of the process. */
export interface Memory {
  /**
   * Has the system give the pages of `bytes` to the process now, off this thread, instead of at their first use. `done` is
   * always called, in a later turn of the loop. Until then `bytes` are nobody else's; then their content is arbitrary.
   */
  prepare(bytes: Uint8Array, done: () => void): void;
}

export interface Env {
  readonly clock: Clock;
  readonly random: Random;
  readonly fs: Fs;
  readonly executor: Executor;
  readonly log: Log;
  readonly host: Host;
  /** Absent where pages come at their first use. */
  readonly memory?: Memory | undefined;
  /** Absent where nobody listens. */
  readonly net?: Net | undefined;
  /** Receives RECOVERY_METRIC lines at open; absent: nobody asked. */
  readonly trace?: ((line: string) => void) | undefined;
}

/** What a job gets inside a worker: it has no executor of its own. */
export type JobEnv = Pick<Env, 'clock' | 'fs' | 'log'>;

/** Discards everything. */
export const SILENT_LOG: Log = { write: () => undefined };
