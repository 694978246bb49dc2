/**
 * Cases of the recovery matrix in which a workdir is found damaged, incomplete, foreign or in use. The workdir has
 * tables, two buckets of the value log and a log with an end; it was closed, killed, or lost its power.
 */
import { crc32 } from '../../src/base/crc32.js';
import { viewOf } from '../../src/base/codec.js';
import { FORMAT_VERSION } from '../../src/engine/format-version.js';
import { LOG_HEADER_BYTES, RECORD_HEADER_BYTES } from '../../src/engine/record-log.js';
import { EXTERNAL_FORMAT_VERSION, FOOTER_BYTES } from '../../src/engine/sst/format.js';
import { VALUE_LOG_FORMAT } from '../../src/engine/vlog/format.js';
import { readWalHeader } from '../../src/engine/wal/reader.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { type Ending, smallWorkdir, TINY, type Workdir } from '../crash/damage.js';
import { History } from '../crash/history.js';
import { filesBelow, WORKDIR } from '../crash/simulation.js';
import type { Expected, Situation } from './verdict.js';

/** Damages the disk, and says what must come of it. */
type Harm = (disk: Disk, workdir: Workdir) => Expected;

interface DamageCase {
  readonly name: string;
  readonly endings: readonly Ending[];
  readonly harm: Harm;
}

const EVERY: readonly Ending[] = ['closed', 'killed', 'powered off'];
const CRASHED: readonly Ending[] = ['killed', 'powered off'];
const CORRUPTION = 'NOKV_CORRUPTION';

const WHOLE: Harm = () => ({ opens: 'whole' });

/** Where a header begins in its file, and where in it its own checksum is. */
interface HeaderPlace {
  readonly at: number;
  readonly crcAt: number;
}

/** Names of the files of a disk by what they are. */
class Disk {
  readonly fs: MemFs;

  constructor(fs: MemFs) {
    this.fs = fs;
  }

  get wal(): string {
    return this.#last(/\.wal$/);
  }

  get table(): string {
    return this.#last(/\.sst$/);
  }

  get segment(): string {
    return this.#last(/bucket-000\/\d+\.vlog$/);
  }

  get manifest(): string {
    return this.#last(/^MANIFEST-/);
  }

  bytes(name: string): Uint8Array {
    return this.fs.readFile(`${WORKDIR}/${name}`);
  }

  remove(name: string): void {
    this.fs.remove(`${WORKDIR}/${name}`);
  }

  cut(name: string, length: number): void {
    const file = this.fs.open(`${WORKDIR}/${name}`, 'update');
    file.truncate(length);
    file.close();
  }

  rot(name: string, offset: number): void {
    this.fs.rot(`${WORKDIR}/${name}`, offset, 0x10);
  }

  /** Replaces or adds a file. */
  write(name: string, content: Uint8Array | string): void {
    const path = `${WORKDIR}/${name}`;
    if (this.fs.stat(path) !== undefined) this.fs.remove(path);
    const bytes = Buffer.from(content as string);
    const file = this.fs.open(path, 'create');
    file.write(bytes, 0, bytes.length, 0);
    file.syncBlocking();
    file.close();
  }

  /** Sets the format version in a header, and its checksum. */
  upgrade(name: string, version: number, header: HeaderPlace): void {
    this.#resign(name, header, (view) => {
      view.setUint16(header.at + 8, version, true);
    });
  }

  /** Sets the checksum type in a header, and its checksum. */
  retype(name: string, checksumType: number, header: HeaderPlace): void {
    this.#resign(name, header, (view) => {
      view.setUint8(header.at + 10, checksumType);
    });
  }

  #resign(name: string, header: HeaderPlace, change: (view: DataView) => void): void {
    const bytes = Uint8Array.from(this.bytes(name));
    const { at, crcAt } = header;
    const view = viewOf(bytes);
    change(view);
    view.setUint32(at + crcAt, crc32(bytes, at, crcAt), true);
    this.write(name, bytes);
  }

  #last(pattern: RegExp): string {
    const names = filesBelow(this.fs, WORKDIR).map((path) => path.slice(WORKDIR.length + 1));
    const found = names.filter((name) => pattern.test(name)).at(-1);
    if (found === undefined) throw new Error(`no file like ${pattern.source}`);
    return found;
  }
}

const damaged = (file: string, offsetMax: number): Expected => ({
  refused: CORRUPTION,
  file,
  offsetMax,
});

const CASES: readonly DamageCase[] = [
  { name: 'nothing wrong', endings: EVERY, harm: WHOLE },

  // The log.
  {
    name: 'log: torn tail',
    endings: CRASHED,
    harm: (disk, { flushed }) => {
      disk.cut(disk.wal, disk.bytes(disk.wal).length - 3);
      return { opens: 'cut', low: flushed };
    },
  },
  {
    name: 'log: torn tail',
    endings: ['closed'],
    harm: (disk) => {
      const { length } = disk.bytes(disk.wal);
      disk.cut(disk.wal, length - 3);
      return damaged(disk.wal, length);
    },
  },
  {
    name: 'log: corrupt in the middle',
    endings: ['closed', 'killed'],
    harm: (disk) => {
      disk.rot(disk.wal, 160);
      return damaged(disk.wal, 160);
    },
  },
  {
    name: 'log: corrupt in the middle, never synced',
    endings: ['powered off'],
    harm: (disk, { flushed }) => {
      disk.rot(disk.wal, 160);
      return { opens: 'cut', low: flushed };
    },
  },
  {
    name: 'log: corrupt header',
    endings: EVERY,
    harm: (disk) => {
      disk.rot(disk.wal, 20);
      return damaged(disk.wal, 20);
    },
  },
  {
    name: 'log: missing',
    endings: EVERY,
    harm: (disk) => {
      const { wal } = disk;
      disk.remove(wal);
      return damaged(wal, 0);
    },
  },
  {
    name: 'log: newer format version',
    endings: EVERY,
    harm: (disk) => {
      disk.upgrade(disk.wal, FORMAT_VERSION + 1, { at: 0, crcAt: 124 });
      return { refused: 'NOKV_FORMAT', file: disk.wal };
    },
  },

  // The manifest and CURRENT.
  {
    name: 'manifest: shorter than the log says',
    endings: EVERY,
    harm: (disk) => {
      const { manifest, wal } = disk;
      const { continues } = readWalHeader(disk.fs, `${WORKDIR}/${wal}`, Number.parseInt(wal, 10));
      const bytes = disk.bytes(manifest);
      disk.cut(manifest, recordBefore(bytes, continues?.bytes ?? 0));
      return damaged(manifest, bytes.length);
    },
  },
  {
    // Files that the lost edit replaced are gone, and missed now.
    name: 'manifest: lost its last edit, a flush',
    endings: CRASHED,
    harm: (disk) => {
      const bytes = disk.bytes(disk.manifest);
      disk.cut(disk.manifest, recordBefore(bytes, bytes.length));
      return { refused: CORRUPTION };
    },
  },
  {
    // As a kill in the middle of the close would have left it.
    name: 'manifest: lost its last edit, the close',
    endings: ['closed'],
    harm: (disk) => {
      const bytes = disk.bytes(disk.manifest);
      disk.cut(disk.manifest, recordBefore(bytes, bytes.length));
      return { opens: 'whole' };
    },
  },
  {
    name: 'manifest: corrupt in the middle',
    endings: EVERY,
    harm: (disk) => {
      disk.rot(disk.manifest, 200);
      return damaged(disk.manifest, 200);
    },
  },
  {
    name: 'manifest: missing',
    endings: EVERY,
    harm: (disk) => {
      const { manifest } = disk;
      disk.remove(manifest);
      return damaged(manifest, 0);
    },
  },
  {
    name: 'manifest: newer format version',
    endings: EVERY,
    harm: (disk) => {
      disk.upgrade(disk.manifest, FORMAT_VERSION + 1, { at: 0, crcAt: 124 });
      return { refused: 'NOKV_FORMAT', file: disk.manifest };
    },
  },
  {
    name: 'CURRENT: missing',
    endings: EVERY,
    harm: (disk) => {
      disk.remove('CURRENT');
      return damaged('CURRENT', 0);
    },
  },
  ...['', 'garbage', 'MANIFEST-000001 00000000\n'].map((text) => ({
    name: `CURRENT: ${text === '' ? 'empty' : text === 'garbage' ? text : 'wrong checksum'}`,
    endings: EVERY,
    harm: (disk: Disk): Expected => {
      disk.write('CURRENT', text);
      return damaged('CURRENT', 0);
    },
  })),
  {
    name: 'CURRENT: left-over CURRENT.tmp',
    endings: EVERY,
    harm: (disk) => {
      disk.write('CURRENT.tmp', 'MANIFEST-0');
      return { opens: 'whole' };
    },
  },

  // Tables.
  {
    name: 'table: missing',
    endings: EVERY,
    harm: (disk) => {
      const { table } = disk;
      disk.remove(table);
      return damaged(table, 0);
    },
  },
  {
    name: 'table: truncated',
    endings: EVERY,
    harm: (disk) => {
      const { length } = disk.bytes(disk.table);
      disk.cut(disk.table, length - 10);
      return damaged(disk.table, length);
    },
  },
  {
    name: 'table: corrupt block',
    endings: EVERY,
    harm: (disk) => {
      disk.rot(disk.table, 10);
      return damaged(disk.table, 10);
    },
  },
  {
    name: 'table: newer format version',
    endings: EVERY,
    harm: (disk) => {
      const at = disk.bytes(disk.table).length - FOOTER_BYTES;
      disk.upgrade(disk.table, EXTERNAL_FORMAT_VERSION + 1, { at, crcAt: 68 });
      return { refused: 'NOKV_FORMAT', file: disk.table };
    },
  },
  {
    name: 'table: checksum of a newer build',
    endings: EVERY,
    harm: (disk) => {
      const at = disk.bytes(disk.table).length - FOOTER_BYTES;
      disk.retype(disk.table, 3, { at, crcAt: 68 });
      return { refused: 'NOKV_FORMAT', file: disk.table };
    },
  },
  {
    name: 'table: made outside, by its footer',
    endings: EVERY,
    harm: (disk) => {
      const at = disk.bytes(disk.table).length - FOOTER_BYTES;
      disk.upgrade(disk.table, EXTERNAL_FORMAT_VERSION, { at, crcAt: 68 });
      return { refused: 'NOKV_CORRUPTION', file: disk.table };
    },
  },

  // The value log.
  {
    name: 'value log: missing segment',
    endings: EVERY,
    harm: (disk) => {
      const { segment } = disk;
      disk.remove(segment);
      return damaged(segment, 0);
    },
  },
  {
    name: 'value log: short segment',
    endings: ['closed'],
    harm: (disk) => {
      const { length } = disk.bytes(disk.segment);
      disk.cut(disk.segment, length - 3);
      return damaged(disk.segment, length);
    },
  },
  {
    name: 'value log: short segment, its end synced by nobody',
    endings: ['powered off'],
    harm: (disk, { flushed }) => {
      const { length } = disk.bytes(disk.segment);
      disk.cut(disk.segment, length - 3);
      return { opens: 'cut', low: flushed };
    },
  },
  {
    name: 'value log: short segment, of a value in a table',
    endings: CRASHED,
    harm: (disk) => {
      const { length } = disk.bytes(disk.segment);
      disk.cut(disk.segment, 70);
      return damaged(disk.segment, length);
    },
  },
  {
    name: 'value log: corrupt value',
    endings: EVERY,
    harm: (disk) => {
      disk.rot(disk.segment, 100);
      return damaged(disk.segment, 100);
    },
  },
  {
    name: 'value log: newer format version',
    endings: EVERY,
    harm: (disk) => {
      disk.upgrade(disk.segment, VALUE_LOG_FORMAT + 1, { at: 0, crcAt: 60 });
      return { refused: 'NOKV_FORMAT', file: disk.segment };
    },
  },
  {
    name: 'value log: checksum of a newer build',
    endings: EVERY,
    harm: (disk) => {
      disk.retype(disk.segment, 3, { at: 0, crcAt: 60 });
      return { refused: 'NOKV_FORMAT', file: disk.segment };
    },
  },

  // Around it.
  {
    name: 'orphans: a table, a log and a segment that nobody names',
    endings: EVERY,
    harm: (disk) => {
      disk.write('00901.sst', disk.bytes(disk.table));
      disk.write('00902.wal', 'half a header');
      disk.write('vlog/bucket-000/00903.vlog', disk.bytes(disk.segment));
      disk.write('MANIFEST-000904', 'half a manifest');
      return { opens: 'whole', orphans: 4 };
    },
  },
  {
    name: 'MODE.json: another mode',
    endings: EVERY,
    harm: (disk) => {
      disk.write('MODE.json', '{"mode":"seeded"}');
      return { refused: 'NOKV_MODE' };
    },
  },
  {
    name: 'MODE.json: standalone',
    endings: EVERY,
    harm: (disk) => {
      disk.write('MODE.json', '{"mode":"standalone"}');
      return { opens: 'whole' };
    },
  },
  {
    name: 'MODE.json: garbage',
    endings: EVERY,
    harm: (disk) => {
      disk.write('MODE.json', '{"mode":');
      return damaged('MODE.json', 0);
    },
  },
  {
    name: 'LOCK: held',
    endings: EVERY,
    harm: (disk) => {
      disk.fs.lockDirectory(WORKDIR);
      return { refused: 'NOKV_LOCKED' };
    },
  },
];

/** Where the last record of a record log that ends at or before `end` begins. */
function recordBefore(bytes: Uint8Array, end: number): number {
  const view = viewOf(bytes);
  const lengthAt = (at: number): number => RECORD_HEADER_BYTES + view.getUint32(at + 4, true);
  let last = LOG_HEADER_BYTES;
  for (let at = last; at < end && at + lengthAt(at) <= end; at += lengthAt(at)) last = at;
  return last;
}

/** A case, ready to be made. */
export interface NamedCase {
  readonly name: string;
  readonly situation: () => Promise<Situation>;
}

/** Workdirs without a database: nothing in them, or what the first moments of a creation leave. */
function emptyCases(): NamedCase[] {
  const fill: Record<string, (disk: Disk) => void> = {
    'nothing in it': () => undefined,
    'a file of somebody else': (disk) => disk.write('README.txt', 'hands off'),
    'the first manifest, no CURRENT': (disk) => disk.write('MANIFEST-000001', 'half a manifest'),
  };
  return Object.entries(fill).map(([what, make]) => ({
    name: `empty workdir: ${what}`,
    situation: () => {
      const fs = new MemFs();
      fs.makeDirectory(WORKDIR);
      make(new Disk(fs));
      const expected: Expected = { opens: 'new' };
      return Promise.resolve({ fs, options: TINY, history: new History(), expected });
    },
  }));
}

export function damageCases(): NamedCase[] {
  const cases = CASES.flatMap(({ name, endings, harm }) =>
    endings.map((ending) => ({
      name: `${name}; ${ending}`,
      situation: async () => {
        const workdir = await smallWorkdir(ending);
        const fs = workdir.fs.clone();
        return {
          fs,
          options: TINY,
          history: workdir.history,
          expected: harm(new Disk(fs), workdir),
        };
      },
    })),
  );
  return [...emptyCases(), ...cases];
}
