/**
 * The help of oclif, and what it lacks: --json prints one document, as for any command, and an unknown command is told
 * as it is elsewhere.
 */
import { ExitError } from '@oclif/core/errors';
import { Help as OclifHelp, standardizeIDFromArgv } from '@oclif/core/help';
import { tellUnknownCommand } from './command-not-found.js';
import { isJsonAsked, JSON_SCHEMA } from './envelope.js';
import { EXIT_UNKNOWN_COMMAND } from './exit-status.js';

class Help extends OclifHelp {
  override async showHelp(argv: string[]): Promise<void> {
    // Of a topic oclif passes the name alone.
    const isJson = isJsonAsked(process.argv);
    const words = argv.filter((word) => word !== 'help' && !word.startsWith('-'));
    const [subject] = standardizeIDFromArgv(words, this.config);
    const isKnown =
      subject === undefined ||
      this.config.findCommand(subject) !== undefined ||
      this.config.findTopic(subject) !== undefined;
    if (!isKnown) {
      tellUnknownCommand(this.config, subject, isJson);
      throw new ExitError(EXIT_UNKNOWN_COMMAND);
    }
    if (!isJson) return super.showHelp(argv);
    const { helpDocument } = await import('./help-document.js');
    const data = helpDocument(this.config, subject);
    const document = { ok: true, schema: JSON_SCHEMA, data };
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  }
}

// What oclif loads by a name in package.json is a default export.
// eslint-disable-next-line no-restricted-syntax
export default Help;
