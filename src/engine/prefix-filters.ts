/** The option `prefixFilters` as rules for encoded keys. */
import { FAMILY_DEFAULT, FAMILY_LOCK, FAMILY_WRITE, KeyBuffer } from './key.js';
import type { FamilyName, PrefixFilter } from './options.js';
import { type PlainPrefixRule, PrefixRules } from './sst/prefix-rules.js';

const FAMILY_BYTES: Readonly<Record<FamilyName, number>> = {
  default: FAMILY_DEFAULT,
  lock: FAMILY_LOCK,
  write: FAMILY_WRITE,
};

/** Requires valid options. */
export function prefixRulesFor(filters: readonly PrefixFilter[]): PrefixRules {
  return new PrefixRules(filters.flatMap(plainRules));
}

/** One rule for each family. */
function plainRules(filter: PrefixFilter): PlainPrefixRule[] {
  const { columnFamily, prefix = '', length = 0, delimiter } = filter;
  const families =
    columnFamily === undefined ? Object.values(FAMILY_BYTES) : [FAMILY_BYTES[columnFamily]];
  const buffer = new KeyBuffer();
  return families.map((family) => {
    buffer.encodePrefix(family, prefix);
    const hex = Buffer.from(buffer.copy()).toString('hex');
    return { prefix: hex, length, delimiter: delimiter?.charCodeAt(0) ?? 0 };
  });
}
