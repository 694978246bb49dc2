/**
 * Flags that commands share. Every flag of every command has a NOKV_* environment name, and says its
 * unit and default in its description (a test reads the manifest).
 */
import { custom, option, string } from '@oclif/core/flags';
import { parseBytes } from '../base/byte-size.js';
import { NokvError } from '../base/errors.js';
import { formatBytes, formatDuration, parseDuration } from './format.js';
import { KEY_FORMATS } from './key-format.js';

/** `--workdir DIR`, required: the directory of a database. */
export const workdirFlag = string({
  char: 'w',
  description: 'directory of the database',
  env: 'NOKV_WORKDIR',
  helpValue: 'DIR',
  required: true,
});

/** `--workdir DIR` of commands that also take a file, or an address. */
export const optionalWorkdirFlag = string({
  char: 'w',
  description: 'directory of the database',
  env: 'NOKV_WORKDIR',
  helpValue: 'DIR',
});

/** `--ratio`: the share of garbage at which a value-log segment is collected. */
export const ratioFlag = custom<number>({
  description: 'share of garbage at which a segment is collected, between 0 and 1',
  env: 'NOKV_RATIO',
  helpValue: 'SHARE',
  default: 0.5,
  parse: (text) => Promise.resolve(parseShare(text)),
});

/** `--key-format`: how keys are read from the arguments and printed. */
export const keyFormatFlag = option({
  description: 'how keys are given and printed',
  env: 'NOKV_KEY_FORMAT',
  options: KEY_FORMATS,
  default: 'auto' as const,
});

/** `--value-format`: the same for values. */
export const valueFormatFlag = option({
  description: 'how values are given and printed',
  env: 'NOKV_VALUE_FORMAT',
  options: KEY_FORMATS,
  default: 'auto' as const,
});

/** `--column-family`. */
export const columnFamilyFlag = option({
  description: 'column family',
  env: 'NOKV_COLUMN_FAMILY',
  options: ['default', 'lock', 'write'] as const,
  default: 'default' as const,
});

/** `--options FILE` of commands that open a workdir for writing. */
export const optionsFlag = string({
  description: 'TOML file with options of the database (default none)',
  env: 'NOKV_OPTIONS',
  helpValue: 'FILE',
});

/** `--durability`: when a write counts as done. Wins over the file of options. */
export const durabilityFlag = option({
  description: 'what an acknowledged write survives: os = kill -9, disk = power loss (default os)',
  env: 'NOKV_DURABILITY',
  options: ['os', 'disk'] as const,
});

/** What the flag adds to the options of an opening: nothing when it was not given. */
export function durabilityOption(durability: 'os' | 'disk' | undefined): {
  durability?: 'os' | 'disk';
} {
  return durability === undefined ? {} : { durability };
}

/** A size flag: "64MiB"; its value is bytes. */
export const bytesFlag = custom<number>({
  helpValue: 'SIZE',
  parse: (text) => Promise.resolve(parseBytes(text)),
  defaultHelp: ({ options }) => Promise.resolve(defaultText(options.default, formatBytes)),
});

/** A duration flag: "250ms"; its value is milliseconds. */
export const durationFlag = custom<number>({
  helpValue: 'DURATION',
  parse: (text) => Promise.resolve(parseDuration(text)),
  defaultHelp: ({ options }) => Promise.resolve(defaultText(options.default, formatDuration)),
});

function defaultText(value: unknown, format: (value: number) => string): string {
  return typeof value === 'number' ? format(value) : '';
}

function parseShare(text: string): number {
  const share = Number(text);
  if (text.trim() !== '' && share > 0 && share < 1) return share;
  throw new NokvError('NOKV_INVALID', `Cannot read share "${text}": write it like 0.5`, {
    hint: 'It is between 0 and 1, both excluded',
  });
}
