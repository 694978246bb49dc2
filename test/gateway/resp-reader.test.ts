import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import { BULK_BYTES_MAX, RespReader } from '../../src/gateway/resp-reader.js';
import { request } from './gateway-fixture.js';

interface Outcome {
  readonly commands: string[][];
  readonly failure: string | undefined;
}

/** What a reader makes of these pieces. Arguments are looked at when everything was read: none may have changed. */
function read(pieces: readonly Buffer[], reader = new RespReader()): Outcome {
  const commands: Buffer[][] = [];
  for (const piece of pieces) {
    reader.push(Buffer.from(piece));
    for (let args = reader.next(); args !== undefined; args = reader.next()) commands.push(args);
  }
  return {
    commands: commands.map((args) => args.map((arg) => arg.toString('latin1'))),
    failure: reader.failure,
  };
}

/** Cuts at the given places. */
function cut(bytes: Buffer, ...at: number[]): Buffer[] {
  const ends = [...at, bytes.length];
  return ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
}

const STREAM = Buffer.concat([
  request('SET', 'key', 'va\r\nlue'),
  Buffer.from('\r\n  ping  "a\\x41\\n\\"b" \'it\\\'s\'\r\n*0\r\n*-1\r\n'),
  request('GET', ''),
  Buffer.from('PING\n'),
  request(...Array.from({ length: 20 }, (_, i) => `argument ${i}`)),
  request('SET', 'big', Buffer.alloc(300, 'x')),
]);

describe('RespReader', () => {
  it('reads arrays and lines', () => {
    expect(read([STREAM]).commands.slice(0, 4)).toEqual([
      ['SET', 'key', 'va\r\nlue'],
      ['ping', 'aA\n"b', "it's"],
      ['GET', ''],
      ['PING'],
    ]);
  });

  it('reads the same whatever two places the input is cut at', () => {
    const whole = read([STREAM]);
    for (let a = 0; a <= STREAM.length; a++) {
      expect(read(cut(STREAM, a))).toEqual(whole);
      const b = Math.min(STREAM.length, a + 7);
      expect(read(cut(STREAM, a, b))).toEqual(whole);
    }
  });

  it('a small command in large memory does not hold it', () => {
    const reader = new RespReader();
    const bytes = request('SET', 'key', 'value');
    reader.push(bytes.subarray(0, 20));
    expect(reader.next()).toBeUndefined();
    reader.push(bytes.subarray(20));
    const args = reader.next() as Buffer[];
    expect(args.map(String)).toEqual(['SET', 'key', 'value']);
    for (const arg of args) expect(arg.buffer.byteLength).toBeLessThanOrEqual(bytes.length);
  });

  it('reads the same byte by byte', () => {
    const bytes = Array.from(STREAM, (byte) => Buffer.from([byte]));
    expect(read(bytes)).toEqual(read([STREAM]));
  });

  it('hands out views of the input, and copies only what is cut', () => {
    const chunk = request('GET', 'key');
    const reader = new RespReader();
    reader.push(chunk);
    expect(reader.next()?.[1]?.buffer).toBe(chunk.buffer);
    expect(reader.heldBytes).toBe(chunk.buffer.byteLength);
    expect(reader.next()).toBeUndefined();
    expect(reader.heldBytes).toBe(0);
  });

  it('keeps the beginning of a command out of memory that many clients share', () => {
    const slab = Buffer.alloc(32_768);
    const whole = Buffer.concat([request('GET', 'a'), request('SET', 'key', 'value')]);
    const cut = whole.length - 9;
    whole.copy(slab, 100, 0, cut);
    const reader = new RespReader();
    reader.push(slab.subarray(100, 100 + cut));
    expect(reader.next()?.map(String)).toEqual(['GET', 'a']);
    expect(reader.next()).toBeUndefined();
    expect(reader.heldBytes).toBeLessThan(100);
    slab.fill('x');
    reader.push(whole.subarray(cut));
    expect(reader.next()?.map(String)).toEqual(['SET', 'key', 'value']);
  });

  it.each([
    ['*x\r\n', 'invalid multibulk length'],
    ['*\r\n', 'invalid multibulk length'],
    ['*1048577\r\n', 'invalid multibulk length'],
    ['*99999999999999999999\r\n', 'invalid multibulk length'],
    ['*1\r\n:3\r\n', "expected '$', got ':'"],
    ['*1\r\n\r\n', "expected '$', got ' '"],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*1\r\n$x\r\n', 'invalid bulk length'],
    [`*1\r\n$${BULK_BYTES_MAX + 1}\r\n`, 'invalid bulk length'],
    ['get "a\r\n', 'unbalanced quotes in request'],
    ['get "a"b\r\n', 'unbalanced quotes in request'],
    ["get 'a\r\n", 'unbalanced quotes in request'],
    ['x'.repeat(65_537), 'too big inline request'],
    [`*${'1'.repeat(65_537)}`, 'too big mbulk count string'],
    [`*1\r\n$${'1'.repeat(65_537)}`, 'too big bulk count string'],
  ])('%j is refused', (text, error) => {
    const outcome = read([Buffer.from(`PING\r\n${text}`)]);
    expect(outcome).toEqual({ commands: [['PING']], failure: `Protocol error: ${error}` });
  });

  it('ends a line at a NUL', () => {
    expect(read([Buffer.from('ping a\0b c\r\n\0\r\nping\r\n')]).commands).toEqual([
      ['ping', 'a'],
      ['ping'],
    ]);
  });

  it('reads nothing after a failure', () => {
    const reader = new RespReader();
    read([Buffer.from('*x\r\n')], reader);
    expect(read([request('PING')], reader).commands).toEqual([]);
  });

  it('holds memory for what was sent, not for what was announced', () => {
    const reader = new RespReader();
    read([Buffer.from(`*2\r\n$3\r\nSET\r\n$${BULK_BYTES_MAX}\r\nabc`)], reader);
    for (let i = 0; i < 100; i++) read([Buffer.alloc(1000)], reader);
    expect(reader.failure).toBeUndefined();
    expect(reader.heldBytes).toBeLessThan(500_000);
  });

  it('copies a large argument a bounded number of times', () => {
    const value = Buffer.alloc(3_000_000, 'v');
    const bytes = request('SET', 'big', value);
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 65_536) pieces.push(bytes.subarray(at, at + 65_536));
    const reader = new RespReader();
    let moves = 0;
    let held = 0;
    for (const piece of pieces) {
      reader.push(piece);
      if (reader.heldBytes !== held) moves++;
      held = reader.heldBytes;
      const args = reader.next();
      if (args !== undefined) expect(args[2]?.equals(value)).toBe(true);
    }
    expect(moves).toBeLessThan(10);
  });
});

/** A stream of commands, good ones and bad ones. */
function randomStream(random: Prng): Buffer {
  const pieces: Buffer[] = [];
  for (let i = random.below(12); i >= 0; i--) pieces.push(randomPiece(random));
  return Buffer.concat(pieces);
}

function randomPiece(random: Prng): Buffer {
  switch (random.below(10)) {
    case 0: {
      const noise = Buffer.alloc(random.below(40));
      random.fill(noise);
      return noise;
    }
    case 1:
      return Buffer.from(`*${random.below(40) - 3}\r\n`);
    case 2:
      return Buffer.from(`*1\r\n$${random.below(30) - 2}\r\nabc\r\n`);
    case 3:
      return Buffer.from(
        ['PING\r\n', 'get "a b"\n', "set 'x", '\r\n', '"\\x4"\r\n'][random.below(5)]!,
      );
    case 4:
      return Buffer.alloc(random.below(70_000), 'y');
    default: {
      const args = Array.from({ length: 1 + random.below(5) }, () => {
        const arg = Buffer.alloc(random.chance(1, 20) ? random.below(100_000) : random.below(30));
        random.fill(arg);
        return arg;
      });
      return request(...args);
    }
  }
}

function randomCuts(random: Prng, bytes: Buffer): Buffer[] {
  const at = Array.from({ length: random.below(30) }, () => random.below(bytes.length + 1));
  return cut(bytes, ...at.sort((a, b) => a - b));
}

describe('any input', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('seed %i: is read the same however it is cut', (seed) => {
    const random = new Prng(seed);
    for (let i = 0; i < 60; i++) {
      const bytes = randomStream(random);
      const whole = read([bytes]);
      const message = `seed ${seed}, stream ${i}`;
      expect(read(randomCuts(random, bytes)), message).toEqual(whole);
      const reader = new RespReader();
      read(randomCuts(random, bytes), reader);
      expect(reader.heldBytes, message).toBeLessThanOrEqual(2 * bytes.length + 2 * 65_536);
    }
  });
});
