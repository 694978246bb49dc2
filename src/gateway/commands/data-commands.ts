/** All commands on keys and values. */
import type { DataCommand } from '../command.js';
import { BITFIELD_COMMANDS } from './bitfield.js';
import { BIT_COMMANDS } from './bits.js';
import { COUNTER_COMMANDS } from './counters.js';
import { EXPIRE_COMMANDS } from './expire.js';
import { KEY_COMMANDS } from './keys.js';
import { KEYSPACE_COMMANDS } from './keyspace.js';
import { LCS_COMMANDS } from './lcs.js';
import { SET_COMMANDS } from './set.js';
import { STRING_COMMANDS } from './strings.js';

export const DATA_COMMANDS: readonly DataCommand[] = [
  ...STRING_COMMANDS,
  ...SET_COMMANDS,
  ...COUNTER_COMMANDS,
  ...LCS_COMMANDS,
  ...KEY_COMMANDS,
  ...EXPIRE_COMMANDS,
  ...KEYSPACE_COMMANDS,
  ...BIT_COMMANDS,
  ...BITFIELD_COMMANDS,
];
