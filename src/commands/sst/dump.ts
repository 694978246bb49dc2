import { string as stringArg } from '@oclif/core/args';
import { boolean, integer, string } from '@oclif/core/flags';
import { entryPieces, jsonBytesOf } from '../../cli/dumped-entry.js';
import { columnFamilyFlag, keyFormatFlag, valueFormatFlag } from '../../cli/flags.js';
import { InspectingCommand } from '../../cli/inspecting-command.js';
import { checkJsonBytes } from '../../cli/json-limit.js';
import { parseKey } from '../../cli/key-format.js';
import { dumpTable } from '../../server/workdir.js';

const JSON_HINT = 'Leave out --json, or give --keys-only';

export default class SstDump extends InspectingCommand<typeof SstDump> {
  static override summary = 'Print every entry of a table: all versions, deletes included.';
  static override description =
    'One entry a line, in order, range deletes first; with --json one object a line, the last {"end":true}. ' +
    'Damaged blocks are left out and listed, with status 6.';
  static override examples = [
    '<%= config.bin %> sst dump ./data/00012.sst --limit 10',
    '<%= config.bin %> sst dump ./data/00012.sst --from a --to b --keys-only --json',
  ];
  static override args = { file: stringArg({ description: 'a table file', required: true }) };
  static override flags = {
    from: string({ description: 'first key, included', env: 'NOKV_FROM' }),
    to: string({ description: 'last key, not included', env: 'NOKV_TO' }),
    limit: integer({ description: 'entries at most (default: all)', env: 'NOKV_LIMIT', min: 0 }),
    'keys-only': boolean({
      description: 'print no values',
      env: 'NOKV_KEYS_ONLY',
      default: false,
    }),
    'key-format': keyFormatFlag(),
    'value-format': valueFormatFlag(),
    'column-family': columnFamilyFlag(),
  };

  override async run(): Promise<void> {
    const { flags, signal } = this;
    const key = (text: string | undefined): Uint8Array | undefined =>
      text === undefined ? undefined : parseKey(text, flags['key-format']);
    const dump = dumpTable(this.args.file, {
      family: flags['column-family'],
      from: key(flags.from),
      to: key(flags.to),
      isKeyOnly: flags['keys-only'],
    });
    const limit = flags.limit ?? Number.POSITIVE_INFINITY;
    const format = {
      key: flags['key-format'],
      value: flags['value-format'],
      isTerminal: process.stdout.isTTY,
    };
    try {
      let entries = 0;
      for (const entry of dump.entries) {
        if (entries === limit) break;
        signal.throwIfAborted();
        if (this.jsonEnabled()) checkJsonBytes(jsonBytesOf(entry), JSON_HINT);
        const isRead = this.jsonEnabled()
          ? await this.jsonLine(entry)
          : await this.output.linePieces(entryPieces(entry, format));
        if (!isRead) return;
        entries++;
      }
      await this.showFindings(dump.findings, flags['key-format']);
      if (this.jsonEnabled()) {
        await this.jsonLine({ end: true, entries, findings: dump.findings });
      }
    } finally {
      dump.close();
    }
  }
}
