import { ratioFlag, workdirFlag } from '../../cli/flags.js';
import { formatBytes } from '../../cli/format.js';
import { InspectingCommand } from '../../cli/inspecting-command.js';
import { SEGMENT_COLUMNS, segmentRow } from '../../cli/segment-table.js';
import { readValueLog } from '../../server/workdir.js';

type Report = ReturnType<typeof readValueLog>;

export default class Vlog extends InspectingCommand<typeof Vlog> {
  static override summary = 'Print the value log, segment by segment, with its garbage.';
  static override description =
    'Of each segment: what is live, what is garbage, and what a collection would do and why. Read-only, also beside a ' +
    'running process.';
  static override examples = [
    '<%= config.bin %> vlog --workdir ./data',
    '<%= config.bin %> vlog --workdir ./data --ratio 0.2 --json',
  ];
  static override flags = { workdir: workdirFlag, ratio: ratioFlag() };

  override async run(): Promise<Report> {
    const report = readValueLog(this.flags.workdir, this.flags.ratio);
    if (report.buckets.length === 0) await this.text('no value-log segments');
    for (const { bucket, active_fid: active, head, segments } of report.buckets) {
      await this.text(
        `Bucket ${bucket}   active ${active ?? '-'}   head fid=${head.fid} offset=${head.offset}   ` +
          formatBytes(segments.reduce((sum, segment) => sum + segment.bytes, 0)),
      );
      await this.table(SEGMENT_COLUMNS, segments.map(segmentRow));
      await this.text('');
    }
    await this.showFindings(report.findings);
    return report;
  }
}
