/** Against what COMMAND GETKEYSANDFLAGS and COMMAND INFO of Redis 7.0.15 answer. */
import { describe, expect, it } from 'vitest';
import { commandTable } from '../../../src/gateway/commands/all-commands.js';
import { DATA_COMMANDS } from '../../../src/gateway/commands/data-commands.js';
import { keySpecsOf, keysWithFlags } from '../../../src/gateway/commands/key-access.js';

const table = commandTable(DATA_COMMANDS);

function told(call: string): string[] {
  const args = call.split(' ').map((word) => Buffer.from(word));
  const entry = table.find(args[0] as Buffer);
  if (entry === undefined) throw new Error(`there is no ${call}`);
  return keysWithFlags(entry.command, args).map(
    ([key, flags]) => `${key.toString()} ${flags.join(' ')}`,
  );
}

describe('keysWithFlags', () => {
  it.each([
    ['get a', ['a RO access']],
    ['set a b', ['a OW update']],
    ['set a b EX 10 get', ['a RW access update']],
    ['set get get', ['get OW update']],
    ['mset a b c d', ['a OW update', 'c OW update']],
    ['del a b', ['a RM delete', 'b RM delete']],
    ['strlen a', ['a RO']],
    ['append a b', ['a RW insert']],
    ['getdel a', ['a RW access delete']],
    ['expire a 10', ['a RW update']],
    ['rename a b', ['a RW access delete', 'b OW update']],
    ['renamenx a b', ['a RW access delete', 'b OW insert']],
    ['copy a b', ['a RO access', 'b OW update']],
    ['bitop and a b c', ['a OW update', 'b RO access', 'c RO access']],
    ['bitfield a get u8 0', ['a RO access']],
    ['bitfield a get u8 0 incrby u8 0 1', ['a RW access update']],
    ['watch a b', ['a RO', 'b RO']],
    ['ping', []],
  ])('%s', (call, expected) => {
    expect(told(call)).toEqual(expected);
  });
});

describe('keySpecsOf', () => {
  it('fits the command: who writes says so, and all keys of its entry are told', () => {
    for (const { command } of table.entries) {
      const specs = keySpecsOf(command);
      expect(specs.length > 0, command.name).toBe(command.keys[0] > 0);
      const writes = specs.some(({ flags }) => flags[0] !== 'RO');
      if (specs.length > 0) expect(writes, command.name).toBe(command.flags.includes('write'));
      const first = Math.min(...specs.map((spec) => spec.first));
      if (specs.length > 0) expect(first, command.name).toBe(command.keys[0]);
    }
  });
});
