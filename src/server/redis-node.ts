/**
 * `nokv redis`: a database, the embedded backend on it, the gateway on that, and listeners in front. Owns all of them:
 * they open in this order, and close in the reverse one.
 */
import type {
  Connection,
  ConnectionHandler,
  ListenAddress,
  Listener,
  Net,
  TlsMaterial,
} from '../base/env.js';
import { NokvError } from '../base/errors.js';
import { type Db, openDb } from '../engine/db.js';
import type { OpenOptions } from '../engine/options.js';
import { createNodeEnv } from '../env/node-env.js';
import { memoryFigures, platformFacts, processorFigures } from '../env/process-facts.js';
import { ALL_KEYS } from '../gateway/backend.js';
import type { ServerFacts } from '../gateway/client.js';
import {
  type Compatibility,
  commandTable,
  compatibility,
} from '../gateway/commands/all-commands.js';
import { DATA_COMMANDS } from '../gateway/commands/data-commands.js';
import { type AppendFsync, GatewayConfig } from '../gateway/config.js';
import { Gateway } from '../gateway/gateway.js';
import { type EmbeddedBackend, openEmbeddedBackend } from './embedded-backend.js';
import { loadOptions } from './open-workdir.js';
import type { MetricsServer } from './metrics-server.js';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface RedisNodeOptions {
  readonly workdir: string;
  /** TOML file with options of the database. */
  readonly optionsFile?: string | undefined;
  /** Without TLS; port 0: any free one. Absent: none. */
  readonly address?: HostPort | undefined;
  readonly unixSocket?: string | undefined;
  /** Beside or instead of `address`. Files in PEM. */
  readonly tls?: (HostPort & TlsFiles) | undefined;
  readonly metrics?: HostPort | undefined;
  /** Empty or absent: nobody is asked. */
  readonly password?: string | undefined;
  readonly appendFsync: AppendFsync;
  readonly clientsMax: number;
  readonly timeoutSeconds: number;
  readonly slowlogMicroseconds: number;
  readonly nokvVersion: string;
}

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** With it, clients need a certificate that it signed. */
  readonly caFile?: string | undefined;
}

/** How long clients get at the end to take their replies, milliseconds. */
const GRACE_MS = 3000;

/** Opens and listens. @throws what opening throws; IoError for an address; NokvError NOKV_NOT_FOUND for a file of TLS */
export async function startRedisNode(options: RedisNodeOptions): Promise<RedisNode> {
  const env = createNodeEnv({ logLevel: 'warn' });
  const tls = options.tls === undefined ? undefined : readTls(env.fs, options.tls);
  const given: OpenOptions =
    options.optionsFile === undefined ? {} : await loadOptions(options.optionsFile);
  if ((given.hotKeyWriteLimit ?? 0) > 0) throw limitRefused();
  // A workdir that is not there is not made for a server that could not listen.
  if (env.fs.stat(options.workdir) === undefined) await tryListening(env.net as Net, options, tls);
  const db = await openDb(env, options.workdir, given);
  const node = new RedisNode(options, env, db);
  try {
    await node.start(env.net as Net, tls);
  } catch (error) {
    await node.stop();
    throw error;
  }
  return node;
}

/** The engine refuses a batch as a whole, and a batch has the writes of many clients. */
function limitRefused(): NokvError {
  return new NokvError('NOKV_INVALID', 'Cannot serve with hotKeyWriteLimit', {
    hint: 'Leave the option out: the writes of one key would be refused together with those of other clients',
  });
}

/** Listens, and no more. @throws as listening for good does */
async function tryListening(
  net: Net,
  { address, unixSocket, tls, metrics }: RedisNodeOptions,
  material: TlsMaterial | undefined,
): Promise<void> {
  const listeners: Listener[] = [];
  const listen = async (where: ListenAddress, secret?: TlsMaterial): Promise<void> => {
    listeners.push(await net.listen(where, secret, turnedAway));
  };
  try {
    if (address !== undefined) await listen(address);
    if (unixSocket !== undefined) await listen({ path: unixSocket });
    if (tls !== undefined) await listen({ host: tls.host, port: tls.port }, material);
    if (metrics !== undefined) await listen(metrics);
  } finally {
    await Promise.all(listeners.map((listener) => listener.close()));
  }
}

/** Of a client that is too early. */
function turnedAway(connection: Connection): ConnectionHandler {
  connection.destroy();
  const nothing = (): void => undefined;
  return { onData: nothing, onDrain: nothing, onEnd: nothing, onClose: nothing };
}

/** The command matrix of `nokv redis compat`. */
export function redisCompatibility(): Compatibility[] {
  return compatibility(commandTable(DATA_COMMANDS));
}

export class RedisNode {
  readonly #options: RedisNodeOptions;
  readonly #env: ReturnType<typeof createNodeEnv>;
  readonly #db: Db;
  readonly #listeners: Listener[];
  #plain: Listener | undefined;
  #secure: Listener | undefined;
  #backend: EmbeddedBackend | undefined;
  #gateway: Gateway | undefined;
  #metrics: MetricsServer | undefined;
  #stopping: Promise<void> | undefined;
  #onShutdown: () => void;
  /** SHUTDOWN was called by a client. */
  readonly shutdownAsked: Promise<void>;

  /** Use `startRedisNode`. */
  constructor(options: RedisNodeOptions, env: ReturnType<typeof createNodeEnv>, db: Db) {
    this.#options = options;
    this.#env = env;
    this.#db = db;
    this.#listeners = [];
    this.#plain = undefined;
    this.#secure = undefined;
    this.#backend = undefined;
    this.#gateway = undefined;
    this.#metrics = undefined;
    this.#stopping = undefined;
    this.#onShutdown = () => undefined;
    this.shutdownAsked = new Promise((resolve) => {
      this.#onShutdown = resolve;
    });
  }

  async start(net: Net, tls: TlsMaterial | undefined): Promise<void> {
    const { address, unixSocket, tls: secure, metrics } = this.#options;
    const backend = await openEmbeddedBackend(this.#env, this.#db);
    this.#backend = backend;
    const gateway = this.#createGateway(backend);
    this.#gateway = gateway;
    const listen = async (where: ListenAddress, material?: TlsMaterial): Promise<Listener> => {
      const listener = await net.listen(where, material, (connection) =>
        gateway.accept(connection),
      );
      this.#listeners.push(listener);
      return listener;
    };
    if (address !== undefined) this.#plain = await listen(address);
    if (unixSocket !== undefined) await listen({ path: unixSocket });
    if (secure !== undefined) {
      this.#secure = await listen({ host: secure.host, port: secure.port }, tls);
    }
    if (metrics !== undefined) {
      // HTTP is loaded for those who ask for it.
      const { startMetricsServer } = await import('./metrics-server.js');
      this.#metrics = await startMetricsServer({ stats: () => this.stats() }, metrics);
    }
    gateway.start();
  }

  #createGateway(backend: EmbeddedBackend): Gateway {
    const options = this.#options;
    return new Gateway({
      backend,
      commands: DATA_COMMANDS,
      clock: this.#env.clock,
      random: this.#env.random,
      log: this.#env.log,
      config: new GatewayConfig({
        appendFsync: options.appendFsync,
        ...(options.password === undefined ? {} : { password: options.password }),
        clientsMax: options.clientsMax,
        timeoutSeconds: options.timeoutSeconds,
        slowlogMicroseconds: options.slowlogMicroseconds,
        fixed: {
          dir: options.workdir,
          dbfilename: '',
          bind: options.address?.host ?? '',
          port: String(options.address?.port ?? 0),
          'tls-port': String(options.tls?.port ?? 0),
          unixsocket: options.unixSocket ?? '',
        },
      }),
      facts: this.#facts(),
      onShutdown: () => this.#onShutdown(),
    });
  }

  #facts(): ServerFacts {
    const port = (): number => this.#plain?.port ?? 0;
    return {
      nokvVersion: this.#options.nokvVersion,
      pid: this.#env.host.pid,
      bootId: this.#env.host.bootId,
      get port() {
        return port();
      },
      workdir: this.#options.workdir,
      ...platformFacts(),
      process: () => ({ ...memoryFigures(), ...processorFigures() }),
      store: () => storeFigures(this.#db),
    };
  }

  /** Where clients connect, as "127.0.0.1:6380", or the path of a socket. */
  get addresses(): readonly string[] {
    return this.#listeners.map(({ address }) => address);
  }

  /** Without TLS; 0 when there is none. */
  get port(): number {
    return this.#plain?.port ?? 0;
  }

  /** With TLS; 0 when there is none. */
  get tlsPort(): number {
    return this.#secure?.port ?? 0;
  }

  get metricsUrl(): string | undefined {
    return this.#metrics?.url;
  }

  /** Live keys. */
  async keyCount(): Promise<number> {
    return (await this.#backend?.update(ALL_KEYS, (view) => view.size())) ?? 0;
  }

  /** The stats of the database, and `redis` for the gateway. */
  stats(): object {
    return { ...this.#db.stats(), redis: this.#gateway?.stats() };
  }

  /** Commands that were executed. */
  get commands(): number {
    return this.#gateway?.counters.commands ?? 0;
  }

  /** Answers what was received, ends every client, makes everything durable and closes. Bounded in time. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    await this.#gateway?.close(GRACE_MS);
    await this.#metrics?.close();
    await this.#backend?.close();
    try {
      if (this.#gateway !== undefined) await this.#db.sync();
    } finally {
      await this.#db.close();
    }
  }
}

/** What an operator looks for first. */
function storeFigures(db: Db): ReadonlyMap<string, string | number> {
  const { entries, wal, value_log: valueLog, flush, compaction, write, memtable } = db.stats();
  return new Map<string, string | number>([
    ['stored_entries', entries],
    ['memtable_bytes', memtable.bytes],
    ['wal_bytes', wal.bytes],
    ['value_log_bytes', valueLog.bytes],
    ['flush_pending', flush.pending],
    ['compaction_backlog', compaction.backlog],
    ['sync_count', write.sync_count],
    ['throttle_mode', write.throttle_mode],
    ['write_failed', write.is_failed ? 1 : 0],
  ]);
}

type Files = ReturnType<typeof createNodeEnv>['fs'];

function readTls(fs: Files, { certFile, keyFile, caFile }: TlsFiles): TlsMaterial {
  return {
    cert: readPem(fs, certFile),
    key: readPem(fs, keyFile),
    ...(caFile === undefined ? {} : { ca: readPem(fs, caFile) }),
  };
}

function readPem(fs: Files, path: string): Uint8Array {
  if (fs.stat(path) === undefined) {
    throw new NokvError('NOKV_NOT_FOUND', `Cannot listen with TLS: there is no ${path}`, {
      details: { path },
      hint: 'Give PEM files with --tls-cert and --tls-key',
    });
  }
  if (fs.stat(path)?.isDirectory === true) {
    throw new NokvError('NOKV_INVALID', `Cannot listen with TLS: ${path} is a directory`, {
      details: { path },
      hint: 'Give PEM files with --tls-cert and --tls-key',
    });
  }
  return fs.readFile(path);
}
