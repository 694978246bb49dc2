import { expect, it } from 'vitest';
import { fingerprint, GhostList } from '../../../src/engine/cache/ghost-list.js';

it('GhostList recognises every fingerprint it was given, once', () => {
  const ghosts = new GhostList(4096);
  for (let item = 0; item < 1000; item++) {
    const print = fingerprint(7, item);
    ghosts.add(print);
    expect(ghosts.take(print), `item ${item}`).toBe(true);
    expect(ghosts.take(print)).toBe(false);
  }
});
