/**
 * Options of `open()` from a TOML file. Names may be written in any case and with any separators
 * (`cacheBytes`, `cache_bytes`, `Cache-Bytes`, a table `[cache]` with `bytes`), sizes as "64MiB" too.
 *
 * TOML comes from a package, which is loaded with this file only: neither `open()` nor a command without
 * --options pays for it. The package does not say where in the file a value stands, so that an error looks it
 * up: by the shortest beginning of the file that parses and has the key.
 */
import { parse, TomlDate, TomlError, type TomlTable } from 'smol-toml';
import { parseBytes } from '../base/byte-size.js';
import { closestName } from '../base/closest-name.js';
import type { Fs } from '../base/env.js';
import { type Details, NokvError } from '../base/errors.js';
import { MIB } from '../base/limits.js';
import { OPTION_RULES, type OpenOptions, resolveOptions, RULE_FIELDS } from '../engine/options.js';

/** Larger files are no options. */
const FILE_BYTES_MAX = MIB;

/** A setting as the file spells it. */
interface Setting {
  readonly spelling: string;
  readonly value: unknown;
}

/** Settings by plain name: lower case, without separators. */
type Settings = ReadonlyMap<string, Setting>;

/**
 * Reads and checks a file of options; what it does not say is left out.
 * @throws NokvError NOKV_INVALID naming file, line and key; NOKV_NOT_FOUND; IoError
 */
export function readOptions(fs: Fs, path: string): OpenOptions {
  const found = fs.stat(path);
  if (found === undefined) {
    throw new NokvError('NOKV_NOT_FOUND', `Cannot read options: there is no ${path}`, {
      details: { path },
      hint: 'Name a file in TOML; docs/options.md lists the options',
    });
  }
  if (found.isDirectory) throw invalid(path, undefined, 'it is a directory');
  if (found.bytes > FILE_BYTES_MAX) throw invalid(path, undefined, 'it has more than 1 MiB');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(fs.readFile(path));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw invalid(path, undefined, 'it is not UTF-8');
  }
  return parseOptions(text, path);
}

/** The same from text; `file` is for errors. */
export function parseOptions(text: string, file: string): OpenOptions {
  return new OptionsText(text, file).options();
}

class OptionsText {
  readonly #text: string;
  readonly #file: string;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  options(): OpenOptions {
    const settings = this.#settings(parseToml(this.#text, this.#file));
    const names = Object.keys(OPTION_RULES);
    const options: Record<string, unknown> = {};
    for (const [plain, { spelling, value }] of settings) {
      const name = names.find((one) => plainName(one) === plain);
      if (name === undefined)
        throw this.#unknown(spelling, names, (table) => settingsOf(table, '').has(plain));
      options[name] = this.#valueOf(name as keyof OpenOptions, value);
    }
    try {
      resolveOptions(options);
    } catch (error) {
      throw error instanceof NokvError ? this.#located(error, settings) : error;
    }
    return options;
  }

  /** `isThere` finds the place of a name that comes twice. */
  #settings(table: TomlTable, isThere = repeats): Settings {
    return settingsOf(table, '', (setting, other) => {
      const what = `"${setting.spelling}" is "${other.spelling}" again`;
      throw invalid(this.#file, this.#lineWhere(isThere), what, { option: setting.spelling });
    });
  }

  /** The value as `open()` takes it; a wrong one is left to resolveOptions. */
  #valueOf(name: keyof OpenOptions, value: unknown): unknown {
    const rule = OPTION_RULES[name];
    if ((rule.kind === 'policies' || rule.kind === 'prefixes') && Array.isArray(value)) {
      const fields = RULE_FIELDS[rule.kind];
      return value.map((one: unknown, i) =>
        isTable(one) ? this.#rule(name, fields, one, i) : one,
      );
    }
    const isSize = rule.kind === 'number' && rule.isBytes;
    return isSize && typeof value === 'string' ? sizeOf(value) : value;
  }

  /** One rule of an option that is a list of tables. */
  #rule(
    option: string,
    fields: readonly string[],
    rule: TomlTable,
    index: number,
  ): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    const list = plainName(option);
    const repeatsHere = (table: TomlTable): boolean => {
      const rules = settingsOf(table, '').get(list)?.value;
      const found: unknown = Array.isArray(rules) ? rules[index] : undefined;
      return isTable(found) && repeats(found);
    };
    for (const [plain, { spelling, value }] of this.#settings(rule, repeatsHere)) {
      const name = fields.find((one) => plainName(one) === plain);
      if (name === undefined) {
        const isThere = (table: TomlTable): boolean => hasRuleField(table, list, index, plain);
        throw this.#unknown(`${option}[${index}].${spelling}`, fields, isThere, spelling);
      }
      result[name] = name === 'threshold' && typeof value === 'string' ? sizeOf(value) : value;
    }
    return result;
  }

  #unknown(
    spelling: string,
    names: readonly string[],
    isThere: (table: TomlTable) => boolean,
    last = spelling,
  ): NokvError {
    const closest = closestName(plainName(last), names);
    const suggestion = closest === undefined ? '' : `; did you mean "${closest}"?`;
    const line = this.#lineWhere(isThere);
    return invalid(this.#file, line, `unknown option "${spelling}"${suggestion}`, {
      option: spelling,
      suggestion: closest ?? null,
    });
  }

  /** An error of resolveOptions, with the place of what it names. */
  #located(error: NokvError, settings: Settings): NokvError {
    const { option, value, expected } = error.details;
    const [, name = '', index, field] =
      /^(\w+)(?:\[(\d+)\](?:\.(\w+))?)?$/.exec(String(option)) ?? [];
    const plain = plainName(name);
    const hasField = (table: TomlTable): boolean =>
      index === undefined
        ? settingsOf(table, '').has(plain)
        : hasRuleField(
            table,
            plain,
            Number(index),
            field === undefined ? undefined : plainName(field),
          );
    // A field that is missing is looked for at its rule.
    const line =
      this.#lineWhere(hasField) ??
      this.#lineWhere((table) => hasRuleField(table, plain, Number(index), undefined));
    const spelling = index === undefined ? (settings.get(plain)?.spelling ?? option) : option;
    const what = `"${String(spelling)}" must be ${String(expected)}`;
    return invalid(this.#file, line, what, error.details, `Got ${String(value)}`);
  }

  /** The line, from 1, of the first statement after which the file has something. */
  #lineWhere(isThere: (table: TomlTable) => boolean): number | undefined {
    const lines = this.#text.split('\n');
    let after = 0;
    for (let count = 1; count <= lines.length; count++) {
      let table: TomlTable;
      try {
        table = parse(lines.slice(0, count).join('\n'));
      } catch {
        continue; // the line goes on in the next one
      }
      if (isThere(table)) return after + 1;
      after = count;
    }
    return undefined;
  }
}

function parseToml(text: string, file: string): TomlTable {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The first line says what is wrong, the others show the place.
    const what = error.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '') ?? '';
    throw invalid(file, error.line, `it is no TOML: ${what}`, { column: error.column });
  }
}

/** Tables inside tables only add to the name: `[cache]` with `bytes` is `cache.bytes`. The first of a name counts. */
function settingsOf(
  table: TomlTable,
  prefix: string,
  onRepeat: (setting: Setting, other: Setting) => void = () => undefined,
  settings = new Map<string, Setting>(),
): Settings {
  for (const [key, value] of Object.entries(table)) {
    const spelling = `${prefix}${key}`;
    if (isTable(value)) {
      settingsOf(value, `${spelling}.`, onRepeat, settings);
      continue;
    }
    const setting = { spelling, value };
    const other = settings.get(plainName(spelling));
    if (other === undefined) settings.set(plainName(spelling), setting);
    else onRepeat(setting, other);
  }
  return settings;
}

function repeats(table: TomlTable): boolean {
  let isRepeated = false;
  settingsOf(table, '', () => {
    isRepeated = true;
  });
  return isRepeated;
}

function plainName(name: string): string {
  return name.replaceAll(/[-_.\s]/g, '').toLowerCase();
}

function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value?.constructor !== Array && !(value instanceof TomlDate);
}

/** `list`: plain name of an option that is a list of rules; without `plain`: is there such a rule at all? */
function hasRuleField(
  table: TomlTable,
  list: string,
  index: number,
  plain: string | undefined,
): boolean {
  const rules = settingsOf(table, '').get(list)?.value;
  const rule: unknown = Array.isArray(rules) ? rules[index] : undefined;
  if (rule === undefined || plain === undefined) return rule !== undefined;
  return isTable(rule) && Object.keys(rule).some((key) => plainName(key) === plain);
}

/** Bytes, or the text itself when it is no size. */
function sizeOf(text: string): number | string {
  try {
    return parseBytes(text);
  } catch {
    return text;
  }
}

function invalid(
  file: string,
  line: number | undefined,
  what: string,
  details: Details = {},
  hint = 'Correct the file; docs/options.md lists the options',
): NokvError {
  const where = line === undefined ? file : `${file}, line ${line}`;
  return new NokvError('NOKV_INVALID', `Cannot read options from ${where}: ${what}`, {
    details: { file, line: line ?? null, ...details },
    hint,
  });
}
