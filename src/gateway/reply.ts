/**
 * What a command answers, before it is written in RESP2 or RESP3 (resp-writer.ts).
 *
 *   Uint8Array, string      bulk string (a string as its UTF-8 bytes)
 *   BorrowedBytes           bulk string that lies somewhere in the store
 *   number, bigint          integer
 *   null                    nil
 *   boolean                 RESP3 boolean; RESP2 1 or 0
 *   readonly Reply[]        array
 *   SimpleString            +OK and the like
 *   RedisError              an error; thrown or returned, which is the same
 *   ReplyMap                RESP3 map; RESP2 flat array of names and values
 *   ReplySet                RESP3 set; RESP2 array
 *   Double                  RESP3 double; RESP2 bulk string
 *   NIL_ARRAY               RESP2 "*-1"; RESP3 nil
 *
 * A reply belongs to the writer from the moment it is returned: bytes in it must not change any more.
 */
import { detach } from '../base/bytes.js';

export type Reply =
  | Uint8Array
  | BorrowedBytes
  | string
  | number
  | bigint
  | null
  | boolean
  | readonly Reply[]
  | SimpleString
  | RedisError
  | ReplyMap
  | ReplySet
  | Double
  | typeof NIL_ARRAY;

/**
 * Bytes in memory of the store, which has one such object for all of them: they are there until it is asked for something
 * else. Who writes a reply later than at once, or has it beside others, asks `kept` for one that stays.
 */
export class BorrowedBytes {
  bytes: Uint8Array;
  start: number;
  length: number;

  constructor() {
    this.bytes = new Uint8Array(0);
    this.start = 0;
    this.length = 0;
  }
}

export function kept(reply: Reply): Reply {
  if (!(reply instanceof BorrowedBytes)) return reply;
  return detach(reply.bytes, reply.start, reply.length);
}

/** A status line; holds no CR or LF. */
export class SimpleString {
  constructor(readonly text: string) {}
}

/**
 * An error as the client sees it. The text begins with its code in capitals ("ERR ...", "WRONGTYPE ..."), as Redis
 * words it, and holds no CR or LF. Expected outcomes, so without a stack.
 */
export class RedisError {
  constructor(readonly text: string) {}
}

export class ReplyMap {
  constructor(readonly entries: readonly (readonly [Reply, Reply])[]) {}
}

export class ReplySet {
  constructor(readonly members: readonly Reply[]) {}
}

export class Double {
  constructor(readonly value: number) {}
}

export const NIL_ARRAY = Symbol('nil array');

export const OK = new SimpleString('OK');
export const QUEUED = new SimpleString('QUEUED');
export const PONG = new SimpleString('PONG');
