/**
 * The commands of confchange scripts: changes against one tracker, with the resulting configuration
 * and progress as output. The last index grows by one per command.
 *
 *   simple            enter-joint [autoleave=B]            leave-joint
 */
import { ConfChanger, type ChangeResult } from '../../../src/raft/core/conf-changer.js';
import { ProgressTracker } from '../../../src/raft/core/tracker.js';
import type { ScriptCase } from '../../datadriven-file.js';
import { mustScan, parseBool, ReportedError, valueOf } from './go-parse.js';
import { parseConfChanges } from './interaction-script.js';

export const CONFCHANGE_COMMANDS: readonly string[] = ['simple', 'enter-joint', 'leave-joint'];

/** A runner with its own tracker: one per file. */
export function confchangeRunner(): (run: ScriptCase) => string {
  const tracker = new ProgressTracker(10, 0);
  let lastIndex = 0;
  return (run) => {
    try {
      const result = apply(new ConfChanger(tracker, lastIndex++), run);
      if (typeof result === 'string') return `${result}\n`;
      tracker.config = result.config;
      tracker.progress = result.progress;
      return `${String(tracker.config)}\n${String(tracker.progress)}`;
    } catch (error) {
      if (error instanceof ReportedError) return error.message;
      throw error;
    }
  };
}

function apply(changer: ConfChanger, run: ScriptCase): ChangeResult {
  const changes = parseConfChanges(run.input.join('\n'));
  switch (run.command) {
    case 'simple':
      return changer.simple(changes);
    case 'enter-joint':
      return changer.enterJoint(
        run.args.length > 0 && mustScan(parseBool, valueOf(run, 'autoleave')),
        changes,
      );
    case 'leave-joint':
      return changes.length > 0 ? 'this command takes no input' : changer.leaveJoint();
    default:
      throw new ReportedError('unknown command');
  }
}
