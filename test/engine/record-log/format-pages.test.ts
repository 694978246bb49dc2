import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encodeKey, FAMILY_DEFAULT, FAMILY_LOCK } from '../../../src/engine/key.js';
import { ManifestLog } from '../../../src/engine/manifest/manifest-log.js';
import { ValueLogWriter } from '../../../src/engine/vlog/writer.js';
import { WalWriter } from '../../../src/engine/wal/writer.js';
import { createSimEnv } from '../../../src/env/sim-env.js';
import { appendBatch, WAL_PATH } from '../wal/wal-files.js';
import { FakeFs } from './fake-fs.js';

const BOOT = 'boot-a';

function page(name: string): string {
  return readFileSync(new URL(`../../../docs/formats/${name}.md`, import.meta.url), 'utf8');
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

/** The bytes of the first dump on a page that starts like this; `*` stands for lines like the one before. */
function dumpOn(text: string, firstBytes: string): string {
  const block =
    text.split('```').find((part) => part.trimStart().startsWith(`0  ${firstBytes}`)) ?? '';
  const bytes: string[] = [];
  for (const line of block.trim().split('\n')) {
    const match = /^\s*(\d+)  ((?:[0-9a-f]{2} ?)+)/.exec(line);
    if (match === null) continue;
    while (bytes.length < Number(match[1])) bytes.push(...bytes.slice(-16));
    bytes.push(...(match[2] as string).trim().split(' '));
  }
  return bytes.join(' ');
}

describe('format pages', () => {
  it('show the bytes that the code writes', () => {
    const fs = new FakeFs();
    const log = ManifestLog.create(
      fs,
      'w',
      { fileNumber: 1, identity: '00112233445566aa', bootId: BOOT },
      1_700_000_000_000,
    );
    const wal = WalWriter.create(fs, WAL_PATH, {
      fileNumber: 9,
      identity: '8899aabbccddeeff',
      bootId: BOOT,
      continues: log.syncedPosition(),
    });
    wal.syncBlocking();
    appendBatch(wal, [
      { key: 'a', value: 'one', seq: 1 },
      { key: 'b', value: '', seq: 2, kind: 2 },
    ]);
    wal.syncBlocking();
    log.append({
      timeMs: 1_700_000_000_500,
      reason: 'close',
      sealWal: [wal.seal()],
      cleanClose: true,
    });
    expect(dumpOn(page('record-log'), '4e 6f 4b')).toBe(hex(fs.bytesOf(WAL_PATH)));
    expect(dumpOn(page('manifest'), '4e 6f 4b')).toBe(hex(fs.bytesOf('w/MANIFEST-000001')));
    expect(dumpOn(page('manifest'), '4d 41 4e')).toBe(hex(fs.bytesOf('w/CURRENT')));
  });

  it('show a value-log segment as it is written', () => {
    const { fs } = createSimEnv(1);
    fs.makeDirectory('/v');
    const writer = ValueLogWriter.create(fs, '/v/00003.vlog', {
      fileNumber: 3,
      bucket: 0,
      identity: '0123456789abcdef',
      createdMs: 1_700_000_000_000,
    });
    const key = encodeKey(FAMILY_DEFAULT, 'k');
    writer.append(key, 0, key.length, 9, 9, Buffer.from('value'), 0, 5);
    writer.flush();
    expect(dumpOn(page('vlog'), '4e 4f 4b')).toBe(hex(fs.readFile('/v/00003.vlog')));
  });

  it('show encoded keys as they are', () => {
    const text = page('key');
    for (const key of [
      encodeKey(FAMILY_DEFAULT, 'a\u0000'),
      encodeKey(FAMILY_DEFAULT, 'a\u0001'),
      encodeKey(FAMILY_LOCK, 'grün'),
    ]) {
      expect(text).toContain(`\`${hex(key)}\``);
    }
  });
});
