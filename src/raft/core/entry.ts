/**
 * Log entries. An entry is immutable once it has an index, and is shared by reference between the
 * log, messages and the application; its data is never copied.
 */

export const ENTRY_NORMAL = 0;
/** Data is an encoded ConfChange (conf-change-codec.ts). */
export const ENTRY_CONF_CHANGE = 1;
/** Data is an encoded ConfChangeV2. */
export const ENTRY_CONF_CHANGE_V2 = 2;
export type EntryType =
  typeof ENTRY_NORMAL | typeof ENTRY_CONF_CHANGE | typeof ENTRY_CONF_CHANGE_V2;

const ENTRY_TYPE_NAMES = ['EntryNormal', 'EntryConfChange', 'EntryConfChangeV2'] as const;

/** Data of an entry that carries none; sizes count no field for it. */
export const NO_DATA = new Uint8Array(0);
/** Data of an entry whose proposal was refused and replaced: present, and empty. */
export const EMPTY_DATA = new Uint8Array(0);

export class Entry {
  type: EntryType;
  /** Term in which the leader appended it; 0 while it is only proposed. */
  term: number;
  /** Position in the log, from 1; 0 while it is only proposed. */
  index: number;
  readonly data: Uint8Array;

  constructor(type: EntryType, term: number, index: number, data: Uint8Array) {
    this.type = type;
    this.term = term;
    this.index = index;
    this.data = data;
  }
}

export type Entries = readonly Entry[];
export const NO_ENTRIES: Entries = Object.freeze([]);

export function entryTypeName(type: EntryType): string {
  return ENTRY_TYPE_NAMES[type];
}

export function isConfChangeEntry(entry: Entry): boolean {
  return entry.type !== ENTRY_NORMAL;
}

/**
 * Encoded size, bytes, in the protocol buffer format of etcd's raft (absent fields cost nothing):
 * what the limits on messages and on outstanding applies count.
 */
export function entrySize(entry: Entry): number {
  let size = 2 + varintSize(entry.term) + varintSize(entry.index);
  if (entry.type !== ENTRY_NORMAL) size += 2;
  if (entry.data !== NO_DATA) size += 1 + varintSize(entry.data.length) + entry.data.length;
  return size;
}

export function entriesSize(entries: Entries): number {
  let size = 0;
  for (let i = 0; i < entries.length; i++) size += entrySize(entries[i] as Entry);
  return size;
}

/** Bytes of data alone: what the limit on uncommitted entries counts. */
export function payloadsSize(entries: Entries): number {
  let size = 0;
  for (let i = 0; i < entries.length; i++) size += (entries[i] as Entry).data.length;
  return size;
}

/** How many of the first entries fit `bytesMax`; at least one, when there is one. */
export function countWithin(entries: Entries, bytesMax: number): number {
  if (bytesMax === Number.POSITIVE_INFINITY || entries.length === 0) return entries.length;
  let size = entrySize(entries[0] as Entry);
  for (let i = 1; i < entries.length; i++) {
    size += entrySize(entries[i] as Entry);
    if (size > bytesMax) return i;
  }
  return entries.length;
}

/** Bytes of a number as a varint. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}
