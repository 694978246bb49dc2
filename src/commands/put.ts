import { string } from '@oclif/core/args';
import { boolean, string as stringFlag } from '@oclif/core/flags';
import { NokvError } from '../base/errors.js';
import { VALUE_BYTES_MAX } from '../base/limits.js';
import { BaseCommand } from '../cli/base-command.js';
import {
  columnFamilyFlag,
  durabilityFlag,
  durabilityOption,
  durationFlag,
  keyFormatFlag,
  optionsFlag,
  valueFormatFlag,
  workdirFlag,
} from '../cli/flags.js';
import { parseKey, parseText } from '../cli/key-format.js';
import { readWhole } from '../cli/source.js';
import { openWorkdir } from '../server/open-workdir.js';

const DAY_MS = 24 * 60 * 60 * 1000;
/** 270,000 years: the time of the expiry stays an exact integer. */
const TTL_MS_MAX = 100_000_000 * DAY_MS;

export default class Put extends BaseCommand<typeof Put> {
  static override summary = 'Write a value under a key.';
  static override examples = [
    '<%= config.bin %> put user:42 Ada --workdir ./data --create',
    '<%= config.bin %> put session:7 AAEC --value-format base64 --ttl 10m --workdir ./data',
    '<%= config.bin %> put image:1 --value-file ./photo.jpg --workdir ./data',
  ];
  static override args = {
    key: string({ description: 'the key', required: true }),
    value: string({ description: 'the value; or give --value-file' }),
  };
  static override flags = {
    workdir: workdirFlag,
    create: boolean({
      description: 'create the workdir when it is not there',
      env: 'NOKV_CREATE',
      default: false,
    }),
    'value-file': stringFlag({
      description: 'file that holds the value, byte for byte; - for standard input',
      env: 'NOKV_VALUE_FILE',
      helpValue: 'FILE',
    }),
    ttl: durationFlag({
      description: 'time after which the key is gone (default: never)',
      env: 'NOKV_TTL',
    }),
    durability: durabilityFlag(),
    options: optionsFlag,
    'key-format': keyFormatFlag(),
    'value-format': valueFormatFlag(),
    'column-family': columnFamilyFlag(),
  };

  override async run(): Promise<{ key: Uint8Array; bytes: number }> {
    const { flags } = this;
    const key = parseKey(this.args.key, flags['key-format']);
    const value = await this.#value();
    const ttlMs = flags.ttl === undefined ? undefined : checkedTtl(flags.ttl);
    const db = await openWorkdir(flags.workdir, flags.options, {
      createIfMissing: flags.create,
      ...durabilityOption(flags.durability),
    });
    try {
      await db.put(key, value, {
        columnFamily: flags['column-family'],
        ...(ttlMs === undefined ? {} : { ttlMs }),
      });
    } finally {
      await db.close();
    }
    return { key, bytes: value.length };
  }

  /** @throws NokvError NOKV_INVALID, what the system says of the file */
  async #value(): Promise<Uint8Array> {
    const { args, flags } = this;
    const file = flags['value-file'];
    if (file === undefined) {
      if (args.value !== undefined) return parseText(args.value, flags['value-format']);
      throw new NokvError('NOKV_INVALID', 'Cannot put: there is no value', {
        hint: 'Give it behind the key, or --value-file FILE',
      });
    }
    if (args.value !== undefined || flags['value-format'] !== 'auto') {
      throw new NokvError('NOKV_INVALID', 'Cannot put: --value-file is the whole value, as it is', {
        hint: 'Leave out the value behind the key, and --value-format',
      });
    }
    return readWhole('put', file, this.signal, VALUE_BYTES_MAX);
  }
}

/** Whole milliseconds. @throws NokvError NOKV_INVALID when it is nothing, or no clock comes that far */
function checkedTtl(ms: number): number {
  const ttlMs = Math.ceil(ms);
  if (ttlMs > 0 && ttlMs <= TTL_MS_MAX) return ttlMs;
  throw new NokvError('NOKV_INVALID', 'Cannot put: --ttl is out of range', {
    hint: `Give a duration above 0 and up to ${TTL_MS_MAX / DAY_MS}d, or leave it out`,
  });
}
