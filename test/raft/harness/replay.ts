/**
 * Replays scripts: `npm run raft:replay -- DIR ...`. Walks folders for *.txt, tells by its commands
 * what each is, prints a verdict per file and the first difference. Exit status 1 on any difference,
 * on a file that is no script, and when there is none.
 *
 * `--rewrite` writes the actual outputs into the files instead; the difference is reviewed like code.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endLine, formatScript, parseScript, type ScriptCase } from '../../datadriven-file.js';
import { CONFCHANGE_COMMANDS, confchangeRunner } from './confchange-script.js';
import { interactionRunner } from './interaction-script.js';
import { QUORUM_COMMANDS, runQuorum } from './quorum-script.js';

export type ScriptKind = 'interaction' | 'confchange' | 'quorum';

/** Where a script and the replay part; lines count from 1. */
export interface Difference {
  readonly line: number;
  readonly command: string;
  readonly expected: string | undefined;
  readonly actual: string | undefined;
}

export interface Replayed {
  readonly kind: ScriptKind;
  readonly cases: number;
  readonly difference: Difference | undefined;
  /** The script with the actual outputs. */
  readonly rewritten: string;
}

/** What kind of script this is, by its first command. */
export function kindOf(cases: readonly ScriptCase[]): ScriptKind {
  const first = cases[0]?.command ?? '';
  if (CONFCHANGE_COMMANDS.includes(first)) return 'confchange';
  return QUORUM_COMMANDS.includes(first) ? 'quorum' : 'interaction';
}

/** Runs all of a script. @throws Error when it is no script. */
export function replayText(text: string): Replayed {
  const cases = parseScript(text);
  if (cases.length === 0) throw new Error('no commands');
  const kind = kindOf(cases);
  const run =
    kind === 'interaction'
      ? interactionRunner()
      : kind === 'confchange'
        ? confchangeRunner()
        : runQuorum;
  let difference: Difference | undefined;
  const outputs: string[] = [];
  for (const one of cases) {
    const actual = endLine(outputOf(one, run));
    outputs.push(actual);
    difference ??= differenceOf(one, actual);
  }
  return { kind, cases: cases.length, difference, rewritten: formatScript(cases, outputs) };
}

function outputOf(one: ScriptCase, run: (run: ScriptCase) => string): string {
  try {
    return run(one);
  } catch (error) {
    return `line ${one.line}: ${String(error)}`;
  }
}

function differenceOf(one: ScriptCase, actual: string): Difference | undefined {
  if (actual === one.expected) return undefined;
  const expectedLines = one.expected.split('\n').slice(0, -1);
  const actualLines = actual.split('\n').slice(0, -1);
  let at = 0;
  while (at < expectedLines.length && expectedLines[at] === actualLines[at]) at++;
  return {
    line: one.expectedLine + at,
    command: one.command,
    expected: expectedLines[at],
    actual: actualLines[at],
  };
}

/** Every *.txt at or below `path`, sorted; none when nothing is there. */
export function scriptsBelow(path: string): string[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (!stat.isDirectory()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.txt'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** The command; returns the exit status. */
export function main(args: readonly string[]): number {
  const isRewriting = args.includes('--rewrite');
  const paths = args.filter((arg) => arg !== '--rewrite');
  const files = paths.flatMap(scriptsBelow);
  let failed = 0;
  let cases = 0;
  for (const file of files) {
    try {
      const replayed = replayText(readFileSync(file, 'utf8'));
      cases += replayed.cases;
      if (isRewriting) writeFileSync(file, replayed.rewritten);
      const isSame = replayed.difference === undefined;
      if (!isSame) failed++;
      const verdict = isSame ? 'same' : isRewriting ? 'rewritten' : 'DIFFERENT';
      console.log(`${verdict.padEnd(9)} ${replayed.kind.padEnd(11)} ${file}`);
      if (replayed.difference !== undefined) printDifference(file, replayed.difference);
    } catch (error) {
      failed++;
      console.log(`UNREADABLE            ${file}: ${String(error)}`);
    }
  }
  if (files.length === 0) console.log(`No scripts (*.txt) found: ${paths.join(' ')}`);
  else console.log(`${files.length - failed} of ${files.length} files the same, ${cases} commands`);
  return files.length === 0 || (failed > 0 && !isRewriting) ? 1 : 0;
}

function printDifference(file: string, { line, command, expected, actual }: Difference): void {
  const show = (text: string | undefined): string => (text === undefined ? '(nothing)' : text);
  console.log(`  ${file}:${line}: output of ${command}`);
  console.log(`    expected: ${show(expected)}`);
  console.log(`    actual:   ${show(actual)}`);
}
