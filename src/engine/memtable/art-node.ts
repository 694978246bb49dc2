/**
 * Nodes of the adaptive radix tree, as words of the index arena. Nothing here knows keys as a whole:
 * a node branches on one byte of the key and has its children in order of that byte.
 *
 *   word      field
 *      0      depth << 11 | count << 2 | type     depth: index of the byte the node branches on
 *      1      sample: data arena offset of some entry below the node
 *      2...   NODE_4     4 words: 1 of branch bytes (lane 0 the lowest byte of the word), 4 children
 *             NODE_16   20 words: 4 of branch bytes, 16 children
 *             NODE_48  112 words: 256 bytes, child number + 1 or 0 for none; 48 children
 *             NODE_256 256 words: children, 0 for none
 *
 * A reference (child or root) is a word: positive, the word index of a node; negative, ~offset of the
 * head entry of a key; 0, nothing. So data arenas and index arenas stay below 2 GiB.
 * Branch bytes of NODE_4 and NODE_16 ascend and are only ever accessed as words, the table of NODE_48
 * only as bytes, so the layout does not depend on the byte order of the machine.
 *
 * A *position* is the way to a child that ordered iteration keeps: the lane in NODE_4 and NODE_16, the
 * branch byte in NODE_48 and NODE_256. -1 is "no such child".
 *
 * Invariants: 2 <= count; depth grows from a node to its children.
 */
import { ENCODED_KEY_BYTES_MAX } from '../../base/limits.js';
import { assert } from '../../base/assert.js';

export const NODE_4 = 0;
export const NODE_16 = 1;
export const NODE_48 = 2;
export const NODE_256 = 3;

const COUNT_SHIFT = 2;
const COUNT_MASK = 0x1ff;
const COUNT_ONE = 1 << COUNT_SHIFT;
const DEPTH_SHIFT = 11;
const TYPE_MASK = 3;

const SAMPLE = 1;
const BODY = 2;
const CHILDREN_4 = BODY + 1;
const CHILDREN_16 = BODY + 4;
const CHILDREN_48 = BODY + 64;
const CHILDREN_256 = BODY;

/** Words of a node, by type. */
export const NODE_4_WORDS = CHILDREN_4 + 4;
export const NODE_16_WORDS = CHILDREN_16 + 16;
export const NODE_48_WORDS = CHILDREN_48 + 48;
export const NODE_256_WORDS = CHILDREN_256 + 256;

assert(ENCODED_KEY_BYTES_MAX < 1 << (31 - DEPTH_SHIFT), 'art: a depth fits the header word');

export function nodeType(header: number): number {
  return header & TYPE_MASK;
}

export function nodeCount(header: number): number {
  return (header >>> COUNT_SHIFT) & COUNT_MASK;
}

export function nodeDepth(header: number): number {
  return header >>> DEPTH_SHIFT;
}

/** Data arena offset of some entry below the node. */
export function nodeSample(words: Int32Array, node: number): number {
  return words[node + SAMPLE] as number;
}

/** Words of a node of this type. */
export function nodeWords(type: number): number {
  if (type === NODE_4) return NODE_4_WORDS;
  if (type === NODE_16) return NODE_16_WORDS;
  return type === NODE_48 ? NODE_48_WORDS : NODE_256_WORDS;
}

/** True when a node of this header takes no further child. */
export function isNodeFull(header: number): boolean {
  const type = nodeType(header);
  if (type === NODE_256) return false;
  return nodeCount(header) === (type === NODE_4 ? 4 : type === NODE_16 ? 16 : 48);
}

/**
 * Word index of the child slot for a branch byte, or 0 when there is none. In NODE_256 the slot may
 * hold 0. `bytes` and `words` are views of the same arena.
 */
export function childSlot(
  words: Int32Array,
  bytes: Uint8Array,
  node: number,
  header: number,
  byte: number,
): number {
  const type = header & TYPE_MASK;
  if (type <= NODE_16) {
    const lane = laneAt(words, node, header, byte);
    if (lane < 0) return 0;
    return node + (type === NODE_4 ? CHILDREN_4 : CHILDREN_16) + lane;
  }
  if (type === NODE_256) return node + CHILDREN_256 + byte;
  const number = bytes[((node + BODY) << 2) + byte] as number;
  return number === 0 ? 0 : node + CHILDREN_48 + number - 1;
}

/**
 * The lane of a branch byte in NODE_4 or NODE_16, or -1. Four lanes at a time: the lowest set bit of
 * `zeros` marks the first lane equal to `byte` (marks above it may be false, but are not looked at).
 * Lanes from `count` on are garbage, and behind every valid one.
 */
function laneAt(words: Int32Array, node: number, header: number, byte: number): number {
  const count = nodeCount(header);
  const pattern = Math.imul(byte, 0x01010101);
  for (let first = 0, at = node + BODY; first < count; first += 4, at++) {
    const difference = (words[at] as number) ^ pattern;
    const zeros = (difference - 0x01010101) & ~difference & 0x80808080;
    if (zeros === 0) continue;
    const lane = first + ((31 - Math.clz32(zeros & -zeros)) >> 3);
    return lane < count ? lane : -1;
  }
  return -1;
}

/** Writes a NODE_4 with two children; the bytes may come in either order. */
export function initNode4(
  words: Int32Array,
  node: number,
  depth: number,
  sample: number,
  byteA: number,
  refA: number,
  byteB: number,
  refB: number,
): void {
  const isOrdered = byteA < byteB;
  words[node] = (depth << DEPTH_SHIFT) | (2 << COUNT_SHIFT) | NODE_4;
  words[node + SAMPLE] = sample;
  words[node + BODY] = isOrdered ? byteA | (byteB << 8) : byteB | (byteA << 8);
  words[node + CHILDREN_4] = isOrdered ? refA : refB;
  words[node + CHILDREN_4 + 1] = isOrdered ? refB : refA;
}

/** Adds a child under a branch byte that has none. Requires a node that is not full. */
export function addChild(
  words: Int32Array,
  bytes: Uint8Array,
  node: number,
  byte: number,
  ref: number,
): void {
  const header = words[node] as number;
  const count = nodeCount(header);
  switch (nodeType(header)) {
    case NODE_4:
      addLane(words, node, CHILDREN_4, count, byte, ref);
      break;
    case NODE_16:
      addLane(words, node, CHILDREN_16, count, byte, ref);
      break;
    case NODE_48:
      bytes[((node + BODY) << 2) + byte] = count + 1;
      words[node + CHILDREN_48 + count] = ref;
      break;
    default:
      words[node + CHILDREN_256 + byte] = ref;
  }
  words[node] = header + COUNT_ONE;
}

/** Inserts into the ascending lanes of a NODE_4 or NODE_16, moving the greater ones up by one. */
function addLane(
  words: Int32Array,
  node: number,
  childrenAt: number,
  count: number,
  byte: number,
  ref: number,
): void {
  const children = node + childrenAt;
  let lane = count;
  while (lane > 0 && laneByte(words, node, lane - 1) > byte) {
    setLaneByte(words, node, lane, laneByte(words, node, lane - 1));
    words[children + lane] = words[children + lane - 1] as number;
    lane--;
  }
  setLaneByte(words, node, lane, byte);
  words[children + lane] = ref;
}

function laneByte(words: Int32Array, node: number, lane: number): number {
  return ((words[node + BODY + (lane >> 2)] as number) >>> ((lane & 3) << 3)) & 0xff;
}

function setLaneByte(words: Int32Array, node: number, lane: number, byte: number): void {
  const at = node + BODY + (lane >> 2);
  const shift = (lane & 3) << 3;
  words[at] = ((words[at] as number) & ~(0xff << shift)) | (byte << shift);
}

/** Copies a full node into `target`, room for a node of the next type. Children keep their order. */
export function growNode(words: Int32Array, bytes: Uint8Array, node: number, target: number): void {
  const header = words[node] as number;
  words[target] = header + 1; // the next type; depth and count stay
  words[target + SAMPLE] = words[node + SAMPLE] as number;
  switch (nodeType(header)) {
    case NODE_4:
      words[target + BODY] = words[node + BODY] as number;
      for (let i = 0; i < 4; i++) {
        words[target + CHILDREN_16 + i] = words[node + CHILDREN_4 + i] as number;
      }
      break;
    case NODE_16:
      words.fill(0, target + BODY, target + CHILDREN_48);
      for (let i = 0; i < 16; i++) {
        bytes[((target + BODY) << 2) + laneByte(words, node, i)] = i + 1;
        words[target + CHILDREN_48 + i] = words[node + CHILDREN_16 + i] as number;
      }
      break;
    default:
      words.fill(0, target + BODY, target + NODE_256_WORDS);
      for (let byte = 0; byte < 256; byte++) {
        const number = bytes[((node + BODY) << 2) + byte] as number;
        if (number !== 0) {
          words[target + CHILDREN_256 + byte] = words[node + CHILDREN_48 + number - 1] as number;
        }
      }
  }
}

/** Position of the first child whose branch byte is >= `byte` (0 to 256), or -1. */
export function positionFrom(
  words: Int32Array,
  bytes: Uint8Array,
  node: number,
  byte: number,
): number {
  const header = words[node] as number;
  const type = nodeType(header);
  if (type <= NODE_16) {
    const count = nodeCount(header);
    for (let lane = 0; lane < count; lane++) if (laneByte(words, node, lane) >= byte) return lane;
    return -1;
  }
  for (let next = byte; next < 256; next++)
    if (hasChild(words, bytes, node, type, next)) return next;
  return -1;
}

/** Position of the last child. */
export function lastPosition(words: Int32Array, bytes: Uint8Array, node: number): number {
  const header = words[node] as number;
  const type = nodeType(header);
  if (type <= NODE_16) return nodeCount(header) - 1;
  let byte = 255;
  while (!hasChild(words, bytes, node, type, byte)) byte--;
  return byte;
}

/** Position after `position` in branch byte order, or -1. */
export function positionAfter(
  words: Int32Array,
  bytes: Uint8Array,
  node: number,
  position: number,
): number {
  const header = words[node] as number;
  if (nodeType(header) <= NODE_16) return position + 1 < nodeCount(header) ? position + 1 : -1;
  return positionFrom(words, bytes, node, position + 1);
}

/** Position before `position` in branch byte order, or -1. */
export function positionBefore(
  words: Int32Array,
  bytes: Uint8Array,
  node: number,
  position: number,
): number {
  const type = nodeType(words[node] as number);
  let previous = position - 1;
  if (type <= NODE_16) return previous;
  while (previous >= 0 && !hasChild(words, bytes, node, type, previous)) previous--;
  return previous;
}

/** For NODE_48 and NODE_256. */
function hasChild(
  words: Int32Array,
  bytes: Uint8Array,
  node: number,
  type: number,
  byte: number,
): boolean {
  return type === NODE_48
    ? bytes[((node + BODY) << 2) + byte] !== 0
    : words[node + CHILDREN_256 + byte] !== 0;
}

/** The reference at a position. Requires a child there. */
export function childAt(
  words: Int32Array,
  bytes: Uint8Array,
  node: number,
  position: number,
): number {
  switch (nodeType(words[node] as number)) {
    case NODE_4:
      return words[node + CHILDREN_4 + position] as number;
    case NODE_16:
      return words[node + CHILDREN_16 + position] as number;
    case NODE_48: {
      const number = bytes[((node + BODY) << 2) + position] as number;
      return words[node + CHILDREN_48 + number - 1] as number;
    }
    default:
      return words[node + CHILDREN_256 + position] as number;
  }
}
