/**
 * Tests that read as text, for vitest; the format is that of datadriven-file.ts. Comment lines and
 * blank lines may stand between cases.
 *
 * `REWRITE=1` writes the actual output into the file; the difference is reviewed like code.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { formatScript, parseScript, type ScriptCase } from './datadriven-file.js';

export interface DataCase {
  readonly command: string;
  /** `name=value`; a bare flag has the value ''. */
  readonly args: ReadonlyMap<string, string>;
  readonly input: readonly string[];
}

/** Runs every case of the file through `handle` and compares the outputs. */
export function runDataDriven(file: URL, handle: (run: DataCase) => string): void {
  const path = fileURLToPath(file);
  const cases = parseScript(readFileSync(path, 'utf8'));
  const outputs: string[] = [];
  for (const one of cases) {
    const actual = outputOf(one, handle).trimEnd();
    outputs.push(actual);
    if (process.env['REWRITE'] === '1') continue;
    expect(actual, `${path}:${one.line}`).toBe(one.expected.trimEnd());
  }
  if (process.env['REWRITE'] === '1') writeFileSync(path, formatScript(cases, outputs));
}

function outputOf(one: ScriptCase, handle: (run: DataCase) => string): string {
  const args = new Map(one.args.map(({ key, values }) => [key, values.join(',')]));
  try {
    return handle({ command: one.command, args, input: one.input });
  } catch (error) {
    throw new Error(`case at line ${one.line}`, { cause: error });
  }
}
