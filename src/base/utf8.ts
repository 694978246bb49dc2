/** Text that bytes can be made of. */

/** `isWellFormed` came with ES2024; Node 20 has it. */
type Text = string & { isWellFormed(): boolean };

/** Has the text no half of a surrogate pair? */
export function isUtf8Text(text: string): boolean {
  return (text as Text).isWellFormed();
}

/**
 * Half of a surrogate pair has no UTF-8: encoders put U+FFFD in its place, and two keys would become one, or a value another.
 * @throws TypeError for a text that has one. `what` names it there.
 */
export function requireUtf8(text: string, what: 'key' | 'value'): void {
  if (isUtf8Text(text)) return;
  throw new TypeError(
    `Cannot use ${what}: it has half of a surrogate pair, which has no UTF-8; give its bytes as a Uint8Array`,
  );
}
