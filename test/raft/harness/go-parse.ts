/** Words of a script as Go's strconv reads them, with its error texts where a script can print them. */
import { quoteBytes } from '../../../src/raft/core/go-text.js';
import type { ScriptArg, ScriptCase } from '../../datadriven-file.js';

/** The script itself is wrong: where the original runner stops, without output to compare. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError';
}

/** What the original returns as an error; its text is output. */
export class ReportedError extends Error {
  override readonly name = 'ReportedError';
}

const UINT64_MAX = '18446744073709551615';

function quoted(text: string): string {
  return quoteBytes(new TextEncoder().encode(text));
}

/** @throws ReportedError. Numbers from 2^53 on are ScriptErrors: the core has none. */
export function parseUint(text: string): number {
  const problem = (what: string): ReportedError =>
    new ReportedError(`strconv.ParseUint: parsing ${quoted(text)}: ${what}`);
  if (!/^[0-9]+$/.test(text)) throw problem('invalid syntax');
  const digits = text.replace(/^0+(?=.)/, '');
  const isTooLong = digits.length > UINT64_MAX.length;
  if (isTooLong || (digits.length === UINT64_MAX.length && digits > UINT64_MAX)) {
    throw problem('value out of range');
  }
  const value = Number(digits);
  if (!Number.isSafeInteger(value)) throw new ScriptError(`number above 2^53: ${text}`);
  return value;
}

/** @throws ScriptError. */
export function parseInteger(text: string): number {
  if (!/^[+-]?[0-9]+$/.test(text)) throw new ScriptError(`no integer: ${text}`);
  return Number(text);
}

/** @throws ReportedError. */
export function parseBool(text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw new ReportedError(`strconv.ParseBool: parsing ${quoted(text)}: invalid syntax`);
}

/** A bad value here ends the original's test instead of being printed. */
export function mustScan<T>(parse: (text: string) => T, text: string): T {
  try {
    return parse(text);
  } catch (error) {
    throw new ScriptError(error instanceof Error ? error.message : String(error));
  }
}

export function argAt(run: ScriptCase, at: number): ScriptArg {
  const arg = run.args[at];
  if (arg === undefined) throw new ScriptError(`argument ${at + 1} is missing`);
  return arg;
}

/** The only value of the first argument with this name. */
export function valueOf(run: ScriptCase, key: string): string {
  const arg = run.args.find((one) => one.key === key);
  const value = arg?.values[0];
  if (arg === undefined || value === undefined || arg.values.length !== 1) {
    throw new ScriptError(`missing argument: ${key}`);
  }
  return value;
}
