/** A gateway over memory: a simulated clock and network, and a backend whose commits the test holds back. */
import { MemNet, type MemClient } from '../../src/env/mem-net.js';
import { createSimEnv, type SimEnv } from '../../src/env/sim-env.js';
import type { ServerFacts } from '../../src/gateway/client.js';
import { GatewayConfig, type GatewayConfigInput } from '../../src/gateway/config.js';
import { Gateway } from '../../src/gateway/gateway.js';
import { MemoryBackend } from './memory-backend.js';
import { TOY_COMMANDS } from './toy-commands.js';

const ADDRESS = { host: '127.0.0.1', port: 6380 };

export const FACTS: ServerFacts = {
  nokvVersion: '0.0.0',
  pid: 7,
  bootId: 'boot',
  port: ADDRESS.port,
  workdir: '/data',
  os: 'test',
  nodeVersion: 'v20',
  process: () => ({ rss: 1, heapUsed: 1, heapTotal: 1, userSeconds: 0, systemSeconds: 0 }),
  store: () => new Map(),
};

/** Commits wait while it is held; `settle` ends those that wait, in any order. */
export class HeldCommits {
  isHeld = false;
  readonly #waiting: { resolve: () => void; reject: (error: unknown) => void }[] = [];

  readonly commit = (): Promise<void> | undefined => {
    if (!this.isHeld) return undefined;
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  };

  get count(): number {
    return this.#waiting.length;
  }

  /** Ends the one at this place, oldest first. */
  settle(at = 0, error?: unknown): void {
    const [one] = this.#waiting.splice(at, 1);
    if (error === undefined) one?.resolve();
    else one?.reject(error);
  }

  settleAll(): void {
    while (this.count > 0) this.settle();
  }
}

export class GatewayFixture {
  readonly env: SimEnv;
  readonly commits: HeldCommits;
  readonly backend: MemoryBackend;
  readonly gateway: Gateway;
  readonly net: MemNet;
  shutdowns = 0;

  constructor(config: GatewayConfigInput = {}) {
    this.env = createSimEnv(1);
    this.commits = new HeldCommits();
    this.backend = new MemoryBackend({
      nowMs: () => this.env.clock.nowMs(),
      commit: this.commits.commit,
    });
    this.net = new MemNet();
    this.gateway = new Gateway({
      backend: this.backend,
      commands: TOY_COMMANDS,
      clock: this.env.clock,
      random: this.env.random,
      log: this.env.log,
      config: new GatewayConfig(config),
      facts: FACTS,
      onShutdown: () => {
        this.shutdowns++;
      },
    });
    void this.net.listen(ADDRESS, undefined, (connection) => this.gateway.accept(connection));
    this.gateway.start();
  }

  connect(): MemClient {
    return this.net.connect('127.0.0.1:6380');
  }

  /** Everything that is due in microtasks has happened. */
  settled(): Promise<void> {
    return this.env.clock.nextTurn();
  }

  /** Sends lines (inline commands) and gives what has come back. */
  async ask(client: MemClient, ...lines: string[]): Promise<string> {
    client.send(lines.map((line) => `${line}\r\n`).join(''));
    await this.settled();
    return client.takeReceived().toString('latin1');
  }
}

/** A command as clients send it. */
export function request(...args: readonly (string | Uint8Array)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = Buffer.from(arg as string);
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}
