/**
 * The log of a process: one JSON object per line on standard error,
 *
 *   {"time":"2024-05-01T12:00:00.000Z","level":"info","event":"flush-end","table":17}
 *
 * Written by the blocking call, so that the lines before a crash are there. A line that cannot be
 * written (closed or full pipe) is dropped and counted: logging never fails its caller.
 */
import { writeSync } from 'node:fs';
import type { Log, LogFields, LogLevel } from '../base/env.js';

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const STANDARD_ERROR = 2;

export interface NodeLogOptions {
  /** Lines below this level are discarded. Default 'info'. */
  readonly level?: LogLevel;
  /** Takes one line, newline included; may throw. Default: standard error. */
  readonly write?: (line: string) => void;
  /** Wall time in milliseconds. Default Date.now. */
  readonly nowMs?: () => number;
}

export class NodeLog implements Log {
  readonly level: LogLevel;
  readonly #write: (line: string) => void;
  readonly #nowMs: () => number;
  /** Lines lost since the last one that was written; reported by the next. */
  #dropped: number;

  constructor(options: NodeLogOptions = {}) {
    this.level = options.level ?? 'info';
    this.#write = options.write ?? writeStandardError;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#dropped = 0;
  }

  write(level: LogLevel, event: string, fields?: LogFields): void {
    if (RANK[level] < RANK[this.level]) return;
    try {
      this.#write(this.#format(level, event, fields));
      this.#dropped = 0;
    } catch {
      this.#dropped++;
    }
  }

  /** A field cannot replace time, level or event: it is written with a leading underscore then. */
  #format(level: LogLevel, event: string, fields: LogFields | undefined): string {
    const line: Record<string, unknown> = {
      time: new Date(this.#nowMs()).toISOString(),
      level,
      event,
    };
    if (this.#dropped > 0) line['droppedLines'] = this.#dropped;
    for (const [name, value] of Object.entries(fields ?? {})) {
      line[Object.hasOwn(line, name) ? `_${name}` : name] = value;
    }
    return `${JSON.stringify(line)}\n`;
  }
}

function writeStandardError(line: string): void {
  writeSync(STANDARD_ERROR, line);
}
