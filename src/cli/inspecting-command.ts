/**
 * The base of commands that look into a workdir. Their result lists findings; when one of them is damage
 * or a missing file, the command shows what it has, and ends with the status of corruption; when files of a newer
 * format are the worst of them, with that of a refused format.
 */
import type { Command } from '@oclif/core/command';
import { NokvError } from '../base/errors.js';
import { BaseCommand } from './base-command.js';
import { findingLines, type ShownFinding } from './findings-text.js';
import type { KeyFormat } from './key-format.js';
import { type Column, type Row, tableLines } from './table.js';

export abstract class InspectingCommand<T extends typeof Command> extends BaseCommand<T> {
  /** Lists the findings on stdout, after the result. Call it last. */
  protected async showFindings(
    findings: readonly ShownFinding[],
    keyFormat: KeyFormat = 'auto',
  ): Promise<void> {
    if (!this.jsonEnabled() && findings.length > 0) {
      await this.output.line('');
      const isTerminal = process.stdout.isTTY;
      for (const line of findingLines(findings, keyFormat, isTerminal))
        await this.output.line(line);
    }
    await this.output.flush();
    const error = damageOf(findings) ?? newerFormatOf(findings);
    if (error !== undefined) this.failWith(error);
  }

  /** A line of text; nothing with --json. */
  protected async text(line: string): Promise<void> {
    if (!this.jsonEnabled()) await this.output.line(line);
  }

  /** A table; nothing with --json. */
  protected async table(columns: readonly Column[], rows: Iterable<Row>): Promise<void> {
    if (this.jsonEnabled()) return;
    for await (const line of tableLines(columns, rows)) {
      if (!(await this.output.line(line))) return;
    }
  }
}

/** Files of a newer format, where nothing worse was found. */
function newerFormatOf(findings: readonly ShownFinding[]): NokvError | undefined {
  const newer = findings.filter(({ kind }) => kind === 'format');
  const [first] = newer;
  if (first === undefined) return undefined;
  const more = newer.length > 1 ? `, and ${newer.length - 1} more` : '';
  return new NokvError('NOKV_FORMAT', `${first.what}: ${first.file}${more}`, {
    details: { file: first.file, findings: newer.length },
  });
}

/** The error that the first damage, or missing file, stands for. */
function damageOf(findings: readonly ShownFinding[]): NokvError | undefined {
  const bad = findings.filter(({ kind }) => kind === 'damage' || kind === 'missing');
  const [first] = bad;
  if (first === undefined) return undefined;
  const more = bad.length > 1 ? `, and ${bad.length - 1} more` : '';
  const { file, offset, what } = first;
  return new NokvError(
    'NOKV_CORRUPTION',
    `Damage found in ${file} at offset ${offset}: ${what}${more}`,
    {
      details: { file, offset, what, findings: bad.length },
    },
  );
}
