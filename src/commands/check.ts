import { formatBytes, formatCountOf } from '../cli/format.js';
import { keyFormatFlag, workdirFlag } from '../cli/flags.js';
import { InspectingCommand } from '../cli/inspecting-command.js';
import { startProgress } from '../cli/progress.js';
import { checkWorkdir } from '../server/workdir.js';

type Report = Awaited<ReturnType<typeof checkWorkdir>>;

export default class Check extends InspectingCommand<typeof Check> {
  static override summary = 'Check every checksum of a workdir.';
  static override description =
    'Reads every file whole: manifest, logs, tables, value log, and what they say of each other. Changes nothing, ' +
    'needs no lock, and works beside a running process. Status 6 when damage is found, 10 when files are of a newer ' +
    'format and nothing else is wrong; a torn end of a log that the next open cuts, orphans and foreign files are listed, and are none.';
  static override examples = [
    '<%= config.bin %> check --workdir ./data',
    '<%= config.bin %> check --workdir ./data --json',
  ];
  static override flags = { workdir: workdirFlag, 'key-format': keyFormatFlag() };

  override async run(): Promise<Report> {
    const { flags, signal } = this;
    const progress = await startProgress({
      label: 'Checking',
      format: formatBytes,
      isQuiet: flags.quiet,
    });
    let report: Report;
    try {
      report = await checkWorkdir(flags.workdir, {
        signal,
        onProgress: (done) => progress.update(done),
      });
    } finally {
      progress.stop();
    }
    await this.#show(report);
    await this.showFindings(report.findings, flags['key-format']);
    return report;
  }

  async #show({ checked, is_sound: isSound, findings }: Report): Promise<void> {
    const isDamaged = findings.some(({ kind }) => kind === 'damage' || kind === 'missing');
    const verdict = isSound ? 'sound' : isDamaged ? 'DAMAGED' : 'NEWER FORMAT';
    await this.text(`${verdict.padEnd(11)} ${formatBytes(checked.bytes)} checked`);
    await this.text(`manifest    ${formatCountOf(checked.manifest_edits, 'edit')}`);
    await this.text(
      `tables      ${formatCountOf(checked.tables, 'table')}, ${formatCountOf(checked.table_entries, 'entry', 'entries')}`,
    );
    await this.text(
      `WAL         ${formatCountOf(checked.wal_segments, 'segment')}, ${formatCountOf(checked.wal_records, 'record')}`,
    );
    await this.text(
      `value log   ${formatCountOf(checked.value_log_segments, 'segment')}, ` +
        `${formatCountOf(checked.value_records, 'record')}, ${formatCountOf(checked.value_pointers, 'pointer')}`,
    );
  }
}
