import { boolean } from '@oclif/core/flags';
import { optionsFlag, ratioFlag, workdirFlag } from '../../cli/flags.js';
import { formatBytes } from '../../cli/format.js';
import { InspectingCommand } from '../../cli/inspecting-command.js';
import { SEGMENT_COLUMNS, segmentRow } from '../../cli/segment-table.js';
import { collectValueLog, planCollection } from '../../server/workdir.js';

type Collection = Awaited<ReturnType<typeof collectValueLog>>;

export default class VlogGc extends InspectingCommand<typeof VlogGc> {
  static override summary = 'Collect value-log segments with enough garbage.';
  static override description =
    'Opens the workdir for writing, so that no other process may hold it, and says of each segment what was done or why ' +
    'not. With --dry-run nothing is written and no lock is taken. A running database collects by itself. Interrupted, it ' +
    'stops between two steps.';
  static override examples = [
    '<%= config.bin %> vlog gc --workdir ./data --dry-run',
    '<%= config.bin %> vlog gc --workdir ./data --ratio 0.2',
  ];
  static override flags = {
    workdir: workdirFlag,
    ratio: ratioFlag(),
    options: optionsFlag,
    'dry-run': boolean({
      description: 'only say what would be done',
      env: 'NOKV_DRY_RUN',
      default: false,
    }),
  };

  override async run(): Promise<Collection> {
    const { workdir, ratio, options, 'dry-run': isDryRun } = this.flags;
    const result = isDryRun
      ? planCollection(workdir, ratio)
      : await collectValueLog(workdir, ratio, options, this.signal);
    const columns = [{ name: 'BUCKET', align: 'right' as const }, ...SEGMENT_COLUMNS];
    await this.table(
      columns,
      result.segments.map((segment) => [segment.bucket, ...segmentRow(segment)]),
    );
    const { bytes_before: before, bytes_after: after } = result;
    await this.text('');
    await this.text(
      `${isDryRun ? 'would return' : 'returned'} ${formatBytes(Math.max(0, before - after))}: ` +
        `${formatBytes(before)} before, ${formatBytes(after)} after`,
    );
    await this.showFindings(result.findings);
    return result;
  }
}
