import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { ROOT } from './spawn.js';

/** Loaded when they are there, and done without when they are not. */
const OPTIONAL = ['fs-native-extensions', 'lz4-napi'];

/** Loaded by the one call that needs it. */
const ON_DEMAND = ['smol-toml'];

/**
 * Every module that importing `file` loads, by path or by package name; with `onDemand` also what is loaded later,
 * by calls of import().
 */
function modulesFrom(file: string, onDemand: boolean): Set<string> {
  const modules = new Set<string>();
  const pending = [file];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (modules.has(next)) continue;
    modules.add(next);
    if (!next.endsWith('.js')) continue;
    const path = join(ROOT, next);
    const source = readFileSync(path, 'utf8');
    const text = onDemand ? source : source.replaceAll(/\bimport\(/g, 'later(');
    for (const { fileName } of ts.preProcessFile(text).importedFiles) {
      const isOurs = fileName.startsWith('.');
      pending.push(isOurs ? relative(ROOT, join(dirname(path), fileName)) : fileName);
    }
  }
  return modules;
}

describe('the library', () => {
  it('loads nothing but itself, Node and optional add-ons: no oclif, no terminal', () => {
    const foreignOf = (onDemand: boolean): string[] =>
      [...modulesFrom('dist/index.js', onDemand)].filter(
        (name) =>
          !/^(dist\/(index|base|engine|env|server)\b|node:)/.test(name) && !OPTIONAL.includes(name),
      );
    expect(foreignOf(false)).toEqual([]);
    expect(foreignOf(true)).toEqual(ON_DEMAND);
  });

  it('is where package.json says', () => {
    const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      exports: { '.': { types: string; import: string } };
    };
    expect(existsSync(join(ROOT, exports['.'].types))).toBe(true);
    expect(existsSync(join(ROOT, exports['.'].import))).toBe(true);
  });
});

describe('the bundle', () => {
  it('has the worker beside the code that starts it', () => {
    const bundle = join(ROOT, 'dist/bundle');
    expect(existsSync(join(bundle, 'worker-entry.js'))).toBe(true);
    // Everything that the executor shares with commands lies at the top, so its URL is relative to it.
    const text = readFileSync(join(bundle, 'node-executor.js'), 'utf8');
    const shared = ts.preProcessFile(text).importedFiles.map((item) => item.fileName);
    expect(shared.filter((name) => name.startsWith('..'))).toEqual([]);
  });

  it('loads no TOML with a command, only with --options', () => {
    for (const command of ['put', 'compact', 'bench/ycsb']) {
      const isToml = (onDemand: boolean): boolean =>
        [...modulesFrom(`dist/bundle/commands/${command}.js`, onDemand)]
          .filter((name) => name.endsWith('.js'))
          .some((name) => readFileSync(join(ROOT, name), 'utf8').includes('Invalid TOML document'));
      expect([command, isToml(false), isToml(true)]).toEqual([command, false, true]);
    }
  });
});
