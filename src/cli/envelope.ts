/** What every JSON document says of itself, and whether one is asked for where no command has parsed its flags. */

/** Grows when the shape of any `data` or of the envelope changes. */
export const JSON_SCHEMA = 1;

/** By --json, as by its variable. */
export function isJsonAsked(argv: readonly string[]): boolean {
  return argv.includes('--json') || isTruthy(process.env['NOKV_JSON']);
}

/** As oclif reads the variable of a boolean flag. */
export function isTruthy(text: string | undefined): boolean {
  return text !== undefined && /^(1|true|t|yes|y|on)$/i.test(text);
}
