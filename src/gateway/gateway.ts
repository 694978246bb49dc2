/**
 * The Redis server without its sockets: takes connections from a listener, knows every client, and does what is due
 * by time (expiry, idle clients, the sync of every second). The store under it is a Backend; the gateway closes
 * neither it nor the listeners.
 */
import type { Clock, Connection, ConnectionHandler, Log, Random, Timer } from '../base/env.js';
import { NokvError } from '../base/errors.js';
import type { Backend } from './backend.js';
import type { Command, Entry, ServerFacts } from './client.js';
import { ClientPause } from './client-pause.js';
import type { DataCommand } from './command.js';
import { commandTable, missingCommands } from './commands/all-commands.js';
import type { CommandTable } from './command-table.js';
import type { GatewayConfig } from './config.js';
import { GatewayCounters, gatewayStats } from './counters.js';
import { shown, storeError, unsupportedCommand } from './error-text.js';
import { FailureLog } from './failure-log.js';
import { NameCache } from './name-cache.js';
import { RedisError, type Reply } from './reply.js';
import { SlotPool } from './reply-queue.js';
import { RespWriter } from './resp-writer.js';
import { Session, type SessionHost } from './session.js';
import { Slowlog } from './slowlog.js';

const TICK_MS = 100;
const TICKS_PER_SECOND = 10;
/** Steps of expiry in one tick; a step is short, but clients come first. */
const EXPIRY_STEPS_MAX = 16;
/** The wall clock is read once for the commands of a turn, but not less often than this. */
const WALL_STALE_MS = 0.5;
/** How long a client may take to close its end after ours is closed. */
const LINGER_MS = 1000;
const CLIENTS_MAX_REACHED = Buffer.from('-ERR max number of clients reached\r\n');
const RUN_ID_DIGITS = 40;

export interface GatewayOptions {
  readonly backend: Backend;
  /** Commands on keys and values. */
  readonly commands: readonly DataCommand[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly config: GatewayConfig;
  readonly facts: ServerFacts;
  /** SHUTDOWN was called. */
  readonly onShutdown: () => void;
}

export class Gateway implements SessionHost {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly random: Random;
  readonly config: GatewayConfig;
  readonly facts: ServerFacts;
  readonly table: CommandTable<Command>;
  readonly counters: GatewayCounters;
  readonly slowlog: Slowlog;
  readonly slots: SlotPool;
  readonly pause: ClientPause;
  readonly names: NameCache;
  readonly writer: RespWriter;
  readonly runId: string;
  readonly startedMs: number;
  wallMs: number;
  /** Uniform in [0, 1). */
  readonly randomFraction: () => number;
  /** Why commands of Redis are not here, by name. */
  readonly #missing: ReadonlyMap<string, string>;
  readonly #log: Log;
  readonly #failures: FailureLog;
  readonly #onShutdown: () => void;
  readonly #sessions: Map<number, Session>;
  #nextId: number;
  #timer: Timer | undefined;
  #ticks: number;
  #isExpiring: boolean;
  #hasExpiryFailed: boolean;
  #isSyncing: boolean;
  /** Written since the last sync began. */
  #isDirty: boolean;
  #hasSyncFailed: boolean;
  #lastSaveMs: number;
  /** Monotonic milliseconds when the last command had run. */
  #lastMs: number;
  /** As wallMs, by the monotonic clock. */
  #wallReadMs: number;
  #commandsAtSecond: number;
  #onEmpty: (() => void) | undefined;
  #isClosing: boolean;

  constructor(options: GatewayOptions) {
    this.backend = options.backend;
    this.clock = options.clock;
    this.random = options.random;
    this.config = options.config;
    this.facts = options.facts;
    this.table = commandTable(options.commands);
    this.#missing = missingCommands(this.table);
    this.counters = new GatewayCounters();
    this.slowlog = new Slowlog();
    this.slots = new SlotPool();
    this.pause = new ClientPause(options.clock, () => this.#resumeClients());
    this.names = new NameCache();
    this.writer = new RespWriter();
    this.runId = hexDigits(options.random, RUN_ID_DIGITS);
    this.startedMs = options.clock.nowMs();
    this.randomFraction = () => options.random.u32() / 4_294_967_296;
    this.#log = options.log;
    this.#failures = new FailureLog(options.clock, options.log);
    this.#onShutdown = options.onShutdown;
    this.#sessions = new Map();
    this.#nextId = 1;
    this.#timer = undefined;
    this.#ticks = 0;
    this.#isExpiring = false;
    this.#hasExpiryFailed = false;
    this.#isSyncing = false;
    this.#isDirty = false;
    this.#hasSyncFailed = false;
    this.#lastSaveMs = this.startedMs;
    this.#lastMs = options.clock.monotonicMs();
    this.#wallReadMs = this.#lastMs;
    this.wallMs = this.startedMs;
    this.#commandsAtSecond = 0;
    this.#onEmpty = undefined;
    this.#isClosing = false;
    this.config.onChange = () => this.#applyConfig();
    this.#applyConfig();
  }

  get clients(): ReadonlyMap<number, Session> {
    return this.#sessions;
  }

  get lastSaveMs(): number {
    return this.#lastSaveMs;
  }

  /** The `redis` object of the stats. */
  stats(): Readonly<Record<string, unknown>> {
    return gatewayStats(
      this.counters,
      this.table,
      this.#sessions.size,
      this.backend.expiredKeys ?? 0,
    );
  }

  // Connections.

  /** For `Net.listen`. */
  accept(connection: Connection): ConnectionHandler {
    const isFull = this.#sessions.size >= this.config.clientsMax;
    if (isFull || this.#isClosing) {
      this.counters.connectionsRefused++;
      this.clock.setTimer(LINGER_MS, () => connection.destroy());
      return refused(connection, isFull ? CLIENTS_MAX_REACHED : undefined);
    }
    const session = new Session(this, connection, this.#nextId++, this.clock.nowMs());
    this.#sessions.set(session.id, session);
    this.counters.connectionsAccepted++;
    return session;
  }

  onSessionClosed(session: Session): void {
    this.#sessions.delete(session.id);
    if (this.#sessions.size === 0) this.#onEmpty?.();
  }

  // Commands.

  /** Why a command of Redis is not here; undefined for one that Redis has not either. */
  unsupported(name: Buffer): RedisError | undefined {
    const lower = shown(name, 32).toLowerCase();
    const reason = this.#missing.get(lower);
    return reason === undefined ? undefined : unsupportedCommand(lower, reason);
  }

  /** A command ran; its reply may still wait for the disk. */
  onExecuted(session: Session, entry: Entry, args: readonly Buffer[]): void {
    const nowMs = this.clock.monotonicMs();
    const ms = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    if (nowMs - this.#wallReadMs >= WALL_STALE_MS) this.#readWall();
    this.counters.commands++;
    entry.calls++;
    entry.totalMs += ms;
    entry.latency.record(ms);
    if (entry.isWrite) this.#isDirty = true;
    const slowMs = this.config.slowlogMicroseconds / 1000;
    if (ms >= slowMs && slowMs >= 0 && entry.isInSlowlog) this.#logSlow(session, args, ms);
  }

  /** A write that was under way during a sync is not in it: the next one is due. */
  onWriteAnswered(): void {
    this.#isDirty = true;
  }

  /** A turn begins: what went before is nobody's time. */
  onTurn(): void {
    this.#lastMs = this.clock.monotonicMs();
    this.#readWall();
  }

  #readWall(): void {
    this.wallMs = this.clock.nowMs();
    this.#wallReadMs = this.#lastMs;
  }

  #logSlow(session: Session, args: readonly Buffer[], ms: number): void {
    this.counters.slowCommands++;
    this.slowlog.add(
      {
        atSeconds: Math.floor(this.clock.nowMs() / 1000),
        microseconds: Math.round(1000 * ms),
        args,
        address: session.remoteAddress,
        name: session.name,
      },
      this.config.slowlogLength,
    );
  }

  /** A command ran within EXEC. */
  onQueuedExecuted(entry: Entry, reply: Reply): void {
    this.counters.commands++;
    entry.calls++;
    if (entry.isWrite) this.#isDirty = true;
    if (reply instanceof RedisError) {
      entry.failed++;
      this.counters.countError(reply.text);
    }
  }

  /** What a client is told when its command threw something else than a RedisError. */
  errorReply(error: unknown): RedisError {
    if (error instanceof RedisError) return error;
    if (error instanceof NokvError) {
      this.#failures.add(error.code, error.message);
      return storeError(error);
    }
    this.reportDefect(error);
    return new RedisError('ERR internal error; the log of the server has it');
  }

  reportDefect(error: unknown): void {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#log.write('error', 'redis_defect', { stack });
  }

  onHttp(session: Session): void {
    const { remoteAddress } = session;
    this.#log.write('warn', 'redis_http_refused', { remoteAddress });
  }

  // What commands ask for.

  async save(): Promise<void> {
    this.#isDirty = false;
    await this.backend.sync();
    this.#hasSyncFailed = false;
    this.#lastSaveMs = this.clock.nowMs();
  }

  shutdown(): void {
    this.#onShutdown();
  }

  #resumeClients(): void {
    for (const session of [...this.#sessions.values()]) session.onPauseOver();
  }

  #applyConfig(): void {
    this.backend.setDurability?.(this.config.appendFsync === 'always' ? 'disk' : 'os');
    this.slowlog.trim(this.config.slowlogLength);
  }

  // Time.

  start(): void {
    this.#timer = this.clock.setTimer(TICK_MS, () => {
      this.#tick();
      if (!this.#isClosing) this.start();
    });
  }

  #tick(): void {
    // What pauses writers wants the data to stand still.
    if (this.config.isExpiryActive && !this.#isExpiring && this.pause.mode === 'none') {
      this.#isExpiring = true;
      void this.#expire().finally(() => {
        this.#isExpiring = false;
      });
    }
    if (++this.#ticks % TICKS_PER_SECOND === 0) this.#everySecond();
  }

  async #expire(): Promise<void> {
    try {
      for (let i = 0; i < EXPIRY_STEPS_MAX; i++) {
        if (!(await this.backend.expireSome())) return;
        this.#hasExpiryFailed = false;
        await this.clock.nextTurn();
      }
    } catch (error) {
      // Once, and not in every tick until somebody frees the disk.
      if (!this.#hasExpiryFailed) this.#report('redis_expiry_failed', error);
      this.#hasExpiryFailed = true;
    }
  }

  #everySecond(): void {
    this.counters.commandsPerSecond = Math.max(0, this.counters.commands - this.#commandsAtSecond);
    this.#commandsAtSecond = this.counters.commands;
    this.#closeIdle(this.clock.nowMs());
    if (this.config.appendFsync !== 'everysec' || !this.#isDirty || this.#isSyncing) return;
    this.#isSyncing = true;
    this.save()
      .catch((error: unknown) => {
        this.#isDirty = true;
        // Once, as above.
        if (!this.#hasSyncFailed) this.#report('redis_sync_failed', error);
        this.#hasSyncFailed = true;
      })
      .finally(() => {
        this.#isSyncing = false;
      });
  }

  #closeIdle(nowMs: number): void {
    const idleMsMax = 1000 * this.config.timeoutSeconds;
    for (const session of this.#sessions.values()) {
      if (session.endedMs > 0) {
        if (nowMs - session.endedMs > LINGER_MS) session.destroy();
      } else if (idleMsMax > 0 && nowMs - session.lastActiveMs > idleMsMax) session.finish();
    }
  }

  #report(event: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#log.write('warn', event, { message });
  }

  /**
   * Takes no more connections, answers what was received, and ends every client: idle ones at once, the others when
   * they have their replies, all of them after `graceMs`.
   */
  async close(graceMs: number): Promise<void> {
    this.#isClosing = true;
    this.#timer?.cancel();
    // What clients have sent is answered before they go.
    this.pause.end();
    for (const session of this.#sessions.values()) session.finish();
    if (this.#sessions.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      this.clock.setTimer(Math.min(graceMs, LINGER_MS), () => this.#destroyEnded());
      this.clock.setTimer(graceMs, () => {
        for (const session of this.#sessions.values()) session.destroy();
      });
    });
  }

  #destroyEnded(): void {
    for (const session of this.#sessions.values()) if (session.endedMs > 0) session.destroy();
  }
}

/** Somebody who is not let in. */
function refused(connection: Connection, reason: Uint8Array | undefined): ConnectionHandler {
  if (reason !== undefined) connection.write(reason);
  connection.end();
  return {
    onData: () => undefined,
    onDrain: () => undefined,
    onEnd: () => connection.destroy(),
    onClose: () => undefined,
  };
}

function hexDigits(random: Random, count: number): string {
  let digits = '';
  while (digits.length < count) digits += random.u32().toString(16).padStart(8, '0');
  return digits.slice(0, count);
}
