import { formatCountOf } from '../../cli/format.js';
import { InspectingCommand } from '../../cli/inspecting-command.js';

export default class RedisCompat extends InspectingCommand<typeof RedisCompat> {
  static override summary = 'List every command of Redis 7 and whether the gateway has it.';
  static override examples = [
    '<%= config.bin %> redis compat',
    '<%= config.bin %> redis compat --json',
  ];

  override async run(): Promise<object> {
    const { redisCompatibility } = await import('../../server/redis-node.js');
    const commands = redisCompatibility();
    const count = (support: string): number =>
      commands.filter((command) => command.support === support).length;
    await this.table(
      [{ name: 'COMMAND' }, { name: 'GROUP' }, { name: 'SUPPORT' }, { name: 'NOTE' }],
      commands.map(({ name, group, support, note }) => [name, group, support, note]),
    );
    await this.text('');
    await this.text(
      `${formatCountOf(commands.length, 'command')} of Redis 7: ${count('yes')} yes, ` +
        `${count('partly')} partly, ${count('no')} no`,
    );
    return { supported: count('yes'), partly: count('partly'), missing: count('no'), commands };
  }
}
