/**
 * Reads the sources as text: what neither the compiler nor the linter sees. Every complaint says
 * where and what to do instead.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const FILE_LINES_MAX = 600;
const LINE_LENGTH_MAX = 140;
const FUNCTION_LINES_MAX = 70;

/** Longer functions, with their lines. They may only shrink: write down the new length. */
const LONG_FUNCTIONS: Readonly<Record<string, number>> = {};

/** Files above FILE_LINES_MAX, with their bound. It may only sink. */
const LONG_FILES: Readonly<Record<string, number>> = {
  'src/engine/db.ts': 660, // the whole public API with its docstrings
};

/** What is alive although nothing in src imports it. */
const ROOTS = [
  /^src\/index\.ts$/,
  /^src\/env\/worker-entry\.ts$/, // started by the executor, by its URL
  /^src\/env\/(mem|sim|inline)-[^/]+\.ts$/, // the simulated world of the tests
  /^src\/cli\/(run|command-not-found|help)\.ts$/, // entries of the bundle
  /^src\/commands\//,
  /^src\/raft\/core\/index\.ts$/, // the consensus core; src/raft beyond the core comes on top
];

/** Folders of src, and which of the others each may import (.dependency-cruiser.cjs says more). */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  engine: ['base'],
  raft: ['base'],
  env: ['base'],
  gateway: ['base'],
  cli: ['base'],
  server: ['base', 'env', 'engine', 'gateway'],
  transfer: ['base', 'engine'],
  bench: ['base', 'env', 'engine', 'server', 'index.ts'],
  'index.ts': ['base', 'env', 'engine', 'server'],
  commands: ['base', 'cli', 'engine', 'server', 'transfer', 'bench', 'index.ts'],
};

/** What runs the jobs of the engine: in a worker, and inline in the tests. */
const JOB_RUNNERS = /^src\/env\/(worker-entry|sim-env)\.ts$/;

interface Ban {
  readonly pattern: RegExp;
  readonly where: RegExp;
  readonly instead: string;
}

const EVERYWHERE = /^(src|test|scripts|bin|docs)\//;
const BANS: readonly Ban[] = [
  {
    pattern: new RegExp('\\b(TO' + 'DO|FIX' + 'ME|XX' + 'X)\\b'),
    where: EVERYWHERE,
    instead: 'do it now, or leave it out',
  },
  {
    pattern: /\b(describe|it|test)\.(skip|only|todo|fails)\b/,
    where: /^test\/(?!tidy)/,
    instead: 'a test runs, or is not there',
  },
  { pattern: /@ts-(ignore|nocheck)/, where: /^(src|test)\/(?!tidy)/, instead: 'fix the type' },
  { pattern: /\bas any\b|: any\b|<any>/, where: /^src\//, instead: 'name the type, or unknown' },
  {
    pattern: /\beslint-disable(?!-next-line)/,
    where: /^(src|test|scripts|bin)\/(?!tidy)/,
    instead: 'disable one rule on one line, and say why',
  },
  {
    pattern: /\b(read|write)U?Int(8|16|32)(LE|BE)?\(/,
    where: /^src\/(base|engine|raft)\//,
    instead: 'DataView (8 times faster), or base/codec.ts',
  },
  {
    pattern: /\bBuffer\.(compare|concat)\b|\.equals\(/,
    where: /^src\/engine\/[\w-]+\//,
    instead: 'compareBytes, equalBytes and copyBytes of base/bytes.ts',
  },
  {
    // xxh64: the numbers of a WebAssembly module, and the slow way without it.
    pattern: /\bBigInt\b|\bgetBigU?[iI]nt64\b|\b\d+n\b/,
    where: /^src\/(base\/(?!xxh64)|engine\/|raft\/)/,
    instead: 'numbers below 2^53 as two u32: base/codec.ts (BigInt costs 20 times as much)',
  },
  {
    pattern: /\bAtomics\.waitAsync\b/,
    where: /^src\//,
    instead: 'postMessage: waitAsync does not keep the event loop alive',
  },
  {
    pattern: /localeCompare|\.sort\(\)/,
    where: /^src\/(base|engine|raft)\//,
    instead: 'compareArrays or a comparison of numbers: order must not depend on the locale',
  },
];

function filesBelow(directory: string, endings: RegExp): string[] {
  if (!existsSync(join(ROOT, directory))) return [];
  return readdirSync(join(ROOT, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
}

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const SOURCES = filesBelow('src', /\.ts$/);
const TEXTS = new Map(SOURCES.map((file) => [file, read(file)]));

/** Code with comments and the insides of strings blanked, line by line the same. */
function codeOf(text: string): string {
  const scanner = ts.createSourceFile('x.ts', text, ts.ScriptTarget.ES2022, true);
  const blanked = text.split('');
  const blank = (start: number, end: number): void => {
    for (let i = start; i < end; i++) if (blanked[i] !== '\n') blanked[i] = ' ';
  };
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) {
      blank(node.getStart() + 1, node.end - 1);
    }
    for (const comment of ts.getLeadingCommentRanges(text, node.pos) ?? []) {
      blank(comment.pos, comment.end);
    }
    for (const comment of ts.getTrailingCommentRanges(text, node.end) ?? []) {
      blank(comment.pos, comment.end);
    }
    ts.forEachChild(node, visit);
  };
  visit(scanner);
  return blanked.join('');
}

/** Relative imports of a file, as paths from the root; type imports too. */
function importsOf(file: string, text: string): string[] {
  const found = ts.preProcessFile(text, true, true).importedFiles.map((item) => item.fileName);
  return found
    .filter((name) => name.startsWith('.'))
    .map((name) => join(dirname(file), name).replaceAll('\\', '/').replace(/\.js$/, '.ts'));
}

const folderOf = (file: string): string => file.split('/')[1] ?? '';

describe('every source file', () => {
  it('begins with a comment that says what it is', () => {
    const bare = SOURCES.filter((file) => !/^\/\*\*\n? \*? ?\S/.test(TEXTS.get(file) ?? ''));
    // The class of a command says it in its summary.
    expect(bare.filter((file) => !file.startsWith('src/commands/'))).toEqual([]);
  });

  it(`has at most ${FILE_LINES_MAX} lines of at most ${LINE_LENGTH_MAX} characters`, () => {
    const tooLong: string[] = [];
    for (const [file, text] of TEXTS) {
      const lines = text.split('\n');
      const linesMax = LONG_FILES[file] ?? FILE_LINES_MAX;
      if (lines.length > linesMax + 1) tooLong.push(`${file}: ${lines.length} lines`);
      lines.forEach((line, i) => {
        if (line.length > LINE_LENGTH_MAX) tooLong.push(`${file}:${i + 1}: ${line.length} wide`);
      });
    }
    expect(tooLong).toEqual([]);
  });

  it('imports downward only', () => {
    const wrong: string[] = [];
    for (const [file, text] of TEXTS) {
      const folder = folderOf(file);
      for (const target of importsOf(file, text)) {
        if (folderOf(target) === folder) continue;
        const runsJobs = JOB_RUNNERS.test(file) && target === 'src/engine/jobs.ts';
        if (!runsJobs && !MAY_IMPORT[folder]?.includes(folderOf(target))) {
          wrong.push(`${file} imports ${target}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('is reachable from the library, a command, the worker or the bundle', () => {
    const alive = new Set<string>();
    const pending = SOURCES.filter((file) => ROOTS.some((root) => root.test(file)));
    for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
      if (alive.has(file)) continue;
      alive.add(file);
      pending.push(...importsOf(file, TEXTS.get(file) ?? ''));
    }
    expect(SOURCES.filter((file) => !alive.has(file))).toEqual([]);
  });
});

describe('every function', () => {
  it(`has at most ${FUNCTION_LINES_MAX} lines, and known long ones only shrink`, () => {
    const found: Record<string, number> = {};
    for (const [file, text] of TEXTS) {
      const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
      const visit = (node: ts.Node): void => {
        if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
          const first = source.getLineAndCharacterOfPosition(node.getStart()).line;
          const last = source.getLineAndCharacterOfPosition(node.end).line;
          const name = node.name?.getText() ?? 'anonymous';
          const lines = last - first + 1;
          if (lines > FUNCTION_LINES_MAX) found[`${file} ${name}`] = lines;
        }
        ts.forEachChild(node, visit);
      };
      visit(source);
    }
    expect(found).toEqual(LONG_FUNCTIONS);
  });
});

describe('banned names', () => {
  const files = [
    ...SOURCES,
    ...filesBelow('test', /\.ts$/),
    ...filesBelow('scripts', /\.m?js$/),
    ...filesBelow('bin', /\.js$/),
    ...filesBelow('docs', /\.md$/),
  ];

  it.each(BANS.map((ban) => [ban.pattern.source, ban] as const))('%s', (_name, ban) => {
    const found: string[] = [];
    for (const file of files) {
      if (!ban.where.test(file)) continue;
      // What a comment says is free, but for promises of later work and orders to the tools.
      const isProse = ban.where === EVERYWHERE || /ts-|eslint/.test(ban.pattern.source);
      const text = isProse || !file.endsWith('.ts') ? read(file) : codeOf(read(file));
      text.split('\n').forEach((line, i) => {
        if (ban.pattern.test(line)) found.push(`${file}:${i + 1}: ${line.trim()}`);
      });
    }
    expect(found, `instead: ${ban.instead}`).toEqual([]);
  });
});

describe('docs', () => {
  it('errors.md has a heading for every error code, and no other', () => {
    const codes = (file: string): Set<string> =>
      new Set(Array.from(codeLiterals(read(file)), ([code]) => code));
    const known = new Set([...codes('src/base/errors.ts'), ...codes('src/cli/failure.ts')]);
    const headings = [...read('docs/errors.md').matchAll(/^## (NOKV_[A-Z_]+)$/gm)];
    expect(headings.map((match) => match[1]).sort()).toEqual([...known].sort());
  });

  it('every page that a comment names is there', () => {
    const missing: string[] = [];
    for (const [file, text] of TEXTS) {
      for (const [page] of text.matchAll(/\bdocs\/[\w/-]+\.md\b/g)) {
        if (!existsSync(join(ROOT, page))) missing.push(`${file} names ${page}`);
      }
    }
    expect(missing).toEqual([]);
  });

  it('every link between pages leads somewhere', () => {
    const broken: string[] = [];
    const pages = ['README.md', 'CONTRIBUTING.md', ...filesBelow('docs', /\.md$/)];
    for (const page of pages) {
      for (const match of read(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
        const target = match[1] ?? '';
        if (!existsSync(join(ROOT, dirname(page), target))) broken.push(`${page} -> ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });
});

function codeLiterals(text: string): Iterable<readonly [string]> {
  return Array.from(text.matchAll(/'(NOKV_[A-Z_]+)'/g), (match) => [match[1] ?? ''] as const);
}

describe('limits.ts', () => {
  it('says of every bound what it bounds', () => {
    const lines = read('src/base/limits.ts').split('\n');
    const bare = lines.filter((line, i) => {
      const isBound = /^export const [A-Z_]+_(MAX|MIN|LIMIT|COUNT)\b/.test(line);
      const above = lines[i - 1] ?? '';
      return isBound && !above.endsWith('*/') && !above.startsWith('export const');
    });
    expect(bare).toEqual([]);
  });
});
