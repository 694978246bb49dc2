import { formatBytes } from '../../cli/format.js';
import { workdirFlag } from '../../cli/flags.js';
import { InspectingCommand } from '../../cli/inspecting-command.js';
import { readManifestState } from '../../server/workdir.js';

type Report = ReturnType<typeof readManifestState>;

export default class Manifest extends InspectingCommand<typeof Manifest> {
  static override summary = 'Print what the manifest says a workdir consists of.';
  static override description =
    'The state that all edits add up to: levels, log segments, value log. Read-only, also beside a running process.';
  static override examples = [
    '<%= config.bin %> manifest --workdir ./data',
    '<%= config.bin %> manifest --workdir ./data --json',
  ];
  static override flags = { workdir: workdirFlag };

  override async run(): Promise<Report> {
    const report = readManifestState(this.flags.workdir);
    const { manifest, log_pointer: pointer } = report;
    await this.text(
      `Manifest             : file=${manifest.file_number ?? '-'} bytes=${manifest.bytes} edits=${manifest.edits}`,
    );
    await this.text(
      `Manifest Log Pointer : segment=${pointer.segment ?? '-'} offset=${pointer.offset ?? '-'}`,
    );
    await this.text(
      `Numbers              : next_file=${report.next_file_number} last_seq=${report.last_seq} ` +
        `min_wal=${report.min_wal_number}`,
    );
    await this.text(`Closed cleanly       : ${report.is_clean_close ? 'yes' : 'no'}`);
    await this.#lists(report);
    await this.showFindings(report.findings);
    return report;
  }

  async #lists(report: Report): Promise<void> {
    for (const { bucket, fid, offset, valid } of report.value_log_heads) {
      await this.text(
        `ValueLog Head[${bucket}]     : fid=${fid ?? '-'} offset=${offset ?? '-'} valid=${valid}`,
      );
    }
    await this.text('Levels:');
    for (const level of report.levels) {
      const ids = level.file_ids.join(' ');
      await this.text(
        `- L${level.level} files=${level.file_count} size=${formatBytes(level.total_bytes)} ` +
          `values=${formatBytes(level.value_bytes)} ids=[${ids}]`,
      );
    }
    await this.text('WAL segments:');
    for (const wal of report.wals) {
      await this.text(
        `- ${wal.file_number} bytes=${wal.bytes ?? '-'} ${wal.is_sealed ? 'sealed' : 'open'}`,
      );
    }
    await this.text('ValueLog segments:');
    for (const log of report.value_logs) {
      await this.text(
        `- bucket=${log.bucket} fid=${log.fid ?? '-'} bytes=${log.offset ?? '-'} ` +
          `valid=${log.valid} ${log.is_sealed ? 'sealed' : 'open'} discard=${formatBytes(log.discard_bytes)}`,
      );
    }
  }
}
