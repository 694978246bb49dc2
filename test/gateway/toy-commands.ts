/** A few data commands for tests of the gateway alone, as the real ones are written. */
import { NO_EXPIRY, type View } from '../../src/gateway/backend.js';
import type { DataCommand, KeyCommand } from '../../src/gateway/command.js';
import { OK, RedisError, type Reply } from '../../src/gateway/reply.js';

function keyCommand(
  name: string,
  arity: number,
  flag: 'write' | 'readonly',
  run: (view: View, args: readonly Buffer[]) => Reply,
): KeyCommand {
  return {
    kind: 'keys',
    name,
    arity,
    flags: [flag],
    keys: [1, 1, 1],
    group: 'string',
    since: '1.0.0',
    summary: `${name} of the tests.`,
    run,
  };
}

export const TOY_COMMANDS: readonly DataCommand[] = [
  keyCommand('get', 2, 'readonly', (view, args) => view.get(args[1]!)?.bytes ?? null),
  keyCommand('set', 3, 'write', (view, args) => {
    view.set(args[1]!, args[2]!, NO_EXPIRY);
    return OK;
  }),
  keyCommand('incr', 2, 'write', (view, args) => {
    const value = Number(view.get(args[1]!)?.bytes.toString() ?? '0') + 1;
    if (Number.isNaN(value)) throw new RedisError('ERR value is not an integer or out of range');
    view.set(args[1]!, Buffer.from(value.toString()), NO_EXPIRY);
    return value;
  }),
  keyCommand('del', 2, 'write', (view, args) => (view.delete(args[1]!) ? 1 : 0)),
  keyCommand('crash', 2, 'readonly', () => {
    throw new TypeError('a defect');
  }),
  {
    kind: 'keyspace',
    name: 'dbsize',
    arity: 1,
    flags: ['readonly', 'fast'],
    keys: [0, 0, 0],
    group: 'server',
    since: '1.0.0',
    summary: 'Live keys.',
    run: (view) => view.size(),
  },
];
