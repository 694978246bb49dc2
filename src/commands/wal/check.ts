import { string } from '@oclif/core/args';
import { optionalWorkdirFlag } from '../../cli/flags.js';
import { formatBytes, formatCount } from '../../cli/format.js';
import { InspectingCommand } from '../../cli/inspecting-command.js';
import { mustGiveOne } from '../../cli/one-of.js';
import { checkLogFile, checkLogs } from '../../server/workdir.js';

type Report = ReturnType<typeof checkLogs>;

export default class WalCheck extends InspectingCommand<typeof WalCheck> {
  static override summary = 'Check every record of the write-ahead logs.';
  static override description =
    'Of a workdir, or of one segment FILE. A torn end is what a crash leaves, and no damage: the next open cuts it. ' +
    'Status 6 when damage is found.';
  static override examples = [
    '<%= config.bin %> wal check --workdir ./data',
    '<%= config.bin %> wal check ./data/00007.wal --json',
  ];
  static override args = { file: string({ description: 'a log segment' }) };
  static override flags = { workdir: optionalWorkdirFlag };

  override async run(): Promise<Report> {
    const { file } = this.args;
    const report =
      file === undefined ? checkLogs(mustGiveOne(this.flags.workdir)) : checkLogFile(file);
    const right = (name: string) => ({ name, align: 'right' as const });
    await this.table(
      [
        right('SEGMENT'),
        right('SIZE'),
        right('VALID'),
        right('TORN'),
        right('RECORDS'),
        right('ENTRIES'),
        right('MAX SEQ'),
        { name: 'STATE' },
      ],
      report.segments.map((wal) => [
        wal.file_number,
        formatBytes(wal.bytes),
        formatBytes(wal.valid_bytes),
        formatBytes(wal.torn_bytes),
        formatCount(wal.records.reduce((sum, { records }) => sum + records, 0)),
        formatCount(wal.entries),
        formatCount(wal.max_seq),
        wal.is_sealed ? 'sealed' : 'open',
      ]),
    );
    await this.showFindings(report.findings);
    return report;
  }
}
