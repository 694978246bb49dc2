import { describe, expect, it } from 'vitest';
import {
  Double,
  NIL_ARRAY,
  OK,
  PONG,
  QUEUED,
  RedisError,
  type Reply,
  ReplyMap,
  ReplySet,
  SimpleString,
} from '../../src/gateway/reply.js';
import {
  type ByteSink,
  PASS_BYTES_MIN,
  type Protocol,
  RespWriter,
} from '../../src/gateway/resp-writer.js';

/** Takes everything at once, or keeps it waiting. */
class Sink implements ByteSink {
  readonly pieces: Uint8Array[] = [];
  bufferedBytes = 0;
  isSlow = false;
  corks = 0;

  write(bytes: Uint8Array): boolean {
    this.pieces.push(this.isSlow ? bytes : Buffer.from(bytes));
    if (this.isSlow) this.bufferedBytes += bytes.length;
    return !this.isSlow;
  }
  cork(): void {
    this.corks++;
  }
  uncork(): void {
    this.corks--;
  }
  get text(): string {
    return Buffer.concat(this.pieces).toString('latin1');
  }
}

function written(reply: Reply, protocol: Protocol): string {
  const writer = new RespWriter();
  const sink = new Sink();
  writer.protocol = protocol;
  writer.write(reply);
  writer.send(sink);
  return sink.text;
}

describe('RespWriter', () => {
  it.each<[string, Reply, string, string]>([
    ['OK', OK, '+OK\r\n', '+OK\r\n'],
    ['PONG', PONG, '+PONG\r\n', '+PONG\r\n'],
    ['QUEUED', QUEUED, '+QUEUED\r\n', '+QUEUED\r\n'],
    ['a status', new SimpleString('RESET'), '+RESET\r\n', '+RESET\r\n'],
    ['an error', new RedisError('ERR no'), '-ERR no\r\n', '-ERR no\r\n'],
    ['an error in two lines', new RedisError('ERR a\r\n+OK'), '-ERR a  +OK\r\n', '-ERR a  +OK\r\n'],
    ['bytes', Buffer.from([0, 13, 10, 255]), '$4\r\n\0\r\n\xff\r\n', '$4\r\n\0\r\n\xff\r\n'],
    ['no bytes', Buffer.alloc(0), '$0\r\n\r\n', '$0\r\n\r\n'],
    ['text', 'ü', '$2\r\n\xc3\xbc\r\n', '$2\r\n\xc3\xbc\r\n'],
    ['0', 0, ':0\r\n', ':0\r\n'],
    ['9', 9, ':9\r\n', ':9\r\n'],
    ['10', 10, ':10\r\n', ':10\r\n'],
    ['999999999', 999_999_999, ':999999999\r\n', ':999999999\r\n'],
    ['1000000000', 1_000_000_000, ':1000000000\r\n', ':1000000000\r\n'],
    ['-12', -12, ':-12\r\n', ':-12\r\n'],
    ['2^53 - 1', Number.MAX_SAFE_INTEGER, ':9007199254740991\r\n', ':9007199254740991\r\n'],
    ['-2^63', -(2n ** 63n), ':-9223372036854775808\r\n', ':-9223372036854775808\r\n'],
    ['nil', null, '$-1\r\n', '_\r\n'],
    ['no array', NIL_ARRAY, '*-1\r\n', '_\r\n'],
    ['true', true, ':1\r\n', '#t\r\n'],
    ['false', false, ':0\r\n', '#f\r\n'],
    ['a double', new Double(1.5), '$3\r\n1.5\r\n', ',1.5\r\n'],
    ['infinity', new Double(-Infinity), '$4\r\n-inf\r\n', ',-inf\r\n'],
    [
      'an array',
      [1, null, [OK]],
      '*3\r\n:1\r\n$-1\r\n*1\r\n+OK\r\n',
      '*3\r\n:1\r\n_\r\n*1\r\n+OK\r\n',
    ],
    ['a set', new ReplySet([1]), '*1\r\n:1\r\n', '~1\r\n:1\r\n'],
    ['a map', new ReplyMap([['a', 1]]), '*2\r\n$1\r\na\r\n:1\r\n', '%1\r\n$1\r\na\r\n:1\r\n'],
  ])('%s', (_name, reply, inResp2, inResp3) => {
    expect(written(reply, 2)).toBe(inResp2);
    expect(written(reply, 3)).toBe(inResp3);
  });

  it('passes large values on in their place, without copying', () => {
    const large = Buffer.alloc(PASS_BYTES_MIN, 'x');
    const writer = new RespWriter();
    const sink = new Sink();
    sink.isSlow = true;
    writer.write([OK, large, 1]);
    writer.send(sink);
    expect(sink.pieces.some((piece) => piece === large)).toBe(true);
    expect(sink.text).toBe(`*3\r\n+OK\r\n$${large.length}\r\n${large.toString()}\r\n:1\r\n`);
    expect(sink.corks).toBe(0);
  });

  it('does not touch what the system has not taken yet', () => {
    const writer = new RespWriter();
    const sink = new Sink();
    sink.isSlow = true;
    for (const text of ['first', 'other', 'third']) {
      writer.write(text);
      expect(writer.send(sink)).toBe(false);
    }
    expect(sink.text).toBe('$5\r\nfirst\r\n$5\r\nother\r\n$5\r\nthird\r\n');
  });

  it('makes a client that is slow hold little of our memory', () => {
    const writer = new RespWriter();
    const sink = new Sink();
    sink.isSlow = true;
    for (let i = 0; i < 100; i++) {
      writer.write(OK);
      writer.send(sink);
    }
    const memory = new Set(sink.pieces.map(({ buffer }) => buffer));
    const bytes = [...memory].reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(bytes).toBeLessThan(100_000);
  });

  it('grows over many replies, and starts again small', () => {
    const writer = new RespWriter();
    const sink = new Sink();
    const value = Buffer.alloc(1000, 'v');
    for (let i = 0; i < 3000; i++) writer.write(value);
    expect(writer.pendingBytes).toBe(3000 * 1009);
    writer.send(sink);
    expect(writer.pendingBytes).toBe(0);
    expect(sink.text.length).toBe(3000 * 1009);
  });

  it('forgets what is discarded', () => {
    const writer = new RespWriter();
    const sink = new Sink();
    writer.write(OK);
    writer.discard();
    writer.write(1);
    writer.send(sink);
    expect(sink.text).toBe(':1\r\n');
  });
});
