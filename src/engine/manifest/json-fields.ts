/**
 * Strict reading of one JSON object, field by field: every field is asked for by name and type, and
 * end() demands that none is left over. Used by version-edit.ts.
 */

/** What is wrong with the shape; the caller adds file and offset. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

export function fail(message: string): never {
  throw new ShapeError(message);
}

/** @throws ShapeError when `json` is no plain object. `what` names it in messages. */
export function fieldsOf(json: unknown, what: string): Fields {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    fail(`${what} is not an object`);
  return new Fields(new Map(Object.entries(json)), what);
}

export class Fields {
  readonly #values: Map<string, unknown>;
  readonly #what: string;

  constructor(values: Map<string, unknown>, what: string) {
    this.#values = values;
    this.#what = what;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  any(name: string): unknown {
    if (!this.#values.has(name)) fail(`${this.#what} lacks "${name}"`);
    const value = this.#values.get(name);
    this.#values.delete(name);
    return value;
  }

  /** An integer in [min, max]. */
  number(name: string, min: number, max: number): number {
    const value = this.any(name);
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      return fail(`"${name}" is not an integer`);
    }
    if (value < min || value > max) fail(`"${name}" is out of range`);
    return value;
  }

  string(name: string): string {
    const value = this.any(name);
    return typeof value === 'string' ? value : fail(`"${name}" is not a string`);
  }

  /** 16 lower-case hexadecimal digits. */
  identity(name: string): string {
    const value = this.string(name);
    return /^[0-9a-f]{16}$/.test(value) ? value : fail(`"${name}" is not an identity`);
  }

  /** Canonical base64 only. */
  base64(name: string): Uint8Array {
    const value = this.string(name);
    const buffer = Buffer.from(value, 'base64');
    if (buffer.toString('base64') !== value) fail(`"${name}" is not base64`);
    return new Uint8Array(buffer);
  }

  /** true or false. */
  boolean(name: string): boolean {
    const value = this.any(name);
    if (typeof value !== 'boolean') return fail(`${name} is not a boolean`);
    return value;
  }

  /** True when present; then it must be `true`. */
  flag(name: string): boolean {
    if (!this.#values.has(name)) return false;
    if (this.any(name) !== true) fail(`"${name}" is not true`);
    return true;
  }

  list<Item>(name: string, decode: (json: unknown) => Item): Item[] {
    const value = this.any(name);
    return Array.isArray(value)
      ? value.map((item) => decode(item))
      : fail(`"${name}" is not a list`);
  }

  /** @throws ShapeError when a field was not asked for. */
  end(): void {
    for (const name of this.#values.keys())
      fail(`${this.#what} has an unknown field "${name.slice(0, 40)}"`);
  }
}
