/** What the gateway counts; INFO, the metrics server and `nokv stats --expvar` show it. */
import type { CommandTable } from './command-table.js';

/** Different error codes that are counted apart; a client can invent them through no command of ours. */
const ERROR_CODES_MAX = 128;

export class GatewayCounters {
  commands = 0;
  errors = 0;
  connectionsAccepted = 0;
  connectionsRefused = 0;
  bytesIn = 0;
  bytesOut = 0;
  slowCommands = 0;
  authFailures = 0;
  /** Commands in the last second that was measured. */
  commandsPerSecond = 0;
  /** By the first word of the text: ERR, WRONGTYPE ... */
  readonly errorsByCode = new Map<string, number>();

  countError(text: string): void {
    this.errors++;
    const space = text.indexOf(' ');
    const code = space < 0 ? text : text.slice(0, space);
    const count = this.errorsByCode.get(code);
    if (count !== undefined) this.errorsByCode.set(code, count + 1);
    else if (this.errorsByCode.size < ERROR_CODES_MAX) this.errorsByCode.set(code, 1);
  }

  /** CONFIG RESETSTAT. */
  reset(): void {
    this.commands = 0;
    this.errors = 0;
    this.connectionsAccepted = 0;
    this.connectionsRefused = 0;
    this.bytesIn = 0;
    this.bytesOut = 0;
    this.slowCommands = 0;
    this.authFailures = 0;
    this.errorsByCode.clear();
  }
}

/** The `redis` object of the stats: names of the Go system first. */
export function gatewayStats(
  counters: GatewayCounters,
  table: CommandTable,
  connectionsActive: number,
  expiredKeys: number,
): Readonly<Record<string, unknown>> {
  const perOperation: Record<string, number> = {};
  for (const { name, calls } of table.entries) {
    if (calls > 0) perOperation[name.replaceAll('-', '_')] = calls;
  }
  return {
    commands_total: counters.commands,
    errors_total: counters.errors,
    connections_active: connectionsActive,
    connections_accepted: counters.connectionsAccepted,
    connections_refused: counters.connectionsRefused,
    commands_per_operation: perOperation,
    commands_per_second: counters.commandsPerSecond,
    bytes_in: counters.bytesIn,
    bytes_out: counters.bytesOut,
    slow_commands: counters.slowCommands,
    expired_keys: expiredKeys,
    auth_failures: counters.authFailures,
  };
}
