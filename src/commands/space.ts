import { workdirFlag } from '../cli/flags.js';
import { formatBytes, formatPercent } from '../cli/format.js';
import { InspectingCommand } from '../cli/inspecting-command.js';
import { readSpace } from '../server/workdir.js';

type Report = ReturnType<typeof readSpace>;

export default class Space extends InspectingCommand<typeof Space> {
  static override summary =
    'Print where the bytes of a workdir are, and what would give them back.';
  static override description =
    'The categories add up to the size of the directory, to the byte. Reads all tables once; read-only, also beside a ' +
    'running process.';
  static override examples = [
    '<%= config.bin %> space --workdir ./data',
    '<%= config.bin %> space --workdir ./data --json',
  ];
  static override flags = { workdir: workdirFlag };

  override async run(): Promise<Report> {
    const report = readSpace(this.flags.workdir);
    const { total_bytes: total, free_bytes: free } = report;
    await this.text(
      `TOTAL ON DISK  ${formatBytes(total)} (${total} bytes), ` +
        `free ${free === null ? '-' : formatBytes(free)}`,
    );
    await this.text('');
    await this.table(
      [
        { name: 'WHAT' },
        { name: 'SIZE', align: 'right' },
        { name: 'SHARE', align: 'right' },
        { name: '' },
      ],
      report.categories
        .filter(({ bytes }) => bytes > 0)
        .map(({ category, bytes, note }) => [
          category.replaceAll('_', ' '),
          formatBytes(bytes),
          formatPercent(bytes, total),
          note,
        ]),
    );
    await this.text('');
    await this.table(
      [{ name: 'ACTION' }, { name: 'RETURNS', align: 'right' }, { name: '' }],
      report.actions.map(({ action, returns_bytes: bytes, note }) => [
        action,
        formatBytes(bytes),
        note,
      ]),
    );
    await this.showFindings(report.findings);
    return report;
  }
}
