/**
 * What the commands of a connection see (HELLO, MULTI, CLIENT, INFO ...): the client that asks, and the server around
 * it. Data commands see neither (command.ts).
 */
import type { Clock, Random } from '../base/env.js';
import type { Backend } from './backend.js';
import type { ClientPause } from './client-pause.js';
import type { CommandSpec, DataCommand } from './command.js';
import type { CommandTable, TableEntry } from './command-table.js';
import type { GatewayConfig } from './config.js';
import type { GatewayCounters } from './counters.js';
import type { Reply } from './reply.js';
import type { Protocol } from './resp-writer.js';
import type { Slowlog } from './slowlog.js';
import type { Transaction } from './transaction.js';

export interface SessionCommand extends CommandSpec {
  readonly kind: 'session';
  /** Later commands of the same client need not wait for its promise. */
  readonly isPassable?: boolean;
  /** Later commands of the same client wait for a promise, unless it is passable. Throws RedisError. */
  run(client: Client, args: readonly Buffer[]): Reply | Promise<Reply>;
}

export type Command = DataCommand | SessionCommand;
export type Entry = TableEntry<Command>;

/** skip: not this reply; skip-next: nor the next one. */
export type ReplyMode = 'on' | 'off' | 'skip' | 'skip-next';

export interface Client {
  readonly id: number;
  readonly server: Server;
  readonly remoteAddress: string;
  readonly localAddress: string;
  /** Wall milliseconds. */
  readonly connectedMs: number;
  readonly lastActiveMs: number;
  /** Name of the command that is running or ran last, lower case. */
  readonly lastCommand: string;
  /** Received and not executed; held for output. Bytes. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly transaction: Transaction<Command>;
  protocol: Protocol;
  replyMode: ReplyMode;
  name: string;
  clientLib: string;
  clientLibVersion: string;
  isNoEvict: boolean;
  isNoTouch: boolean;
  readonly isAuthenticated: boolean;
  /** True: the client is who it says. */
  authenticate(password: Uint8Array): boolean;
  /** As if it had just connected. */
  reset(): void;
  /** After the replies so far, and the one of the running command, have been sent. */
  closeAfterReplies(): void;
  /** At once, unless it is the client that asks: then as closeAfterReplies. */
  kill(): void;
  /** Runs what was queued, at once and whole. */
  execute(): Reply | Promise<Reply>;
}

/** Sizes of the process, bytes; times, seconds. */
export interface ProcessFigures {
  readonly rss: number;
  readonly heapUsed: number;
  readonly heapTotal: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
}

/** What does not change, and what only the host of the gateway knows. */
export interface ServerFacts {
  readonly nokvVersion: string;
  readonly pid: number;
  readonly bootId: string;
  /** Of the first TCP listener; 0 without one. */
  readonly port: number;
  readonly workdir: string;
  readonly os: string;
  readonly nodeVersion: string;
  process(): ProcessFigures;
  /** Figures of the store for INFO, by name. */
  store(): ReadonlyMap<string, string | number>;
}

export interface Server {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly random: Random;
  readonly table: CommandTable<Command>;
  readonly config: GatewayConfig;
  readonly counters: GatewayCounters;
  readonly slowlog: Slowlog;
  readonly facts: ServerFacts;
  /** 40 hexadecimal digits, new with every start. */
  readonly runId: string;
  /** Wall milliseconds. */
  readonly startedMs: number;
  /** Of the last sync that succeeded, wall milliseconds. */
  readonly lastSaveMs: number;
  readonly clients: ReadonlyMap<number, Client>;
  readonly pause: ClientPause;
  /** Makes everything acknowledged so far durable. */
  save(): Promise<void>;
  /** As a signal to the process would. */
  shutdown(): void;
}
