import { formatBytes } from '../../cli/format.js';
import { workdirFlag } from '../../cli/flags.js';
import { InspectingCommand } from '../../cli/inspecting-command.js';
import { checkManifest } from '../../server/workdir.js';

export default class ManifestCheck extends InspectingCommand<typeof ManifestCheck> {
  static override summary = 'Check the manifest, and that the files it names are there.';
  static override description =
    'Every record of the manifest is checked, every file it names is opened, and its length and identity compared. ' +
    '"nokv check" also reads what is inside. Status 6 when damage is found.';
  static override examples = [
    '<%= config.bin %> manifest check --workdir ./data',
    '<%= config.bin %> manifest check --workdir ./data --json',
  ];
  static override flags = { workdir: workdirFlag };

  override async run(): Promise<ReturnType<typeof checkManifest>> {
    const report = checkManifest(this.flags.workdir);
    await this.text(
      `${report.is_sound ? 'sound' : 'DAMAGED'}  ${report.edits} edits, ${formatBytes(report.bytes)}, ` +
        `${report.files_named} files named`,
    );
    await this.showFindings(report.findings);
    return report;
  }
}
