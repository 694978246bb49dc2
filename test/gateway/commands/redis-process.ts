/**
 * A real redis-server to compare with, when there is one: REDIS_SERVER names it, or it is found on PATH. It listens on
 * a socket in a directory of its own and keeps nothing.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Answer } from './command-runner.js';

export const REDIS_SERVER = process.env['REDIS_SERVER'] ?? 'redis-server';

/** Its version, or undefined when it cannot be run. */
export function redisVersion(): string | undefined {
  const { stdout, status } = spawnSync(REDIS_SERVER, ['--version'], { encoding: 'utf8' });
  return status === 0 ? /v=([\d.]+)/.exec(stdout)?.[1] : undefined;
}

export class RedisProcess {
  readonly #process: ChildProcess;
  readonly #directory: string;
  readonly #socket: Socket;
  #input: Buffer;
  #waiting: (() => void) | undefined;

  private constructor(child: ChildProcess, directory: string, socket: Socket) {
    this.#process = child;
    this.#directory = directory;
    this.#socket = socket;
    this.#input = Buffer.alloc(0);
    this.#waiting = undefined;
    socket.on('data', (chunk: Buffer) => {
      this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
      this.#waiting?.();
    });
  }

  static async start(): Promise<RedisProcess> {
    const directory = mkdtempSync(join(tmpdir(), 'nokv-redis-'));
    const path = join(directory, 'redis.sock');
    const settings = ['--port', '0', '--unixsocket', path, '--save', '', '--dir', directory];
    const child = spawn(REDIS_SERVER, settings, { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const line of child.stdout as AsyncIterable<Buffer>) {
      if (line.toString().includes('ready to accept connections at')) break;
    }
    const socket = connect(path);
    await once(socket, 'connect');
    return new RedisProcess(child, directory, socket);
  }

  async run(args: readonly Buffer[]): Promise<Answer> {
    this.#socket.cork();
    this.#socket.write(`*${args.length}\r\n`);
    for (const bytes of args) {
      this.#socket.write(`$${bytes.length}\r\n`);
      this.#socket.write(bytes);
      this.#socket.write('\r\n');
    }
    this.#socket.uncork();
    return this.#answer();
  }

  async stop(): Promise<void> {
    this.#socket.destroy();
    const ended = once(this.#process, 'exit');
    this.#process.kill();
    await ended;
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #answer(): Promise<Answer> {
    const line = await this.#line();
    const rest = line.slice(1);
    switch (line[0]) {
      case '+':
        return { status: rest };
      case '-':
        return { error: rest };
      case ':':
        return Number.isSafeInteger(Number(rest)) ? Number(rest) : BigInt(rest);
      case '$':
        return rest === '-1' ? null : this.#bulk(Number(rest));
      case '*': {
        if (rest === '-1') return null;
        const items: Answer[] = [];
        for (let i = 0; i < Number(rest); i++) items.push(await this.#answer());
        return items;
      }
      default:
        throw new Error(`not RESP2: ${line}`);
    }
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#input.indexOf('\r\n');
      if (end >= 0) {
        const line = this.#input.subarray(0, end).toString();
        this.#input = this.#input.subarray(end + 2);
        return line;
      }
      await this.#more();
    }
  }

  async #bulk(length: number): Promise<Buffer> {
    while (this.#input.length < length + 2) await this.#more();
    const bytes = Buffer.from(this.#input.subarray(0, length));
    this.#input = this.#input.subarray(length + 2);
    return bytes;
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }
}
