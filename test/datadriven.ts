/**
 * Tests that read as text. A file is a list of cases:
 *
 *     # comment lines and blank lines between cases
 *     command name=value flag
 *     input lines
 *     ----
 *     expected output, to the next blank line
 *
 * `REWRITE=1` writes the actual output into the file; the difference is reviewed like code.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

export interface DataCase {
  readonly command: string;
  /** `name=value`; a bare flag has the value ''. */
  readonly args: ReadonlyMap<string, string>;
  readonly input: readonly string[];
}

interface Parsed {
  /** Lines up to and with the separator. */
  readonly head: readonly string[];
  readonly run: DataCase;
  readonly expected: string;
  /** Line number of the command, from 1. */
  readonly line: number;
}

/** Runs every case of the file through `handle` and compares the outputs. */
export function runDataDriven(file: URL, handle: (run: DataCase) => string): void {
  const path = fileURLToPath(file);
  const cases = parse(readFileSync(path, 'utf8'));
  const written: string[] = [];
  for (const one of cases) {
    const actual = outputOf(one, handle).trimEnd();
    written.push([...one.head, ...(actual === '' ? [] : [actual])].join('\n'));
    if (process.env['REWRITE'] === '1') continue;
    expect(actual, `${path}:${one.line}`).toBe(one.expected);
  }
  if (process.env['REWRITE'] === '1') writeFileSync(path, `${written.join('\n\n')}\n`);
}

function outputOf(one: Parsed, handle: (run: DataCase) => string): string {
  try {
    return handle(one.run);
  } catch (error) {
    throw new Error(`case at line ${one.line}`, { cause: error });
  }
}

function parse(text: string): Parsed[] {
  const lines = text.split('\n');
  const cases: Parsed[] = [];
  let at = 0;
  while (at < lines.length) {
    while (at < lines.length && lines[at]?.trim() === '') at++;
    if (at >= lines.length) break;
    const start = at;
    while (lines[at]?.startsWith('#') === true || lines[at]?.trim() === '') at++;
    const commandAt = at;
    const separator = lines.indexOf('----', at);
    if (separator === -1) throw new Error(`no ---- after line ${commandAt + 1}`);
    let end = separator + 1;
    while (end < lines.length && lines[end]?.trim() !== '') end++;
    cases.push({
      head: lines.slice(start, separator + 1),
      run: parseCommand(lines[commandAt] as string, lines.slice(commandAt + 1, separator)),
      expected: lines
        .slice(separator + 1, end)
        .join('\n')
        .trimEnd(),
      line: commandAt + 1,
    });
    at = end;
  }
  return cases;
}

function parseCommand(line: string, input: readonly string[]): DataCase {
  const [command = '', ...words] = line.trim().split(/\s+/);
  const args = new Map<string, string>();
  for (const word of words) {
    const equals = word.indexOf('=');
    if (equals === -1) args.set(word, '');
    else args.set(word.slice(0, equals), word.slice(equals + 1));
  }
  return { command, args, input };
}
