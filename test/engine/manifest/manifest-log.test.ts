import { describe, expect, it } from 'vitest';
import { FORMAT_VERSION } from '../../../src/engine/format-version.js';
import { viewOf } from '../../../src/base/codec.js';
import { crc32 } from '../../../src/base/crc32.js';
import type { NokvError } from '../../../src/base/errors.js';
import { CorruptionError, FormatError, IoError, ReadOnlyError } from '../../../src/base/errors.js';
import { encodeCurrent, readCurrent } from '../../../src/engine/manifest/current.js';
import { ManifestLog } from '../../../src/engine/manifest/manifest-log.js';
import {
  checkManifestContinues,
  loadManifest,
  type LoadedManifest,
  readManifest,
  readOnManifest,
} from '../../../src/engine/manifest/manifest-reader.js';
import { ImpossibleEditError, type Version } from '../../../src/engine/manifest/version.js';
import type { LogHeader, LogPosition } from '../../../src/engine/record-log.js';
import { FakeFs } from '../record-log/fake-fs.js';
import { edit, INIT, plain, PROGRAM, table, WORKDIR } from './edits.js';

const MANIFEST = 'w/MANIFEST-000001';
const CURRENT = 'w/CURRENT';

function created(): { fs: FakeFs; log: ManifestLog } {
  const fs = new FakeFs();
  return { fs, log: ManifestLog.create(fs, WORKDIR, INIT, 1000) };
}

function load(fs: FakeFs, bootId = 'boot-a', syncedAtLeast = 0): LoadedManifest {
  const loaded = loadManifest(fs, WORKDIR, bootId, syncedAtLeast);
  if (loaded === undefined) throw new Error('no CURRENT');
  return loaded;
}

interface Built {
  fs: FakeFs;
  bytes: Uint8Array;
  ends: number[];
  versions: Version[];
}

/** A manifest of the snapshot and the program; synced after every edit when asked. */
function built(isSynced: boolean): Built {
  const { fs, log } = created();
  const ends = [log.bytes];
  const versions = [log.version];
  for (const one of PROGRAM) {
    versions.push(log.append(one));
    if (isSynced) log.syncBlocking();
    ends.push(log.bytes);
  }
  log.close();
  return { fs, bytes: fs.bytesOf(MANIFEST), ends, versions };
}

function withFile(fs: FakeFs, path: string, bytes: Uint8Array): FakeFs {
  const next = fs.afterProcessCrash();
  next.put(path, bytes);
  return next;
}

/** How many edits recovery and inspection find; every outcome but an error must be a right version. */
function recover(
  fs: FakeFs,
  bootId: string,
  good: Built,
): { edits: number; torn: number } | NokvError {
  const inspection = readManifest(fs, WORKDIR);
  try {
    const loaded = load(fs, bootId);
    expect(plain(loaded.version)).toEqual(plain(good.versions[loaded.edits - 1] as Version));
    expect(plain(inspection.version)).toEqual(plain(loaded.version));
    if (loaded.tail.tornBytes === 0) expect(inspection.findings).toEqual([]);
    return { edits: loaded.edits, torn: loaded.tail.tornBytes };
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    expect(inspection.findings.length).toBeGreaterThan(0);
    return error;
  }
}

function eachDamage(bytes: Uint8Array, visit: (bad: Uint8Array, at: number) => void): void {
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    // All values at the framing and the start; a few inside the JSON, whose checksum is one for all.
    const masks =
      at < 400 ? [1, 2, 4, 8, 16, 32, 64, 128, byte, byte ^ 0xff] : [1 << (at % 8), byte ^ 0xff];
    for (const mask of masks) {
      if (mask === 0) continue;
      const bad = bytes.slice();
      bad[at] = byte ^ mask;
      visit(bad, at);
    }
  }
}

describe('ManifestLog', () => {
  it('starts with a snapshot and gives back every edit after a reopen, unsynced ones after a process crash', () => {
    const { fs, log } = created();
    for (const one of PROGRAM) log.append(one);
    const loaded = load(fs.afterProcessCrash());
    expect(loaded.edits).toBe(1 + PROGRAM.length);
    expect(plain(loaded.version)).toEqual(plain(log.version));
    expect(loaded.version.nextFileNumber).toBe(9);
    expect(load(fs.afterPowerLoss(), 'boot-b').edits).toBe(1);
    log.syncBlocking();
    expect(load(fs.afterPowerLoss(), 'boot-b').edits).toBe(1 + PROGRAM.length);
  });

  it('continues after an open, and says that a manifest of another boot is due for a rewrite', async () => {
    const good = built(true);
    const log = ManifestLog.open(good.fs, WORKDIR, load(good.fs));
    expect(log.isRewriteDue).toBe(false);
    log.append(edit({ lastSeq: 99 }));
    await log.sync();
    expect(load(good.fs.afterPowerLoss(), 'boot-b').version.lastSeq).toBe(99);
    const other = ManifestLog.open(good.fs, WORKDIR, load(good.fs, 'boot-b'));
    expect(other.isRewriteDue).toBe(true);
    other.rewrite({ ...INIT, fileNumber: 20, bootId: 'boot-b' }, 5);
    expect(other.isRewriteDue).toBe(false);
  });

  it('cuts a torn tail at open, durably, and goes on behind it', () => {
    const good = built(true);
    const fs = withFile(good.fs, MANIFEST, good.bytes.subarray(0, good.bytes.length - 5));
    const log = ManifestLog.open(fs, WORKDIR, load(fs));
    expect(log.isRewriteDue).toBe(true);
    expect(fs.bytesOf(MANIFEST)).toEqual(good.bytes.slice(0, good.ends[4]));
    expect(fs.afterPowerLoss().bytesOf(MANIFEST)).toEqual(good.bytes.slice(0, good.ends[4]));
    log.append(edit({ lastSeq: 1000 }));
    expect(load(fs)).toMatchObject({ edits: 6, version: { lastSeq: 1000 } });
  });

  it('writes nothing of an edit that does not fit or would not decode', () => {
    const { fs, log } = created();
    const before = fs.bytesOf(MANIFEST).slice();
    expect(() => log.append(edit({ removeValueLog: [8] }))).toThrow(ImpossibleEditError);
    expect(() =>
      log.append(
        edit({ addTables: [{ level: 0, meta: { ...table(4, 'a', 'b'), rawBytes: 1.5 } }] }),
      ),
    ).toThrow(ImpossibleEditError);
    expect(fs.bytesOf(MANIFEST)).toEqual(before);
    expect(log.version.levels[0]).toEqual([]);
  });

  it('keeps version and file in step when a write fails, and latches when a sync fails', async () => {
    const { fs, log } = created();
    fs.fault = (op) => (op === 'write' ? 'ENOSPC' : undefined);
    expect(() => log.append(edit({ lastSeq: 5 }))).toThrow(IoError);
    fs.fault = () => undefined;
    expect(log.version.lastSeq).toBe(0);
    log.append(edit({ lastSeq: 6 }));
    expect(load(fs).version.lastSeq).toBe(6);
    fs.fault = (op) => (op === 'sync' ? 'EIO' : undefined);
    await expect(log.sync()).rejects.toThrow(IoError);
    fs.fault = () => undefined;
    expect(() => log.append(edit({}))).toThrow(ReadOnlyError);
    expect(() => log.rewrite({ ...INIT, fileNumber: 9 }, 1)).toThrow(ReadOnlyError);
    expect(log.failure).toBeInstanceOf(IoError);
  });

  it('replaces the left-over of a creation that a crash ended', () => {
    const fs = new FakeFs();
    fs.put(MANIFEST, new Uint8Array([1, 2, 3]));
    fs.put('w/CURRENT.tmp', new Uint8Array([1]));
    expect(loadManifest(fs, WORKDIR, 'boot-a')).toBeUndefined();
    ManifestLog.create(fs, WORKDIR, INIT, 1);
    expect(load(fs).edits).toBe(1);
    expect(fs.list(WORKDIR)).toEqual(['CURRENT', 'MANIFEST-000001']);
  });
});

describe('ManifestLog.rewrite', () => {
  it('keeps the version, names the new file, says what it continues and removes the old one', () => {
    const good = built(true);
    const log = ManifestLog.open(good.fs, WORKDIR, load(good.fs));
    const { bytes, version } = log;
    log.rewrite({ ...INIT, fileNumber: 12 }, 7);
    expect(good.fs.list(WORKDIR)).toEqual(['CURRENT', 'MANIFEST-000012']);
    expect(good.fs.afterPowerLoss().list(WORKDIR)).toContain('MANIFEST-000012');
    const loaded = load(good.fs);
    expect(loaded.header.continues).toMatchObject({ fileNumber: 1, bytes });
    expect(plain(loaded.version)).toEqual(
      plain({ ...version, nextFileNumber: 13, isCleanClose: false }),
    );
    log.append(edit({ lastSeq: 500 }));
    expect(load(good.fs)).toMatchObject({ edits: 2, version: { lastSeq: 500 } });
  });

  it('is due when the file outgrows threshold and snapshot', () => {
    const { log } = created();
    expect(log.isRewriteDue).toBe(false);
    const long = 'x'.repeat(1 << 20);
    for (let i = 0; i < 4; i++) log.append({ timeMs: 1, reason: long });
    expect(log.isRewriteDue).toBe(true);
    log.rewrite({ ...INIT, fileNumber: 2 }, 1);
    expect(log.isRewriteDue).toBe(false);
  });

  it('is due for a rewrite at the size it was given', () => {
    const fs = new FakeFs();
    const log = ManifestLog.create(fs, WORKDIR, INIT, 1000, 4096);
    while (log.bytes <= 4096) {
      expect(log.isRewriteDue).toBe(false);
      log.append({ timeMs: 1, reason: 'x'.repeat(300) });
    }
    expect(log.isRewriteDue).toBe(true);
    log.close();
    const opened = ManifestLog.open(fs, WORKDIR, load(fs), 4096);
    expect(opened.isRewriteDue).toBe(true);
  });

  it('lets a sync of the old file end in peace, even a failing one', async () => {
    const { fs, log } = created();
    log.append(edit({ lastSeq: 5 }));
    fs.holdsSyncs = true;
    const sync = log.sync();
    log.rewrite({ ...INIT, fileNumber: 2 }, 1);
    fs.fault = (op, path) => (op === 'sync' && path === MANIFEST ? 'EIO' : undefined);
    fs.releaseSyncs();
    await sync;
    fs.holdsSyncs = false;
    log.append(edit({ lastSeq: 6 }));
    await log.sync();
    expect(load(fs.afterPowerLoss(), 'boot-b').version.lastSeq).toBe(6);
  });

  it('survives a failure of each of its operations: the state is right, before and after both kinds of crash', () => {
    let failAt = 1;
    for (let isDone = false; !isDone; failAt++) {
      const good = built(true);
      const log = ManifestLog.open(good.fs, WORKDIR, load(good.fs));
      const want = plain({ ...log.version, isCleanClose: false, nextFileNumber: 0 });
      const fs = good.fs;
      let count = 0;
      fs.operations = [];
      fs.fault = () => (++count === failAt ? 'EIO' : undefined);
      let error: unknown;
      try {
        log.rewrite({ ...INIT, fileNumber: 12 }, 7);
      } catch (caught) {
        error = caught;
      }
      isDone = count < failAt;
      fs.fault = () => undefined;
      const what = `operation ${failAt}: ${fs.operations[failAt - 1]}`;
      if (error !== undefined) expect(error, what).toBeInstanceOf(IoError);
      for (const crashed of [fs.afterProcessCrash(), fs.afterPowerLoss()]) {
        const { version } = load(crashed, 'boot-b');
        expect(plain({ ...version, isCleanClose: false, nextFileNumber: 0 }), what).toEqual(want);
      }
      // Either still in use, and then for good, or latched.
      if (log.failure !== undefined) {
        expect(() => log.append(edit({ lastSeq: 777 })), what).toThrow(ReadOnlyError);
        continue;
      }
      log.append(edit({ lastSeq: 777 }));
      log.syncBlocking();
      expect(load(fs.afterProcessCrash()).version.lastSeq, what).toBe(777);
      expect(load(fs.afterPowerLoss(), 'boot-b').version.lastSeq, what).toBe(777);
      log.rewrite({ ...INIT, fileNumber: 30 }, 7);
      expect(load(fs.afterPowerLoss(), 'boot-b').version.lastSeq, what).toBe(777);
    }
    expect(failAt).toBeGreaterThan(10);
  });

  it('leaves a right manifest behind when the process or the power ends before each of its operations', () => {
    class Crash extends Error {}
    for (let crashAt = 1; ; crashAt++) {
      const good = built(true);
      const log = ManifestLog.open(good.fs, WORKDIR, load(good.fs));
      const want = plain({ ...log.version, isCleanClose: false, nextFileNumber: 0 });
      const fs = good.fs;
      let count = 0;
      fs.fault = () => {
        if (++count >= crashAt) throw new Crash();
        return undefined;
      };
      let isCrashed = false;
      try {
        log.rewrite({ ...INIT, fileNumber: 12 }, 7);
      } catch (error) {
        expect(error).toBeInstanceOf(Crash);
        isCrashed = true;
      }
      fs.fault = () => undefined;
      for (const crashed of [fs.afterProcessCrash(), fs.afterPowerLoss()]) {
        const { version } = load(crashed, 'boot-b');
        expect(
          plain({ ...version, isCleanClose: false, nextFileNumber: 0 }),
          `operation ${crashAt}`,
        ).toEqual(want);
      }
      if (!isCrashed) break;
    }
  });
});

describe('loadManifest', () => {
  it('after a process crash cuts an incomplete last edit at every length and refuses a file without snapshot', () => {
    const good = built(true);
    for (let length = 0; length <= good.bytes.length; length++) {
      const result = recover(
        withFile(good.fs, MANIFEST, good.bytes.subarray(0, length)),
        'boot-a',
        good,
      );
      const edits = good.ends.filter((end) => end <= length).length;
      if (edits === 0) expect(result).toBeInstanceOf(CorruptionError);
      else expect(result).toEqual({ edits, torn: length - (good.ends[edits - 1] as number) });
    }
  });

  it('after a process crash refuses every changed byte', () => {
    const good = built(true);
    eachDamage(good.bytes, (bad, at) => {
      expect(
        recover(withFile(good.fs, MANIFEST, bad), 'boot-a', good),
        `byte ${at}`,
      ).toBeInstanceOf(CorruptionError);
    });
  });

  it('after a power loss refuses a changed byte before the last synced place that a record tells of', () => {
    const good = built(true);
    const told = good.ends.at(-2) as number;
    eachDamage(good.bytes, (bad, at) => {
      const result = recover(withFile(good.fs, MANIFEST, bad), 'boot-b', good);
      if (at < told) expect(result, `byte ${at}`).toBeInstanceOf(CorruptionError);
      else expect(result, `byte ${at}`).toEqual({ edits: PROGRAM.length, torn: bad.length - told });
    });
  });

  it('refuses a valid part shorter than is known from elsewhere', () => {
    const good = built(true);
    const fs = withFile(good.fs, MANIFEST, good.bytes.subarray(0, good.ends[2]));
    expect(load(fs, 'boot-b', good.ends[2]).edits).toBe(3);
    expect(() => load(fs, 'boot-b', good.ends[3])).toThrow('synced');
  });

  it('names the manifest when it is missing', () => {
    const good = built(true);
    good.fs.files.delete(MANIFEST);
    expect(() => load(good.fs)).toThrow(
      expect.objectContaining({ code: 'NOKV_CORRUPTION', file: MANIFEST }),
    );
    expect(readManifest(good.fs, WORKDIR).findings).toEqual([
      { kind: 'damage', file: MANIFEST, offset: 0, what: 'file named by CURRENT is missing' },
    ]);
  });

  it('refuses a newer format, which inspectors list', () => {
    const good = built(true);
    const newer = good.bytes.slice();
    newer[8] = FORMAT_VERSION + 1;
    viewOf(newer).setUint32(124, crc32(newer, 0, 124), true);
    const fs = withFile(good.fs, MANIFEST, newer);
    expect(() => load(fs)).toThrow(FormatError);
    expect(readManifest(fs, WORKDIR).findings).toMatchObject([
      { kind: 'format', file: MANIFEST, offset: 0 },
    ]);
  });

  it('refuses a manifest under another number', () => {
    const good = built(true);
    good.fs.put('w/MANIFEST-000002', good.bytes);
    good.fs.put(CURRENT, encodeCurrent(2));
    expect(() => load(good.fs)).toThrow('file number');
  });
});

describe('readOnManifest', () => {
  it('comes to what a whole reading finds, from every length to every length', () => {
    const good = built(true);
    const whole = load(good.fs);
    for (let length = good.ends[0] as number; length <= good.bytes.length; length++) {
      const before = load(withFile(good.fs, MANIFEST, good.bytes.subarray(0, length)));
      expect(readOnManifest(good.fs, WORKDIR, before)).toEqual(whole);
    }
    const first = load(withFile(good.fs, MANIFEST, good.bytes.subarray(0, good.ends[0])));
    for (let length = good.ends[0] as number; length <= good.bytes.length; length++) {
      const fs = withFile(good.fs, MANIFEST, good.bytes.subarray(0, length));
      const { chains, ...found } = readOnManifest(fs, WORKDIR, first) as LoadedManifest;
      const { chains: expected, ...rest } = load(fs);
      expect(found).toEqual(rest);
      for (const [end, chain] of expected) expect(chains.get(end)).toBe(chain);
    }
  });

  it('leaves it to a whole reading when the manifest is another one, shorter, or not the same any more', () => {
    const good = built(true);
    const before = load(good.fs);
    const cut = withFile(good.fs, MANIFEST, good.bytes.subarray(0, before.tail.bytes - 1));
    expect(readOnManifest(cut, WORKDIR, before)).toBeUndefined();
    const bad = new Uint8Array(good.bytes.length + 100);
    bad.set(good.bytes);
    expect(readOnManifest(withFile(good.fs, MANIFEST, bad), WORKDIR, before)).toBeUndefined();
    const other = withFile(good.fs, 'w/MANIFEST-000002', good.bytes);
    other.put(CURRENT, encodeCurrent(2));
    expect(readOnManifest(other, WORKDIR, before)).toBeUndefined();
    const gone = good.fs.afterProcessCrash();
    gone.files.delete(MANIFEST);
    expect(readOnManifest(gone, WORKDIR, before)).toBeUndefined();
    expect(readOnManifest(good.fs, WORKDIR, load(good.fs, 'boot-b'))).toBeUndefined();
  });

  it('does not take another file of that name and length for the same', () => {
    const { fs } = created();
    const other = new FakeFs();
    ManifestLog.create(other, WORKDIR, { ...INIT, identity: 'ffffffffffffffff' }, 1000).close();
    expect(other.bytesOf(MANIFEST)).toHaveLength(fs.bytesOf(MANIFEST).length);
    expect(readOnManifest(other, WORKDIR, load(fs))).toBeUndefined();
  });
});

describe('CURRENT', () => {
  it('is refused in every changed, cut or extended form', () => {
    const good = built(true);
    const bytes = good.fs.bytesOf(CURRENT);
    expect(new TextDecoder().decode(bytes)).toBe('MANIFEST-000001 5a055f23\n');
    for (let length = 0; length < bytes.length; length++) {
      expect(() =>
        readCurrent(withFile(good.fs, CURRENT, bytes.subarray(0, length)), WORKDIR),
      ).toThrow(CorruptionError);
    }
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    expect(() => readCurrent(withFile(good.fs, CURRENT, longer), WORKDIR)).toThrow(CorruptionError);
    eachDamage(bytes, (bad) => {
      const fs = withFile(good.fs, CURRENT, bad);
      expect(() => readCurrent(fs, WORKDIR)).toThrow(CorruptionError);
      expect(recover(fs, 'boot-a', good)).toBeInstanceOf(CorruptionError);
    });
    expect(readCurrent(new FakeFs(), WORKDIR)).toBeUndefined();
  });

  it('round-trips numbers of any length', () => {
    for (const fileNumber of [1, 999_999, 1_000_000, 0xffff_ffff]) {
      const fs = new FakeFs();
      fs.put(CURRENT, encodeCurrent(fileNumber));
      expect(readCurrent(fs, WORKDIR)).toBe(fileNumber);
    }
  });
});

describe('readManifest', () => {
  it('lists every edit with its place', () => {
    const good = built(true);
    const inspection = readManifest(good.fs, WORKDIR);
    expect(inspection).toMatchObject({
      fileNumber: 1,
      path: MANIFEST,
      bytes: good.bytes.length,
      findings: [],
    });
    expect(inspection.edits.slice(1).map((record) => record.edit)).toEqual(PROGRAM);
    expect(inspection.edits.slice(1).map((record) => record.offset)).toEqual(
      good.ends.slice(0, -1),
    );
  });

  it('reads up to the damage, says where it is, and finds a manifest without CURRENT', () => {
    const good = built(true);
    const bad = good.bytes.slice();
    const at = (good.ends[2] as number) + 30;
    bad[at] = (bad[at] as number) ^ 1;
    const fs = withFile(good.fs, MANIFEST, bad);
    fs.files.delete(CURRENT);
    const inspection = readManifest(fs, WORKDIR);
    expect(inspection.edits).toHaveLength(3);
    expect(inspection.findings).toEqual([
      { kind: 'damage', file: CURRENT, offset: 0, what: 'file is missing' },
      { kind: 'damage', file: MANIFEST, offset: good.ends[2], what: 'record checksum mismatch' },
    ]);
    expect(plain(inspection.version)).toEqual(plain(good.versions[2] as Version));
    expect(readManifest(new FakeFs(), WORKDIR)).toMatchObject({ fileNumber: undefined, edits: [] });
  });
});

describe('checkManifestContinues', () => {
  const seen = (continues: LogPosition | undefined): LogHeader => ({
    fileNumber: 9,
    identity: '0011223344556677',
    bootId: '',
    formatVersion: 1,
    checksumType: 1,
    chain: 0,
    continues,
  });

  it('accepts every synced place of the current manifest and refuses any other', () => {
    const { fs, log } = created();
    const places = [log.syncedPosition()];
    for (const one of PROGRAM) {
      log.append(one);
      expect(log.syncedPosition()).toEqual(places.at(-1));
      log.syncBlocking();
      places.push(log.syncedPosition());
    }
    const loaded = load(fs);
    for (const place of places) {
      checkManifestContinues(loaded, seen(place));
      expect(() =>
        checkManifestContinues(loaded, seen({ ...place, chain: place.chain ^ 1 })),
      ).toThrow(CorruptionError);
      expect(() =>
        checkManifestContinues(loaded, seen({ ...place, bytes: place.bytes + 1 })),
      ).toThrow(CorruptionError);
    }
    const short = load(withFile(fs, MANIFEST, fs.bytesOf(MANIFEST).subarray(0, places[2]?.bytes)));
    checkManifestContinues(short, seen(places[2]));
    expect(() => checkManifestContinues(short, seen(places[3]))).toThrow('shorter');
    expect(() => checkManifestContinues(loaded, seen(undefined))).toThrow(CorruptionError);
  });

  it('accepts an older manifest that was rewritten later than the segment saw it, and no other', () => {
    const good = built(true);
    const log = ManifestLog.open(good.fs, WORKDIR, load(good.fs));
    const old = log.syncedPosition();
    log.rewrite({ ...INIT, fileNumber: 20 }, 7);
    const loaded = load(good.fs);
    checkManifestContinues(loaded, seen(old));
    checkManifestContinues(loaded, seen({ ...old, bytes: 128 }));
    checkManifestContinues(loaded, seen(log.syncedPosition()));
    expect(() => checkManifestContinues(loaded, seen({ ...old, bytes: old.bytes + 1 }))).toThrow(
      'shorter',
    );
    expect(() => checkManifestContinues(loaded, seen({ ...old, fileNumber: 5 }))).toThrow(
      'not rewritten from',
    );
    expect(() => checkManifestContinues(loaded, seen({ ...old, fileNumber: 21 }))).toThrow('older');
    log.rewrite({ ...INIT, fileNumber: 22 }, 7);
    checkManifestContinues(load(good.fs), seen(old));
  });
});
