import { describe, expect, it } from 'vitest';
import { BATCH_BYTES_MAX, GIB, MIB, VALUE_LOG_FILE_BYTES_MAX } from '../../../src/base/limits.js';
import { ActiveValueLog } from '../../../src/engine/vlog/active-value-log.js';
import { ValueLogWriter } from '../../../src/engine/vlog/writer.js';
import { createSimEnv } from '../../../src/env/sim-env.js';

function activeValueLog(): ActiveValueLog {
  const { fs } = createSimEnv(1);
  let fileNumber = 0;
  return new ActiveValueLog(
    {
      createSegment: () => {
        const header = { fileNumber: ++fileNumber, bucket: 0, identity: '0'.repeat(16) };
        return ValueLogWriter.create(fs, `/${fileNumber}`, { ...header, createdMs: 1 });
      },
      syncDirectory: () => undefined,
      onDurable: () => undefined,
    },
    VALUE_LOG_FILE_BYTES_MAX,
  );
}

describe('ActiveValueLog', () => {
  it('has no room where a pointer could not say where a value lies; then the next group begins a segment', () => {
    const log = activeValueLog();
    expect(log.hasRoomFor(BATCH_BYTES_MAX)).toBe(true);
    const { writer } = log;
    writer.bytes = VALUE_LOG_FILE_BYTES_MAX - 1;
    log.maybeRotate();
    expect(log.writer).toBe(writer);
    expect(log.hasRoomFor(BATCH_BYTES_MAX)).toBe(true);
    writer.bytes += BATCH_BYTES_MAX;
    expect(log.hasRoomFor(512 * MIB)).toBe(true);
    expect(log.hasRoomFor(BATCH_BYTES_MAX)).toBe(false);
    writer.bytes = 4 * GIB - 100 * MIB;
    expect(log.hasRoomFor(512 * MIB)).toBe(false);
    log.maybeRotate();
    expect(log.writer).not.toBe(writer);
  });
});
