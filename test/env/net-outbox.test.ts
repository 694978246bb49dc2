import { describe, expect, it } from 'vitest';
import { NetOutbox, type OutboxSocket } from '../../src/env/net-outbox.js';

/** A socket that takes everything, or holds it back; tells what it was given, in order, over all sockets. */
function socketOf(name: string, log: string[], isSlow = false): OutboxSocket & { held: number } {
  const socket = {
    held: 0,
    writable: true,
    get writableLength() {
      return socket.held;
    },
    get writableNeedDrain() {
      return socket.held > 0;
    },
    write(bytes: Uint8Array) {
      log.push(`${name}:${Buffer.from(bytes).toString()}`);
      if (isSlow) socket.held += bytes.length;
      return !isSlow;
    },
  };
  return socket;
}

function whileReading(outbox: NetOutbox, read: () => void): void {
  outbox.isReading = true;
  read();
  outbox.isReading = false;
}

function outboxOf(): { outbox: NetOutbox; endTurn: () => void } {
  const later: (() => void)[] = [];
  const outbox = new NetOutbox((callback) => later.push(callback));
  return { outbox, endTurn: () => later.splice(0).forEach((callback) => callback()) };
}

describe('NetOutbox', () => {
  it('holds what is written while input is read until the turn ends, in order; the bytes may be reused', () => {
    const { outbox, endTurn } = outboxOf();
    const log: string[] = [];
    const [a, b] = [socketOf('a', log), socketOf('b', log)];
    const bytes = Buffer.from('1');
    whileReading(outbox, () => expect(outbox.write(a, bytes)).toBe(true));
    bytes.fill('x');
    whileReading(outbox, () => outbox.write(b, Buffer.from('2')));
    whileReading(outbox, () => outbox.write(a, Buffer.from('3')));
    expect(log).toEqual([]);
    endTurn();
    expect(log).toEqual(['a:1', 'b:2', 'a:3']);
    whileReading(outbox, () => outbox.write(a, Buffer.from('4')));
    endTurn();
    expect(log.slice(3)).toEqual(['a:4']);
  });

  it('writes at once, behind what it holds, when no input is read, and what is long', () => {
    const { outbox, endTurn } = outboxOf();
    const log: string[] = [];
    const a = socketOf('a', log);
    whileReading(outbox, () => outbox.write(a, Buffer.from('1')));
    expect(outbox.write(a, Buffer.from('2'))).toBe(true);
    expect(log).toEqual(['a:1', 'a:2']);
    whileReading(outbox, () => {
      outbox.write(a, Buffer.from('3'));
      outbox.write(a, Buffer.alloc(20_000, 'l'));
    });
    expect(log.slice(2)).toEqual(['a:3', `a:${'l'.repeat(20_000)}`]);
    endTurn();
    expect(log).toHaveLength(4);
  });

  it('takes no more than its buffer', () => {
    const { outbox, endTurn } = outboxOf();
    const log: string[] = [];
    const a = socketOf('a', log);
    whileReading(outbox, () => {
      for (let i = 0; i < 100; i++) outbox.write(a, Buffer.alloc(16_000, `${i % 10}`));
    });
    expect(log.length).toBeGreaterThan(60);
    endTurn();
    expect(log.map((line) => line.slice(0, 3))).toEqual(
      Array.from({ length: 100 }, (_, i) => `a:${i % 10}`),
    );
  });

  it('leaves a slow socket the bytes that it still holds, and sends it nothing out of order', () => {
    const { outbox, endTurn } = outboxOf();
    const log: string[] = [];
    const slow = socketOf('slow', log, true);
    const given: Uint8Array[] = [];
    slow.write = (bytes: Uint8Array) => {
      given.push(bytes);
      slow.held += bytes.length;
      return false;
    };
    whileReading(outbox, () => outbox.write(slow, Buffer.from('first')));
    endTurn();
    whileReading(outbox, () => expect(outbox.write(slow, Buffer.from('second'))).toBe(false));
    whileReading(outbox, () => outbox.write(socketOf('b', log), Buffer.from('other')));
    endTurn();
    expect(given.map((bytes) => Buffer.from(bytes).toString())).toEqual(['first', 'second']);
  });

  it('forgets what is for a socket that was destroyed', () => {
    const { outbox, endTurn } = outboxOf();
    const log: string[] = [];
    const gone = socketOf('gone', log);
    whileReading(outbox, () => outbox.write(gone, Buffer.from('1')));
    Object.defineProperty(gone, 'writable', { value: false });
    endTurn();
    expect(log).toEqual([]);
  });
});
