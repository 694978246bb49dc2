/** Order of file names, the same on the real and on the simulated disk. */

/** Sorts names by their UTF-8 bytes, in place; returns the array. */
export function sortNames(names: string[]): string[] {
  return names.sort(compareNames);
}

/** JavaScript orders by UTF-16 units, which differs from bytes only when a surrogate is involved. */
function compareNames(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left === right) continue;
    const leftHigh = isSurrogate(left);
    if (leftHigh !== isSurrogate(right)) return leftHigh ? 1 : -1;
    return left - right;
  }
  return a.length - b.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}
