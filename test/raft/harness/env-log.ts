/**
 * The output of an interaction script: what its commands print and what the replicas log, in order,
 * filtered by the log level. NONE silences both, all but errors.
 */
import type { RaftLogger } from '../../../src/raft/core/index.js';
import { ReportedError } from './go-parse.js';

const LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'NONE'] as const;
const LEVEL_NONE = LEVELS.length - 1;

export class EnvLog implements RaftLogger {
  #text = '';
  level = 0;

  get isQuiet(): boolean {
    return this.level === LEVEL_NONE;
  }

  get text(): string {
    return this.#text;
  }

  clear(): void {
    this.#text = '';
  }

  /** @throws ReportedError for an unknown name. */
  setLevel(name: string): void {
    const level = LEVELS.findIndex((known) => known === name.toUpperCase());
    if (level === -1) {
      throw new ReportedError(`log levels must be either of [${LEVELS.join(' ')}]`);
    }
    this.level = level;
  }

  write(text: string): void {
    if (!this.isQuiet) this.#text += text;
  }

  /** What `run` writes is indented by two, line by line; also when it throws. */
  indented(run: () => void): void {
    const before = this.#text;
    this.#text = '';
    try {
      run();
    } finally {
      const lines = this.#text.split('\n');
      if (lines[lines.length - 1] === '') lines.pop();
      this.#text = before + lines.map((line) => `  ${line}\n`).join('');
    }
  }

  debug(line: string): void {
    this.#log(0, line);
  }

  info(line: string): void {
    this.#log(1, line);
  }

  warning(line: string): void {
    this.#log(2, line);
  }

  error(line: string): void {
    this.#log(3, line);
  }

  fatal(line: string): void {
    this.#log(4, line);
  }

  #log(level: number, line: string): void {
    if (this.level <= level) this.write(`${LEVELS[level] ?? ''} ${line}\n`);
  }
}
