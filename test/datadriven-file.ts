/**
 * The text format of scripted tests: cases of a directive, input lines, `----` and the expected output.
 *
 *     # comment
 *     command flag name=value names=(value, value) \
 *       continued=line
 *     input lines
 *     ----
 *     expected output, to the next blank line
 *
 * Output with blank lines in it stands between doubled separators (`----` `----`). This is the format
 * of github.com/cockroachdb/datadriven, so that scripts written for it can be read. Needs no runner.
 */

export interface ScriptArg {
  readonly key: string;
  /** Empty for a bare word; one value for `key=value`, `key=` included; several for `key=(a, b)`. */
  readonly values: readonly string[];
}

export interface ScriptCase {
  readonly command: string;
  readonly args: readonly ScriptArg[];
  /** Lines between the directive and the separator. */
  readonly input: readonly string[];
  /** With its line ends; '' when there is none. */
  readonly expected: string;
  /** Line number of the directive, from 1. */
  readonly line: number;
  /** Line number of the first line of expected output. */
  readonly expectedLine: number;
  /** Everything from the end of the case before to the separator, for rewriting. */
  readonly head: readonly string[];
}

const SEPARATOR = '----';

/** @throws Error with a line number where the text is no script. */
export function parseScript(text: string): ScriptCase[] {
  const lines = text.split('\n');
  if (lines[lines.length - 1] === '') lines.pop();
  const cases: ScriptCase[] = [];
  let at = 0;
  let headStart = 0;
  while (at < lines.length) {
    const start = at;
    let directive = (lines[at++] as string).trim();
    if (directive.startsWith('#')) continue;
    while (directive.endsWith('\\') && at < lines.length) {
      directive = `${directive.slice(0, -1)} ${(lines[at++] as string).trim()}`;
    }
    if (directive === '') continue;
    const { command, args } = parseDirective(directive, start + 1);
    // Sections of a script: names for the runner of the original, nothing to compare.
    if (command === 'subtest') continue;
    const inputStart = at;
    while (at < lines.length && lines[at] !== SEPARATOR) at++;
    const input = lines.slice(inputStart, at);
    const head = lines.slice(headStart, at);
    at++;
    const expected = readExpected(lines, at);
    cases.push({
      command,
      args,
      input,
      expected: expected.text,
      line: start + 1,
      expectedLine: expected.start + 1,
      head,
    });
    at = expected.end;
    headStart = at;
  }
  return cases;
}

/** The text of the script with other outputs. */
export function formatScript(cases: readonly ScriptCase[], outputs: readonly string[]): string {
  const parts = cases.map((one, i) => {
    const head = `${one.head.join('\n')}\n${SEPARATOR}\n`;
    const output = endLine(outputs[i] ?? '');
    if (!/^[\t ]*\n/m.test(output)) return `${head}${output}\n`;
    return `${head}${SEPARATOR}\n${output}${SEPARATOR}\n${SEPARATOR}\n\n`;
  });
  return `${parts.join('').trimEnd()}\n`;
}

/** Output as it is compared: ends with a line end, unless it is empty. */
export function endLine(output: string): string {
  return output === '' || output.endsWith('\n') ? output : `${output}\n`;
}

function readExpected(
  lines: readonly string[],
  at: number,
): { text: string; start: number; end: number } {
  const join = (from: number, to: number): string =>
    lines
      .slice(from, to)
      .map((line) => `${line}\n`)
      .join('');
  if (lines[at] !== SEPARATOR) {
    let end = at;
    while (end < lines.length && (lines[end] as string).trim() !== '') end++;
    return { text: join(at, end), start: at, end: Math.min(end + 1, lines.length) };
  }
  let end = at + 1;
  while (end < lines.length && !(lines[end] === SEPARATOR && lines[end + 1] === SEPARATOR)) end++;
  const after = lines[end + 2];
  if (after !== undefined && after !== '') {
    throw new Error(`line ${end + 3}: a blank line must follow the doubled separator`);
  }
  return { text: join(at + 1, end), start: at + 1, end: Math.min(end + 3, lines.length) };
}

function parseDirective(text: string, line: number): { command: string; args: ScriptArg[] } {
  let rest = text;
  const fail = (): never => {
    throw new Error(
      `line ${line}: cannot parse directive at column ${text.length - rest.length + 1}: ${text}`,
    );
  };
  const until = (stops: RegExp): string => {
    const found = rest.search(stops);
    const word = found === -1 ? rest : rest.slice(0, found);
    rest = rest.slice(word.length);
    return word;
  };
  const command = until(/ /);
  const args: ScriptArg[] = [];
  for (rest = rest.trim(); rest !== ''; rest = rest.trim()) {
    const key = until(/[ =]/);
    if (key === '') fail();
    if (!rest.startsWith('=')) {
      args.push({ key, values: [] });
      continue;
    }
    rest = rest.slice(1);
    if (!rest.startsWith('(')) {
      args.push({ key, values: [until(/ /)] });
      continue;
    }
    const list = parseList(rest) ?? fail();
    args.push({ key, values: list.values });
    rest = rest.slice(list.length);
  }
  return { command, args };
}

/** `(a, b (c, d))`: cut at commas outside of inner parentheses. undefined: it does not close. */
function parseList(text: string): { values: string[]; length: number } | undefined {
  const values: string[] = [];
  let depth = 1;
  let start = 1;
  for (let at = 1; at < text.length; at++) {
    const character = text[at];
    if (character === '(') depth++;
    else if (character === ')') depth--;
    if (depth === 0) {
      values.push(text.slice(start, at));
      return { values, length: at + 1 };
    }
    if (character === ',' && depth === 1) {
      values.push(text.slice(start, at));
      start = at + 1;
      while (text[start] === ' ') start++;
      at = start - 1;
    }
  }
  return undefined;
}
