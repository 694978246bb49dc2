/**
 * The build. Three products, all under dist/ but the manifest:
 *
 *   dist/**              the library, compiled file by file with declarations: `import 'nokv'`
 *   dist/bundle/**       the command line: one entry per command over shared chunks, oclif included,
 *                        because an unbundled start takes twice as long
 *   oclif.manifest.json  what --help shows; tracked, so that no command is loaded to list it
 *
 *   node scripts/build.mjs             everything, from a clean dist
 *   node scripts/build.mjs --dev       bundle and manifest only, no type check: what bin/dev.js runs
 *   node scripts/build.mjs --if-stale  everything, unless nothing changed since the last time: npm prepares the project for
 *                                      `npx nokv`, too, while commands that were started before may be running
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Plugin } from '@oclif/core/config';
import { build } from 'esbuild';
import { answerHelp } from './usage.mjs';

answerHelp(import.meta.url);

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bundleDirectory = join(root, 'dist', 'bundle');
const stampFile = join(root, 'dist', '.inputs');
const manifestFile = join(root, 'oclif.manifest.json');
const pjson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Files below a directory, as paths from the root of the project, sorted. */
function filesBelow(directory) {
  const names = [];
  if (!existsSync(join(root, directory))) return names;
  for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) names.push(...filesBelow(path));
    else names.push(path);
  }
  return names.sort();
}

/** Changes with every input of the build: name, size and time of each. */
function inputsStamp() {
  const hash = createHash('sha256').update(process.version);
  const files = ['package.json', 'package-lock.json', 'tsconfig.json', 'scripts/build.mjs'];
  // The lock file is not in a package, which may be built, too.
  const inputs = [...files.filter((name) => existsSync(join(root, name))), ...filesBelow('src')];
  for (const name of inputs) {
    const { size, mtimeMs } = statSync(join(root, name));
    hash.update(`${name}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

function compile() {
  const compiler = join(root, 'node_modules', 'typescript7', 'bin', 'tsc');
  const result = spawnSync(process.execPath, [compiler, '-p', root], { stdio: 'inherit' });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/**
 * Entries: the start of the command line, each command, and the worker. The executor is an entry only
 * to keep it out of the folder of a command: entries and what they share lie at the top of the
 * bundle, so that its `new URL('./worker-entry.js', import.meta.url)` finds the worker there.
 */
function entryPoints() {
  const plugin = (name, file) => join(root, 'node_modules', '@oclif', name, 'lib', file);
  const entries = {
    run: 'src/cli/run.ts',
    'hooks/command-not-found': 'src/cli/command-not-found.ts',
    help: 'src/cli/help.ts',
    'commands/help': plugin('plugin-help', 'commands/help.js'),
    'commands/autocomplete/index': plugin('plugin-autocomplete', 'commands/autocomplete/index.js'),
    'commands/autocomplete/create': plugin(
      'plugin-autocomplete',
      'commands/autocomplete/create.js',
    ),
    'commands/autocomplete/script': plugin(
      'plugin-autocomplete',
      'commands/autocomplete/script.js',
    ),
  };
  for (const file of filesBelow('src/commands')) {
    if (file.endsWith('.ts')) entries[file.slice('src/'.length, -'.ts'.length)] = file;
  }
  for (const name of ['node-executor', 'worker-entry']) {
    if (existsSync(join(root, `src/env/${name}.ts`))) entries[name] = `src/env/${name}.ts`;
  }
  return entries;
}

/** What CommonJS inside an ES module expects to find; the imports it would take cost 3 ms. */
const BANNER = [
  `const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);`,
  `const __filename = import.meta.filename;`,
  `const __dirname = import.meta.dirname;`,
].join('\n');

/** How oclif would search for commands and plugins without a manifest: 5 ms of loading, never reached. */
const withoutSearch = {
  name: 'without-search',
  setup(builder) {
    const filter = /^(tinyglobby|minimatch)$/;
    builder.onResolve({ filter }, ({ path }) => ({ path, namespace: 'without-search' }));
    builder.onLoad({ filter, namespace: 'without-search' }, () => ({
      contents: `exports.glob = exports.minimatch = () => {
        throw new Error('Cannot find commands: oclif.manifest.json is missing; run npm run build');
      };`,
    }));
  },
};

/**
 * An import of node:process reads every property of it for its list of exports, stdin too, and that makes a pipe on stdin
 * non-blocking for all who share it, such as the loop of a shell. The global one is the same object.
 */
const globalProcess = {
  name: 'global-process',
  setup(builder) {
    const filter = /^(node:)?process$/;
    builder.onResolve({ filter }, () => ({ path: 'process', namespace: 'global-process' }));
    builder.onLoad({ filter, namespace: 'global-process' }, () => ({
      contents: 'module.exports = globalThis.process;',
    }));
  },
};

/**
 * oclif's texts hold `<%= config.bin %>` and the like: a name to be looked up. The language that ejs makes of it is compiled for
 * each text, 13 ms for --help.
 */
const plainTemplates = {
  name: 'plain-templates',
  setup(builder) {
    builder.onResolve({ filter: /^ejs$/ }, ({ path }) => ({ path, namespace: 'plain-templates' }));
    builder.onLoad({ filter: /^ejs$/, namespace: 'plain-templates' }, () => ({
      contents: `exports.render = (text, context) => text.replace(/<%(.*?)%>/gs, (tag, inner) => {
        const path = /^= *([a-z]+(?:\\.[a-z]+)*) *$/i.exec(inner)?.[1];
        const value = path?.split('.').reduce((object, name) => object?.[name], context);
        if (value === undefined) throw new Error('Cannot show ' + tag + ' in a text of the help');
        return value;
      });`,
    }));
  },
};

/** The first localeCompare of a process loads the collations, 11 ms; names of commands need none. */
const withoutCollation = {
  name: 'without-collation',
  setup(builder) {
    builder.onLoad({ filter: /@oclif\/core\/lib\/config\/plugin\.js$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      const contents = text.replace('a.id.localeCompare(b.id)', '(a.id < b.id ? -1 : 1)');
      if (contents === text) throw new Error(`${path} sorts its commands in another way`);
      return { contents, loader: 'js' };
    });
  },
};

async function bundle() {
  await build({
    absWorkingDir: root,
    entryPoints: entryPoints(),
    outdir: bundleDirectory,
    chunkNames: 'chunk-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    sourcemap: true,
    sourcesContent: false,
    legalComments: 'none',
    // Native add-ons, and compilers that oclif looks for in vain.
    external: [
      ...Object.keys(pjson.optionalDependencies ?? {}),
      ...Object.keys(pjson.devDependencies),
      'ts-node',
    ],
    banner: { js: BANNER },
    plugins: [withoutSearch, globalProcess, plainTemplates, withoutCollation],
    logLevel: 'warning',
  });
}

/** Loads every command of the bundle and writes down what it says of itself. */
async function writeManifest() {
  const plugin = new Plugin({
    root,
    isRoot: true,
    ignoreManifest: true,
    errorOnManifestCreate: true,
    respectNoCacheDefault: true,
  });
  await plugin.load();
  // Commands come in the order in which the disk lists them; the tracked file must not depend on that.
  const { commands, ...rest } = plugin.manifest;
  const sorted = Object.fromEntries(Object.entries(commands).sort(([a], [b]) => (a < b ? -1 : 1)));
  const text = `${JSON.stringify({ commands: sorted, ...rest }, null, 2)}\n`;
  if (!existsSync(manifestFile) || readFileSync(manifestFile, 'utf8') !== text) {
    writeFileSync(manifestFile, text);
  }
}

const mode = process.argv[2];
const stamp = inputsStamp();
const isFresh =
  mode === '--if-stale' && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
if (!isFresh) {
  // A command is what the bundle holds, never TypeScript found beside it.
  delete process.env['NODE_ENV'];
  rmSync(mode === '--dev' ? bundleDirectory : join(root, 'dist'), { recursive: true, force: true });
  if (mode !== '--dev') compile();
  await bundle();
  await writeManifest();
  if (mode !== '--dev') writeFileSync(stampFile, stamp);
}
