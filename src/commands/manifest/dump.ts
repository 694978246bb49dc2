import { integer } from '@oclif/core/flags';
import { formatBytes, formatTime } from '../../cli/format.js';
import { keyFormatFlag, workdirFlag } from '../../cli/flags.js';
import { InspectingCommand } from '../../cli/inspecting-command.js';
import { formatRange } from '../../cli/key-format.js';
import { dumpManifest } from '../../server/workdir.js';

type Dump = ReturnType<typeof dumpManifest>;
type Edit = Dump['edits'][number];

export default class ManifestDump extends InspectingCommand<typeof ManifestDump> {
  static override summary = 'Print every edit of the manifest, with time, reason and offset.';
  static override description =
    'With --json one edit a line, the last line {"end":true}. Read-only, also beside a running process.';
  static override examples = [
    '<%= config.bin %> manifest dump --workdir ./data',
    '<%= config.bin %> manifest dump --workdir ./data --last 10 --json',
  ];
  static override flags = {
    workdir: workdirFlag,
    last: integer({ description: 'only the last edits (default: all)', env: 'NOKV_LAST', min: 0 }),
    'key-format': keyFormatFlag(),
  };

  override async run(): Promise<void> {
    const { edits, findings } = dumpManifest(this.flags.workdir);
    const { last } = this.flags;
    const shown = last === undefined ? edits : edits.slice(Math.max(0, edits.length - last));
    const { signal } = this;
    for (const edit of shown) {
      signal.throwIfAborted();
      if (!(await this.#print(edit))) return;
    }
    await this.showFindings(findings, this.flags['key-format']);
    if (this.jsonEnabled()) await this.jsonLine({ end: true, edits: shown.length, findings });
  }

  /** False when nobody reads any more. */
  async #print(edit: Edit): Promise<boolean> {
    if (this.jsonEnabled()) return this.jsonLine(edit);
    const { output } = this;
    const time = formatTime(edit.time_ms);
    let isRead = await output.line(`@${edit.offset} ${time} ${edit.reason} (${edit.bytes} bytes)`);
    for (const line of this.#lines(edit)) isRead = await output.line(`  ${line}`);
    return isRead;
  }

  *#lines(edit: Edit): Generator<string, void, void> {
    const isTerminal = process.stdout.isTTY;
    if (edit.is_snapshot) yield 'snapshot: everything before is replaced';
    if (edit.next_file_number !== null) yield `next file number ${edit.next_file_number}`;
    if (edit.last_seq !== null) yield `last seq ${edit.last_seq}`;
    if (edit.min_wal_number !== null) yield `logs below ${edit.min_wal_number} are obsolete`;
    for (const { level, file_number: id } of edit.remove_tables) yield `- table L${level} ${id}`;
    for (const table of edit.add_tables) {
      const keys = formatRange(table.key_range, this.flags['key-format'], isTerminal);
      const base = table.seq_base === null ? '' : ` ingested, numbers from ${table.seq_base}`;
      yield (
        `+ table L${table.level} ${table.file_number} ${formatBytes(table.bytes)} ` +
        `${table.entries} entries [${keys}]${base}`
      );
    }
    for (const id of edit.add_wals) yield `+ log ${id}`;
    for (const log of edit.seal_wals) yield `sealed log ${log.file_number} at ${log.bytes}`;
    for (const log of edit.add_value_logs)
      yield `+ value log ${log.file_number} bucket ${log.bucket}`;
    for (const log of edit.seal_value_logs)
      yield `sealed value log ${log.file_number} at ${log.bytes}`;
    for (const log of edit.discards) yield `garbage in value log ${log.file_number}: ${log.bytes}`;
    for (const id of edit.remove_value_logs) yield `- value log ${id}`;
    if (edit.is_clean_close) yield 'closed cleanly';
  }
}
