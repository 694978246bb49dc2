/**
 * A command as a person types it: words between spaces, with quotes. The rules are Redis' own (sdssplitargs):
 *
 *   "..."  with \n \r \t \b \a, \xHH and backslash before any other byte
 *   '...'  as it is, but for \'
 *
 * A closing quote must be followed by a space or by the end. The line ends at a NUL, as strings of C do.
 */

const SPACE = 0x20;
const DOUBLE = 0x22;
const SINGLE = 0x27;
const BACKSLASH = 0x5c;

/** The words of a line without its line end; undefined when its quotes are unbalanced. */
export function splitInline(whole: Uint8Array): Buffer[] | undefined {
  const nul = whole.indexOf(0);
  const line = nul < 0 ? whole : whole.subarray(0, nul);
  const words: Buffer[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && isSpace(line[at] as number)) at++;
    if (at >= line.length) return words;
    const word = new Word(line, at);
    if (!word.read()) return undefined;
    words.push(Buffer.from(word.bytes));
    at = word.at;
  }
}

/** One word; a quote may begin in its middle. */
class Word {
  readonly #line: Uint8Array;
  readonly bytes: number[];
  at: number;

  constructor(line: Uint8Array, at: number) {
    this.#line = line;
    this.bytes = [];
    this.at = at;
  }

  /** False when a quote is not closed, or closed in the middle of a word. */
  read(): boolean {
    const line = this.#line;
    while (this.at < line.length) {
      const byte = line[this.at] as number;
      if (isSpace(byte)) return true;
      if (byte === DOUBLE || byte === SINGLE) {
        this.at++;
        return byte === DOUBLE ? this.#double() : this.#single();
      }
      this.bytes.push(byte);
      this.at++;
    }
    return true;
  }

  #double(): boolean {
    const line = this.#line;
    while (this.at < line.length) {
      const byte = line[this.at++] as number;
      if (byte === DOUBLE) return this.#isClosedWell();
      if (byte === BACKSLASH && this.at < line.length) this.#escape();
      else this.bytes.push(byte);
    }
    return false;
  }

  #escape(): void {
    const line = this.#line;
    const byte = line[this.at++] as number;
    if (byte === 0x78) {
      const high = hexValue(line[this.at]);
      const low = hexValue(line[this.at + 1]);
      if (high >= 0 && low >= 0) {
        this.bytes.push(high * 16 + low);
        this.at += 2;
        return;
      }
    }
    this.bytes.push(ESCAPES[byte] ?? byte);
  }

  #single(): boolean {
    const line = this.#line;
    while (this.at < line.length) {
      const byte = line[this.at++] as number;
      if (byte === SINGLE) return this.#isClosedWell();
      if (byte === BACKSLASH && line[this.at] === SINGLE) {
        this.bytes.push(SINGLE);
        this.at++;
      } else this.bytes.push(byte);
    }
    return false;
  }

  #isClosedWell(): boolean {
    return this.at >= this.#line.length || isSpace(this.#line[this.at] as number);
  }
}

/** n, r, t, b, a. */
const ESCAPES: Readonly<Record<number, number>> = {
  0x6e: 0x0a,
  0x72: 0x0d,
  0x74: 0x09,
  0x62: 0x08,
  0x61: 0x07,
};

/** As isspace() of C. */
function isSpace(byte: number): boolean {
  return byte === SPACE || (byte >= 9 && byte <= 13);
}

function hexValue(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
