import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import type {
  Connection,
  ConnectionHandler,
  ListenAddress,
  Listener,
  TlsMaterial,
} from '../../src/base/env.js';
import { NetInput } from '../../src/env/net-input.js';
import { NodeNet } from '../../src/env/node-net.js';
import { temporaryDirectory } from './temp-directory.js';

/** A server's side of one connection: what happened to it, in order. */
class Peer implements ConnectionHandler {
  readonly connection: Connection;
  readonly received: Buffer[] = [];
  readonly events: string[] = [];
  onEvent: () => void = () => undefined;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  get text(): string {
    return Buffer.concat(this.received).toString('latin1');
  }

  onData(bytes: Buffer): void {
    this.received.push(bytes);
    this.onEvent();
  }

  onDrain(): void {
    this.#note('drain');
  }

  onEnd(): void {
    this.#note('end');
  }

  onClose(reason: Error | undefined): void {
    this.#note(reason === undefined ? 'close' : 'broken');
  }

  #note(event: string): void {
    this.events.push(event);
    this.onEvent();
  }

  /** Resolves when `isSo`, which is asked after each event. */
  until(isSo: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.onEvent = () => {
        if (isSo()) resolve();
      };
      this.onEvent();
    });
  }
}

const listeners: Listener[] = [];

async function serve(address: ListenAddress = { host: '127.0.0.1', port: 0 }): Promise<{
  listener: Listener;
  open: () => Promise<{ client: Socket; peer: Peer }>;
}> {
  const peers: Peer[] = [];
  const accept = (connection: Connection): Peer => {
    const peer = new Peer(connection);
    peers.push(peer);
    return peer;
  };
  const listener = await new NodeNet().listen(address, undefined, accept);
  listeners.push(listener);
  const open = async (): Promise<{ client: Socket; peer: Peer }> => {
    const client = 'path' in address ? connect(address.path) : connect(listener.port, '127.0.0.1');
    client.on('error', () => undefined);
    await once(client, 'connect');
    // The server says hello, so that its side is there.
    const hello = once(client, 'data');
    client.write('?');
    while (peers.length === 0) await new Promise((resolve) => void setImmediate(resolve));
    const peer = peers.pop() as Peer;
    await peer.until(() => peer.received.length > 0);
    peer.received.length = 0;
    peer.connection.write(Buffer.from('!'));
    await hello;
    return { client, peer };
  };
  return { listener, open };
}

afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.close();
});

describe('NodeNet', () => {
  it('receives what clients send at once, each its own, and keeps it right while others send', async () => {
    const { open } = await serve();
    const pairs = [];
    for (let i = 0; i < 20; i++) pairs.push(await open());
    for (let round = 0; round < 50; round++) {
      pairs.forEach(({ client }, i) => client.write(`${i}:${round};`));
      await new Promise((resolve) => void setImmediate(resolve));
    }
    for (const [i, { client, peer }] of pairs.entries()) {
      const expected = Array.from({ length: 50 }, (_, round) => `${i}:${round};`).join('');
      await peer.until(() => peer.text.length >= expected.length);
      expect(peer.text).toBe(expected);
      client.destroy();
    }
  });

  it('passes on input larger than one read, and output larger than the system takes', async () => {
    const { open } = await serve();
    const { client, peer } = await open();
    const bytes = Buffer.alloc(3_000_000, 'abcdefghijklmnopqrstuvwxyz0123456789');
    client.write(bytes);
    let length = 0;
    await peer.until(() => {
      length = peer.received.reduce((sum, piece) => sum + piece.length, 0);
      return length >= bytes.length;
    });
    expect(Buffer.concat(peer.received).equals(bytes)).toBe(true);
    client.pause();
    let written = 0;
    while (peer.connection.write(bytes)) written += bytes.length;
    written += bytes.length;
    expect(peer.connection.bufferedBytes).toBeGreaterThan(0);
    let read = 0;
    client.on('data', (piece: Buffer) => (read += piece.length));
    client.resume();
    await peer.until(() => peer.events.includes('drain'));
    while (read < written) await once(client, 'data');
    expect(read).toBe(written);
    client.destroy();
  });

  it('receives nothing while it is paused, and what was sent meanwhile after it', async () => {
    const { open } = await serve();
    const { client, peer } = await open();
    peer.connection.pause();
    client.write('first');
    const other = await open();
    other.client.write('x');
    await other.peer.until(() => other.peer.text === 'x');
    expect(peer.text).toBe('');
    peer.connection.resume();
    await peer.until(() => peer.text === 'first');
    peer.connection.pause();
    peer.connection.resume();
    client.write('second');
    await peer.until(() => peer.text === 'firstsecond');
    client.destroy();
    other.client.destroy();
  });

  it('may still answer a client that has ended its side, and closes when both have', async () => {
    const { open } = await serve();
    const { client, peer } = await open();
    client.end('last');
    await peer.until(() => peer.events.includes('end'));
    expect([peer.text, ...peer.events]).toEqual(['last', 'end']);
    const answer = once(client, 'data');
    peer.connection.write(Buffer.from('answer'));
    peer.connection.end();
    expect(String((await answer)[0])).toBe('answer');
    await peer.until(() => peer.events.includes('close'));
    expect(peer.events).toEqual(['end', 'close']);
  });

  it('ends first, and then sees the client end', async () => {
    const { open } = await serve();
    const { client, peer } = await open();
    peer.connection.end();
    await once(client, 'end');
    await peer.until(() => peer.events.includes('close'));
    expect(peer.events).toEqual(['end', 'close']);
  });

  it('says why a connection broke, once, and destroys one at once', async () => {
    const { open } = await serve();
    const { client, peer } = await open();
    client.resetAndDestroy();
    await peer.until(() => peer.events.length > 0);
    expect(peer.events).toEqual(['broken']);
    const second = await open();
    const closed = once(second.client, 'close');
    second.peer.connection.destroy();
    await second.peer.until(() => second.peer.events.includes('close'));
    await closed;
    expect(second.peer.connection.write(Buffer.from('into nothing'))).toBe(true);
  });

  it('listens at a path, too', async () => {
    const { open, listener } = await serve({ path: join(temporaryDirectory(), 'socket') });
    const { client, peer } = await open();
    client.write('by path');
    await peer.until(() => peer.text === 'by path');
    expect([peer.connection.remoteAddress, listener.port]).toEqual(['', 0]);
    client.end();
    await peer.until(() => peer.events.includes('end'));
    peer.connection.end();
    await peer.until(() => peer.events.includes('close'));
  });

  it('refuses a path that is no place for a socket, and touches nothing there', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'file'), 'mine');
    const long = join(directory, 'x'.repeat(108));
    for (const [path, code, message] of [
      [join(directory, 'file'), 'NOKV_INVALID', /it is no socket/],
      [directory, 'NOKV_INVALID', /it is no socket/],
      [join(directory, 'none', 'socket'), 'NOKV_NOT_FOUND', /no such directory/],
      [long, 'NOKV_INVALID', /too long/],
    ] as const) {
      const error: unknown = await serve({ path }).catch((one: unknown) => one);
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
    }
    expect(readdirSync(directory)).toEqual(['file']);
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('mine');
  });

  it('says what is wrong with the files of TLS', async () => {
    const read = (name: string): Buffer => readFileSync(`test/cli/fixtures/tls/${name}.pem`);
    const [cert, key] = [read('cert'), read('key')];
    const listen = (material: TlsMaterial): Promise<Listener> =>
      new NodeNet().listen({ host: '127.0.0.1', port: 0 }, material, () => {
        throw new Error('nobody connects');
      });
    await expect(listen({ cert: key, key })).rejects.toThrow(/bad \(no start line\)/);
    await expect(listen({ cert, key, ca: key })).rejects.toMatchObject({ code: 'NOKV_INVALID' });
    listeners.push(await listen({ cert, key, ca: cert }));
  });

  it('reads from streams where sockets are built in another way', async () => {
    const { open } = await serve();
    const probe = await open();
    type Handle = Record<string, unknown>;
    let holder = (probe.client as unknown as { _handle: Handle })._handle;
    while (!Object.hasOwn(holder, 'useUserBuffer'))
      holder = Object.getPrototypeOf(holder) as Handle;
    const { useUserBuffer } = holder;
    delete holder['useUserBuffer'];
    onTestFinished(() => {
      holder['useUserBuffer'] = useUserBuffer;
      probe.client.destroy();
    });
    const { client, peer } = await open();
    peer.connection.pause();
    client.write('first');
    peer.connection.resume();
    await peer.until(() => peer.text === 'first');
    client.end('last');
    await peer.until(() => peer.events.includes('end'));
    peer.connection.end();
    await peer.until(() => peer.events.includes('close'));
    expect([peer.text, ...peer.events]).toEqual(['firstlast', 'end', 'close']);
  });

  it('takes no more connections once closed; those that are open stay', async () => {
    const { open, listener } = await serve();
    const { client, peer } = await open();
    await listener.close();
    const refused = connect(listener.port, '127.0.0.1');
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
    client.write('still here');
    await peer.until(() => peer.text === 'still here');
    client.destroy();
    await peer.until(() => peer.events.length > 0);
  });
});

describe('NetInput', () => {
  it('hands out what was read as memory of its own, short and long', () => {
    const input = new NetInput();
    const taken: Buffer[] = [];
    for (let i = 0; i < 100; i++) {
      const length = i % 10 === 0 ? 5_000 : 700;
      input.buffer.fill(i, 0, length);
      taken.push(input.take(length));
    }
    input.buffer.fill(255);
    taken.forEach((bytes, i) => {
      expect(bytes.length).toBe(i % 10 === 0 ? 5_000 : 700);
      expect(bytes.every((byte) => byte === i)).toBe(true);
    });
    // Many short pieces share memory.
    expect(new Set(taken.map(({ buffer }) => buffer)).size).toBeLessThan(20);
  });
});
