/** Small tables and edits for the manifest tests. */
import { encodeKey, FAMILY_DEFAULT, keySuccessor } from '../../../src/engine/key.js';
import type { ManifestInit } from '../../../src/engine/manifest/manifest-log.js';
import type { Version } from '../../../src/engine/manifest/version.js';
import type { VersionEdit } from '../../../src/engine/manifest/version-edit.js';
import type { TableMeta } from '../../../src/engine/table-meta.js';

export const WORKDIR = 'w';
export const INIT: ManifestInit = { fileNumber: 1, identity: '00112233445566aa', bootId: 'boot-a' };

/** A table of the keys [from, to], both included. */
export function table(
  fileNumber: number,
  from: string,
  to: string,
  maxSeq = fileNumber * 10,
): TableMeta {
  return {
    fileNumber,
    bytes: 1000 + fileNumber,
    identity: fileNumber.toString(16).padStart(16, '0'),
    lower: encodeKey(FAMILY_DEFAULT, from),
    upper: keySuccessor(encodeKey(FAMILY_DEFAULT, to)),
    entries: 5,
    tombstones: 1,
    rangeTombstones: 0,
    minSeq: 1,
    maxSeq,
    maxVersion: maxSeq,
    rawBytes: 900,
    staleBytes: 10,
    earliestExpiry: 0,
    valueLog: [{ fileNumber: 3, bytes: 77, count: 2 }],
    createdMs: 1_700_000_000_000,
  };
}

export function edit(fields: Omit<VersionEdit, 'timeMs' | 'reason'>): VersionEdit {
  return { timeMs: 1_700_000_000_000, reason: 'test', ...fields };
}

/** The version as comparable plain data. */
export function plain(version: Version): unknown {
  return {
    ...version,
    levels: version.levels.map((tables) =>
      tables.map((meta) => ({ ...meta, lower: [...meta.lower], upper: [...meta.upper] })),
    ),
    valueLog: [...version.valueLog].sort(([a], [b]) => a - b),
    wals: [...version.wals].sort(([a], [b]) => a - b),
    sealedWals: [...version.sealedWals].sort(([a], [b]) => a - b),
  };
}

/** A program of edits that names everything an edit can hold. */
export const PROGRAM: readonly VersionEdit[] = [
  edit({
    nextFileNumber: 9,
    addValueLog: [{ fileNumber: 3, bucket: 0, identity: 'abcdefabcdefabcd' }],
  }),
  edit({
    lastSeq: 50,
    minWalNumber: 5,
    addTables: [{ level: 0, meta: table(4, 'a', 'm') }],
    addWal: [
      {
        fileNumber: 5,
        previous: 0,
        previousBytes: 0,
        previousChain: 0,
        isSynced: true,
        bootId: 'boot-a',
      },
      {
        fileNumber: 6,
        previous: 5,
        previousBytes: 4000,
        previousChain: 0xfedcba98,
        isSynced: false,
        bootId: '',
      },
    ],
    sealWal: [{ fileNumber: 5, bytes: 4000, chain: 0xfedcba98 }],
  }),
  edit({
    sealValueLog: [{ fileNumber: 3, bytes: 5000 }],
    discard: [{ fileNumber: 3, bytes: 100, count: 2 }],
  }),
  edit({
    removeTables: [{ level: 0, fileNumber: 4 }],
    addTables: [
      { level: 1, meta: table(4, 'a', 'm') },
      { level: 1, meta: table(7, 'n', 'z') },
    ],
    discard: [{ fileNumber: 3, bytes: 1, count: 1 }],
  }),
  edit({ cleanClose: true }),
];
