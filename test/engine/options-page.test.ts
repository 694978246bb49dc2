/** docs/options.md against OPTION_RULES. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount } from '../../src/cli/format.js';
import { OPTION_RULES } from '../../src/engine/options.js';

const page = readFileSync(new URL('../../docs/options.md', import.meta.url), 'utf8');

/** `64.0 MiB` as people write it: `64 MiB`. */
const bytesText = (bytes: number): string => formatBytes(bytes).replace('.0 ', ' ');

/** Default and range of an option as the page is to say them. */
function cellsOf(rule: (typeof OPTION_RULES)[keyof typeof OPTION_RULES]): string[] {
  switch (rule.kind) {
    case 'boolean':
      return [`\`${rule.initial}\``, '`true`, `false`'];
    case 'choice':
      return [`\`${rule.initial}\``, rule.choices.map((choice) => `\`${choice}\``).join(', ')];
    case 'policies':
    case 'prefixes':
      return ['none', 'rules'];
    case 'number': {
      const text = (value: number): string =>
        rule.isBytes ? bytesText(value) : formatCount(value);
      return [text(rule.initial), `${text(rule.min)} to ${text(rule.max)}`];
    }
  }
}

describe('docs/options.md', () => {
  it.each(Object.entries(OPTION_RULES))('has %s with its default and range', (name, rule) => {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${name}\` |`));
    const cells = (row ?? '').split('|').map((cell) => cell.trim());
    expect(cells.slice(2, 4)).toEqual(cellsOf(rule));
    expect(cells[4]).toMatch(/^.{20,}$/);
  });

  it('has no option that is not there', () => {
    const names = [...page.matchAll(/^\| `(\w+)` \| .+ \| .+ \| .+ \|$/gm)].map(
      (match) => match[1],
    );
    expect(names.filter((name) => name === undefined || !(name in OPTION_RULES))).toEqual([]);
  });
});
