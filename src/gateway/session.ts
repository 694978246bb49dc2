/**
 * One connection: takes its commands one after another, runs them and writes the replies in their order.
 *
 *   input -> RespReader -> execute -> reply known:    written at once, when nothing older waits
 *                                     reply promised: a slot in the queue; later commands go on meanwhile, so that
 *                                                     the writes of a pipeline meet in one commit of the store
 *
 * One turn (a chunk of input, or a burst of answers of the store) ends in one write to the socket. The session stops
 * taking commands, and then stops reading, while one of the HOLDs is on; what it holds in memory is bounded by them.
 */
import type { Connection, ConnectionHandler } from '../base/env.js';
import type { CommitSignal, View } from './backend.js';
import type { Client, Command, Entry, ReplyMode, Server } from './client.js';
import type { DataCommand } from './command.js';
import { NOAUTH, unknownCommand, wrongArity } from './error-text.js';
import { runTransaction, type TransactionHost } from './execute-transaction.js';
import { keysOf } from './key-positions.js';
import type { NameCache } from './name-cache.js';
import { kept, QUEUED, RedisError, type Reply } from './reply.js';
import {
  heldBytesOf,
  type ReplyOwner,
  ReplyQueue,
  type ReplySlot,
  type SlotPool,
} from './reply-queue.js';
import { RespReader } from './resp-reader.js';
import type { Protocol, RespWriter } from './resp-writer.js';
import { Transaction } from './transaction.js';

/** Replies that wait for the store. */
const WAITING_REPLIES_MAX = 4096;
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
/** Written in one turn before it is sent. */
const TURN_BYTES_MAX = 256 * 1024;
/** Not taken by the client: it is cut off. One reply may be this large. */
const OUTPUT_BYTES_MAX = 1024 * 1024 * 1024;

/** A command with a promise that later ones must wait for. */
const HOLD_BARRIER = 1;
/** Too many replies wait for the store. */
const HOLD_QUEUE = 2;
/** The client does not read. */
const HOLD_OUTPUT = 4;
/** Nothing more is executed. */
const HOLD_END = 8;
/** Commands like the postponed one wait: CLIENT PAUSE. */
const HOLD_PAUSE = 16;

const NO_ARGUMENTS: readonly Buffer[] = [];

/** The gateway, as its sessions see it. */
export interface SessionHost extends Server, TransactionHost {
  /** Empty between turns. */
  readonly writer: RespWriter;
  readonly slots: SlotPool;
  readonly names: NameCache;
  /** Why a command of Redis is not here; undefined for one that Redis has not either. */
  unsupported(name: Buffer): RedisError | undefined;
  /** Wall milliseconds when the turn began, or a command that took more than a moment ended. */
  readonly wallMs: number;
  /** A turn begins: what went before is nobody's time. */
  onTurn(): void;
  /** A command ran; its reply may still wait for the disk. */
  onExecuted(session: Session, entry: Entry, args: readonly Buffer[]): void;
  onSessionClosed(session: Session): void;
  /** Something that may have been written was answered. */
  onWriteAnswered(): void;
  reportDefect(error: unknown): void;
  /** A client speaks HTTP; it is cut off. */
  onHttp(session: Session): void;
}

export class Session implements Client, ConnectionHandler, ReplyOwner {
  readonly id: number;
  readonly server: SessionHost;
  readonly connectedMs: number;
  readonly transaction: Transaction<Command>;
  protocol: Protocol;
  replyMode: ReplyMode;
  name: string;
  clientLib: string;
  clientLibVersion: string;
  isNoEvict: boolean;
  isNoTouch: boolean;
  lastActiveMs: number;
  readonly #connection: Connection;
  readonly #reader: RespReader;
  readonly #queue: ReplyQueue;
  #entry: Entry | undefined;
  #holds: number;
  #isReading: boolean;
  #isInTurn: boolean;
  #isDrainDue: boolean;
  /** Ends when everything received is answered. */
  #isFinishing: boolean;
  #isEnded: boolean;
  #isClosed: boolean;
  /** The command that waits for the end of a pause; owned. */
  #postponed: Buffer[] | undefined;
  /** Wall milliseconds when the last reply was sent and the client was told that nothing follows; 0 before. */
  endedMs: number;
  /** What #runBody runs. */
  #command: DataCommand | undefined;
  #args: readonly Buffer[];
  readonly #runBody: (view: View) => Reply;
  readonly #drain: () => void;

  constructor(server: SessionHost, connection: Connection, id: number, nowMs: number) {
    this.id = id;
    this.server = server;
    this.connectedMs = nowMs;
    this.transaction = new Transaction<Command>();
    this.protocol = 2;
    this.replyMode = 'on';
    this.name = '';
    this.clientLib = '';
    this.clientLibVersion = '';
    this.isNoEvict = false;
    this.isNoTouch = false;
    this.lastActiveMs = nowMs;
    this.#connection = connection;
    this.#reader = new RespReader(server.names);
    this.#queue = new ReplyQueue();
    this.#entry = undefined;
    this.#holds = 0;
    this.#isReading = true;
    this.#isInTurn = false;
    this.#isDrainDue = false;
    this.#isFinishing = false;
    this.#isEnded = false;
    this.#isClosed = false;
    this.#postponed = undefined;
    this.endedMs = 0;
    this.#command = undefined;
    this.#args = NO_ARGUMENTS;
    // One for all commands of the session, instead of one each.
    this.#runBody = (view) => runData(this.#command as DataCommand, view, this.#args, server);
    this.#drain = () => {
      try {
        this.#drainReplies();
      } catch (error) {
        this.#onDefect(error);
      }
    };
    this.#greet();
  }

  #greet(): void {
    this.#reader.isStranger = this.server.config.password.length > 0;
    this.#reader.bulkBytesMax = this.server.config.bulkBytesMax;
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress;
  }

  get localAddress(): string {
    return this.#connection.localAddress;
  }

  get lastCommand(): string {
    return this.#entry?.name ?? 'NULL';
  }

  get inputBytes(): number {
    return this.#reader.pendingBytes;
  }

  get outputBytes(): number {
    return this.#connection.bufferedBytes + this.#queue.bytes;
  }

  get isAuthenticated(): boolean {
    return !this.#reader.isStranger || this.server.config.password.length === 0;
  }

  // What the connection says.

  onData(bytes: Buffer): void {
    const { server } = this;
    server.counters.bytesIn += bytes.length;
    server.onTurn();
    this.lastActiveMs = server.wallMs;
    // What comes after the end is read and dropped: a close with unread input would take the last reply with it.
    if (this.#isEnded || (this.#holds & HOLD_END) !== 0) return;
    this.#reader.push(bytes);
    this.#turn();
  }

  onDrain(): void {
    this.#release(HOLD_OUTPUT);
  }

  onEnd(): void {
    this.finish();
  }

  onClose(): void {
    this.#isClosed = true;
    this.#holds |= HOLD_END;
    this.transaction.end();
    this.server.onSessionClosed(this);
  }

  // A turn.

  #turn(): void {
    if (this.#isInTurn || this.#isClosed) return;
    this.#isInTurn = true;
    try {
      this.#takeCommands();
    } catch (error) {
      this.#onDefect(error);
    }
    this.#isInTurn = false;
    this.#send();
    this.#steerReading();
    this.#maybeEnd();
  }

  #takeCommands(): void {
    const reader = this.#reader;
    const { writer } = this.server;
    while (this.#holds === 0) {
      const args = this.#postponed ?? reader.next();
      if (args === undefined) break;
      if (this.#maybePostpone(args)) break;
      this.#execute(args);
      if (writer.pendingBytes >= TURN_BYTES_MAX) this.#send();
    }
    if (this.#holds !== 0) return;
    if (reader.failure !== undefined) this.#refuseInput(reader.failure);
    else if (this.#isFinishing) this.closeAfterReplies();
  }

  /** Keeps the command for the end of the pause, if it has to wait for it. */
  #maybePostpone(args: Buffer[]): boolean {
    const { pause, table } = this.server;
    if (
      pause.mode !== 'none' &&
      pause.holds(table.find(args[0] as Buffer), args, this.transaction)
    ) {
      this.#postponed ??= args.map((arg) => Buffer.from(arg));
      this.#holds |= HOLD_PAUSE;
      return true;
    }
    this.#postponed = undefined;
    return false;
  }

  onPauseOver(): void {
    this.#release(HOLD_PAUSE);
  }

  /** A defect of ours costs its client the connection, not everybody the server. */
  #onDefect(error: unknown): void {
    this.server.reportDefect(error);
    this.server.writer.discard();
    this.#connection.destroy();
  }

  #refuseInput(what: string): void {
    this.#answer(new RedisError(`ERR ${what}`), undefined);
    this.closeAfterReplies();
  }

  /** Sends what this session has written. */
  #send(): void {
    const { writer, counters } = this.server;
    const bytes = writer.pendingBytes;
    if (bytes === 0) return;
    if (this.#isClosed || this.#isEnded) {
      writer.discard();
      return;
    }
    counters.bytesOut += bytes;
    if (!writer.send(this.#connection)) this.#holds |= HOLD_OUTPUT;
    if (this.#connection.bufferedBytes > OUTPUT_BYTES_MAX) this.#connection.destroy();
  }

  #steerReading(): void {
    const shouldRead = (this.#holds & ~HOLD_END) === 0 || this.#isEnded;
    if (shouldRead === this.#isReading) return;
    this.#isReading = shouldRead;
    if (shouldRead) this.#connection.resume();
    else this.#connection.pause();
  }

  #release(hold: number): void {
    if ((this.#holds & hold) === 0) return;
    this.#holds &= ~hold;
    this.server.onTurn();
    this.#turn();
  }

  // Commands.

  #execute(args: Buffer[]): void {
    const { server } = this;
    const entry = server.table.find(args[0] as Buffer);
    if (entry === undefined && isHttp(args[0] as Buffer)) {
      this.#hangUp();
      return;
    }
    const refusal = this.#refusalOf(entry, args);
    if (refusal !== undefined) {
      if (entry !== undefined) entry.rejected++;
      // EXEC refuses what was queued with a wrong command among it.
      if (this.transaction.isOpen) this.transaction.isBroken = true;
      this.#answer(refusal, undefined);
      this.#stepReplyMode();
      return;
    }
    const known = entry as Entry;
    this.#entry = known;
    const { command } = known;
    if (this.transaction.isOpen && !known.isAboutTransaction) this.#enqueue(known, args);
    else if (command.kind === 'session') this.#runSession(known, args);
    else this.#runData(known, command, args);
    this.#stepReplyMode();
  }

  /** A page in a browser can send HTTP here, with commands in its body: nothing that follows is run, as in Redis. */
  #hangUp(): void {
    this.server.onHttp(this);
    this.#holds |= HOLD_END;
    this.#connection.destroy();
  }

  #refusalOf(entry: Entry | undefined, args: readonly Buffer[]): RedisError | undefined {
    if (entry === undefined) {
      return this.server.unsupported(args[0] as Buffer) ?? unknownCommand(args);
    }
    if (args.length < entry.argsMin || args.length > entry.argsMax) return wrongArity(entry.name);
    if (!this.isAuthenticated && !entry.isForStrangers) return NOAUTH;
    if (entry.isForbiddenInMulti && this.transaction.isOpen && !entry.isAboutTransaction) {
      return new RedisError('ERR Command not allowed inside a transaction');
    }
    return undefined;
  }

  #enqueue(entry: Entry, args: readonly Buffer[]): void {
    const isQueued = this.transaction.add(entry, args);
    this.#answer(isQueued ? QUEUED : new RedisError('ERR the transaction is too large'), undefined);
  }

  #runData(entry: Entry, command: DataCommand, args: readonly Buffer[]): void {
    const { server } = this;
    const { backend } = server;
    if (backend.updateAtOnce !== undefined) {
      this.#runAtOnce(entry, command, args);
      return;
    }
    let reply: Reply | Promise<Reply>;
    try {
      const keys = keysOf(command, args);
      reply = backend.update(keys as never, (view: View) =>
        kept(runData(command, view, args, server)),
      );
    } catch (error) {
      reply = this.errorReply(error);
    }
    server.onExecuted(this, entry, args);
    if (reply instanceof Promise) this.#promise(reply, entry);
    else this.#answer(reply, entry);
  }

  /** On a store that has everything at hand: without closures and promises. */
  #runAtOnce(entry: Entry, command: DataCommand, args: readonly Buffer[]): void {
    const { server } = this;
    const { backend } = server;
    let reply: Reply;
    try {
      this.#command = command;
      this.#args = args;
      reply = backend.updateAtOnce?.(this.#runBody, server.wallMs) ?? null;
    } catch (error) {
      reply = this.errorReply(error);
    }
    // What was received is not held for a client that says nothing more.
    this.#args = NO_ARGUMENTS;
    server.onExecuted(this, entry, args);
    const signal = backend.waitsFor;
    if (signal === undefined) this.#answer(reply, entry);
    else this.#answerAfter(signal, reply, entry);
  }

  #runSession(entry: Entry, args: readonly Buffer[]): void {
    const { command } = entry;
    let reply: Reply | Promise<Reply>;
    try {
      if (command.kind !== 'session') throw new TypeError('session: not a command of a connection');
      reply = command.run(this, args);
    } catch (error) {
      reply = this.errorReply(error);
    }
    this.server.onExecuted(this, entry, args);
    if (!(reply instanceof Promise)) {
      this.#answer(reply, entry);
      return;
    }
    this.#promise(reply, entry);
    if (command.kind === 'session' && command.isPassable === true) return;
    this.#holds |= HOLD_BARRIER;
    const release = (): void => this.#release(HOLD_BARRIER);
    reply.then(release, release);
  }

  execute(): Reply | Promise<Reply> {
    return runTransaction(this, this.server);
  }

  // Replies.

  #stepReplyMode(): void {
    if (this.replyMode === 'on') return;
    if (this.replyMode === 'skip') this.replyMode = 'on';
    else if (this.replyMode === 'skip-next') this.replyMode = 'skip';
  }

  #answer(reply: Reply, entry: Entry | undefined): void {
    if (reply instanceof RedisError) this.#countError(reply, entry);
    if (this.replyMode !== 'on') return;
    if (this.#queue.length === 0) {
      const { writer } = this.server;
      writer.protocol = this.protocol;
      writer.write(reply);
      return;
    }
    const slot = this.#newSlot(entry);
    slot.reply = kept(reply);
    slot.isDone = true;
    slot.bytes = heldBytesOf(slot.reply);
    this.#push(slot);
  }

  #answerAfter(signal: CommitSignal, reply: Reply, entry: Entry): void {
    const slot = this.#newSlot(entry);
    slot.isSilent = this.replyMode !== 'on';
    slot.reply = kept(reply);
    slot.bytes = heldBytesOf(slot.reply);
    this.#push(slot);
    signal.notify(slot);
  }

  #promise(reply: Promise<Reply>, entry: Entry): void {
    const slot = this.#newSlot(entry);
    slot.isSilent = this.replyMode !== 'on';
    this.#push(slot);
    reply.then(slot.onValue, slot.onError);
  }

  #newSlot(entry: Entry | undefined): ReplySlot {
    const slot = this.server.slots.take();
    slot.owner = this;
    slot.entry = entry;
    slot.protocol = this.protocol;
    return slot;
  }

  #push(slot: ReplySlot): void {
    const queue = this.#queue;
    queue.push(slot);
    if (queue.length >= WAITING_REPLIES_MAX || queue.bytes >= WAITING_BYTES_MAX) {
      this.#holds |= HOLD_QUEUE;
    }
  }

  onSettled(slot: ReplySlot): void {
    if (slot.reply instanceof RedisError) this.#countError(slot.reply, slot.entry);
    if (slot.entry?.isWrite === true || slot.entry?.name === 'exec') this.server.onWriteAnswered();
    if (slot !== this.#queue.head || this.#isDrainDue) return;
    // The answers of one commit come in one burst of microtasks: all of it goes out in one write.
    this.#isDrainDue = true;
    queueMicrotask(this.#drain);
  }

  #drainReplies(): void {
    this.#isDrainDue = false;
    const queue = this.#queue;
    const { writer, slots } = this.server;
    while (queue.head?.isDone === true) {
      const slot = queue.shift();
      if (!slot.isSilent) {
        writer.protocol = slot.protocol;
        writer.write(slot.reply);
      }
      slots.give(slot);
      if (writer.pendingBytes >= TURN_BYTES_MAX) this.#send();
    }
    this.#send();
    const hasRoom = queue.length < WAITING_REPLIES_MAX / 2 && queue.bytes < WAITING_BYTES_MAX / 2;
    if (hasRoom && (this.#holds & HOLD_QUEUE) !== 0) this.#release(HOLD_QUEUE);
    else this.#maybeEnd();
  }

  #countError(reply: RedisError, entry: ReplySlot['entry']): void {
    if (entry !== undefined) entry.failed++;
    this.server.counters.countError(reply.text);
  }

  errorReply(error: unknown): RedisError {
    return this.server.errorReply(error);
  }

  // What commands ask for.

  authenticate(password: Uint8Array): boolean {
    const isRight = isSameSecret(password, this.server.config.password);
    if (isRight) this.#reader.isStranger = false;
    else this.server.counters.authFailures++;
    return isRight;
  }

  reset(): void {
    this.transaction.end();
    this.protocol = 2;
    this.replyMode = 'on';
    this.name = '';
    this.isNoEvict = false;
    this.isNoTouch = false;
    this.#greet();
  }

  closeAfterReplies(): void {
    this.#holds |= HOLD_END;
  }

  kill(): void {
    if (this.#isInTurn) this.closeAfterReplies();
    else this.#connection.destroy();
  }

  /** Ends as soon as everything received so far is answered. */
  finish(): void {
    this.#isFinishing = true;
    if (this.#holds === 0) this.closeAfterReplies();
    this.#maybeEnd();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  #maybeEnd(): void {
    if ((this.#holds & HOLD_END) === 0 || this.#isEnded || this.#isInTurn) return;
    if (this.#queue.length > 0) return;
    this.#isEnded = true;
    this.endedMs = this.server.clock.nowMs();
    this.#connection.end();
    this.#steerReading();
  }
}

function runData(
  command: DataCommand,
  view: View,
  args: readonly Buffer[],
  server: SessionHost,
): Reply {
  // `keysOf` asks for all keys where a command needs them.
  return command.kind === 'keys'
    ? command.run(view, args)
    : command.run(view as never, args, server.randomFraction);
}

/** Takes as long for a wrong secret as for a right one of its length. */
function isSameSecret(given: Uint8Array, secret: Uint8Array): boolean {
  let difference = given.length ^ secret.length;
  for (let i = 0; i < given.length; i++) {
    difference |= (given[i] as number) ^ (secret[i % Math.max(1, secret.length)] ?? 0);
  }
  return difference === 0;
}

/** The first words of lines that every request with a body from a browser has, also when it is not the first. */
function isHttp(name: Buffer): boolean {
  if (name.length !== 4 && name.length !== 5) return false;
  const word = name.toString('latin1').toLowerCase();
  return word === 'post' || word === 'host:';
}
