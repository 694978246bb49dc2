import { boolean, string } from '@oclif/core/flags';
import { NokvError } from '../base/errors.js';
import { fetchExpvar } from '../cli/expvar.js';
import { optionalWorkdirFlag } from '../cli/flags.js';
import { InspectingCommand } from '../cli/inspecting-command.js';
import { LEVEL_COLUMNS, levelRows, type ShownStats, statsLines } from '../cli/stats-text.js';
import { readStats } from '../server/workdir.js';

export default class Stats extends InspectingCommand<typeof Stats> {
  static override summary = 'Print what a database consists of and what it is busy with.';
  static override description =
    'With --workdir from the files alone: read-only, without a lock, also beside a running process or after a crash; ' +
    'figures that only a process has are "-", in JSON null. With --expvar from a running process.';
  static override examples = [
    '<%= config.bin %> stats --workdir ./data',
    '<%= config.bin %> stats --expvar 127.0.0.1:6060 --json',
  ];
  static override flags = {
    workdir: optionalWorkdirFlag,
    expvar: string({
      description: 'address of the metrics server of a running process; wins over --workdir',
      env: 'NOKV_EXPVAR',
      helpValue: 'URL',
    }),
    'no-region-metrics': boolean({
      description: 'leave out the figures of regions',
      env: 'NOKV_NO_REGION_METRICS',
      default: false,
    }),
  };

  override async run(): Promise<ShownStats> {
    const { workdir, expvar } = this.flags;
    const read = expvar === undefined ? fromWorkdir(workdir) : { stats: await fetchExpvar(expvar) };
    const stats: ShownStats = this.flags['no-region-metrics']
      ? withoutRegions(read.stats)
      : read.stats;
    await this.table(LEVEL_COLUMNS, levelRows(stats));
    await this.text('');
    for (const line of statsLines(stats)) await this.text(line);
    await this.showFindings('findings' in read ? read.findings : []);
    return stats;
  }
}

function fromWorkdir(workdir: string | undefined): ReturnType<typeof readStats> {
  if (workdir !== undefined) return readStats(workdir);
  throw new NokvError(
    'NOKV_INVALID',
    'Cannot print stats: either --workdir or --expvar must be specified',
    {
      hint: 'Give the directory of a database, or the address of a running one',
    },
  );
}

function withoutRegions(stats: ShownStats): ShownStats {
  const rest: Record<string, unknown> = { ...stats };
  delete rest['region'];
  return rest;
}
