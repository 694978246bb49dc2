/** The commands of the gateway in one table, and how they compare with those of Redis. */
import type { DataCommand } from '../command.js';
import type { Command } from '../client.js';
import { CommandTable } from '../command-table.js';
import { CLIENT_COMMANDS } from './client.js';
import { COMMAND_COMMANDS } from './command-info.js';
import { CONFIG_COMMANDS } from './config.js';
import { CONNECTION_COMMANDS } from './connection.js';
import { INFO_COMMANDS } from './info.js';
import { OBJECT_COMMANDS } from './object.js';
import { PARTLY, reasonOf, redisCommands } from './redis-commands.js';
import { SERVER_COMMANDS } from './server.js';
import { TRANSACTION_COMMANDS } from './transactions.js';

/** With the commands on keys that the host brings. */
export function commandTable(dataCommands: readonly DataCommand[]): CommandTable<Command> {
  return new CommandTable<Command>([
    ...dataCommands,
    ...OBJECT_COMMANDS,
    ...CONNECTION_COMMANDS,
    ...TRANSACTION_COMMANDS,
    ...CLIENT_COMMANDS,
    ...COMMAND_COMMANDS,
    ...CONFIG_COMMANDS,
    ...INFO_COMMANDS,
    ...SERVER_COMMANDS,
  ]);
}

/** Why Redis has commands that are not in the table, by name. */
export function missingCommands(table: CommandTable): ReadonlyMap<string, string> {
  const missing = redisCommands().filter(({ name }) => table.find(Buffer.from(name)) === undefined);
  return new Map(missing.map((command) => [command.name, reasonOf(command)]));
}

export interface Compatibility {
  readonly name: string;
  readonly group: string;
  readonly support: 'yes' | 'partly' | 'no';
  /** What is missing, or why it is; empty for `yes`. */
  readonly note: string;
}

/** Every command of Redis 7.0. */
export function compatibility(table: CommandTable): Compatibility[] {
  const missing = missingCommands(table);
  return redisCommands().map(({ name, group }) => {
    const reason = missing.get(name);
    if (reason !== undefined) return { name, group, support: 'no', note: reason };
    const partly = PARTLY[name];
    if (partly !== undefined) return { name, group, support: 'partly', note: partly };
    return { name, group, support: 'yes', note: '' };
  });
}
