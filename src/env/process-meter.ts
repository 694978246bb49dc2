/**
 * What a process knows of itself: time, memory, CPU, bytes written. For the benchmark harness, which
 * measures itself from inside.
 */
import { type Dirent, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

export class ProcessMeter {
  /** Monotonic, fractional milliseconds. */
  nowMs(): number {
    return performance.now();
  }

  /** Resolves in a later turn of the event loop. */
  nextTurn(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, delayMs);
    });
  }

  residentBytes(): number {
    return process.memoryUsage.rss();
  }

  /** User and system time of all threads, milliseconds. */
  cpuMs(): number {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  }

  /**
   * Bytes the process made dirty in the page cache (write calls and memory maps alike), and bytes it gave to write
   * calls, as Linux counts them. Which of them says what went to a disk, only their growth tells. Else null.
   */
  bytesWritten(): { readonly dirtied: number; readonly called: number } | null {
    let text: string;
    try {
      text = readFileSync('/proc/self/io', 'latin1');
    } catch {
      return null;
    }
    return { dirtied: numberAfter(text, 'write_bytes'), called: numberAfter(text, 'wchar') };
  }

  /** Bytes allocated to the files under a directory; 0 when it is not there. */
  diskBytes(directory: string): number {
    let bytes = 0;
    for (const entry of entriesOf(directory)) {
      const path = join(directory, entry.name);
      bytes += entry.isDirectory() ? this.diskBytes(path) : allocatedBytes(path);
    }
    return bytes;
  }

  /** Fine when it is not there. */
  removeDirectory(directory: string): void {
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Bytes per unit of `st_blocks`. */
const BLOCK_UNIT = 512;

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** Files come and go while a database works: one that has gone counts as nothing. */
function allocatedBytes(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  return process.platform === 'win32' ? stat.size : stat.blocks * BLOCK_UNIT;
}

function numberAfter(text: string, label: string): number {
  const match = new RegExp(`^${label}: (\\d+)$`, 'm').exec(text);
  return match === null ? 0 : Number(match[1]);
}
