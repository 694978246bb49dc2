/** What a database shows, and how two such things differ. */
import type { Db } from '../../src/engine/db.js';
import type { Snapshot } from '../../src/engine/snapshot.js';

export type Content = ReadonlyMap<string, Buffer>;

export function differences(expected: Content, found: Content): string[] {
  const texts: string[] = [];
  for (const [key, value] of expected) {
    const other = found.get(key);
    if (other === undefined || Buffer.compare(other, value) !== 0)
      texts.push(`${key} is ${show(other)}, expected ${show(value)}`);
  }
  for (const [key, value] of found)
    if (!expected.has(key)) texts.push(`${key} is ${show(value)}, expected nothing`);
  return texts;
}

function show(value: Buffer | undefined): string {
  if (value === undefined) return 'nothing';
  return `${value.length} bytes "${value.subarray(0, 12).toString('latin1')}"`;
}

/** By scan, and again key by key. @throws NokvError, Error when the two differ */
export function contentOf(db: Db, snapshot?: Snapshot): Map<string, Buffer> {
  const options = snapshot === undefined ? {} : { snapshot };
  const content = new Map<string, Buffer>();
  for (const { key, value } of db.scan(options))
    content.set(Buffer.from(key).toString('latin1'), Buffer.from(value));
  for (const [key, value] of content) {
    const got = db.get(key, options);
    if (got === undefined || Buffer.compare(got, value) !== 0)
      throw new Error(`get and scan differ at ${key}`);
  }
  return content;
}
