/**
 * Lint: types (a dropped promise is a lost fsync), and the rules that keep a database runnable from
 * one seed: no hidden clock, randomness, disk or thread outside the folders that own them. Every
 * ban names its replacement. Import direction and cycles: .dependency-cruiser.cjs.
 */
import tseslint from 'typescript-eslint';

const GLOBALS_BANNED = [
  ['Date', 'Take wall time from Env.clock.nowMs() (src/base/env.ts).'],
  ['performance', 'Take monotonic time from Env.clock.monotonicMs().'],
  ['setTimeout', 'Use Env.clock.setTimer().'],
  ['setInterval', 'Use Env.clock.setTimer() and set it again in the callback.'],
  ['setImmediate', 'Use Env.clock.nextTurn().'],
  ['clearTimeout', 'Call cancel() of the Timer that Env.clock.setTimer() returned.'],
  ['clearInterval', 'Call cancel() of the Timer that Env.clock.setTimer() returned.'],
  ['clearImmediate', 'Use Env.clock.nextTurn().'],
  ['crypto', 'Take randomness from Env.random, checksums from src/base/crc32.ts.'],
  ['process', 'Take what the process is from Env.host; only src/env, src/cli and bin see process.'],
  ['FinalizationRegistry', 'Close explicitly: release() or close() by the owner.'],
  ['WeakRef', 'Hold a reference and release it explicitly.'],
  ['fetch', 'The engine has no network; commands may fetch.'],
].map(([name, message]) => ({ name, message }));

const MODULES_BANNED = [
  ['fs', 'Use Env.fs.'],
  ['fs/promises', 'Use Env.fs.'],
  ['path', 'Use Env.fs.join().'],
  ['os', 'Use Env.host.'],
  ['net', 'Use the network of Env.'],
  ['timers', 'Use Env.clock.'],
  ['timers/promises', 'Use Env.clock.'],
  ['worker_threads', 'Hand a job (plain data) to Env.executor.run().'],
  ['child_process', 'Hand a job (plain data) to Env.executor.run().'],
  ['perf_hooks', 'Take monotonic time from Env.clock.monotonicMs().'],
  ['process', 'Take what the process is from Env.host.'],
  ['crypto', 'Take randomness from Env.random, checksums from src/base/crc32.ts.'],
].flatMap(([name, message]) => [
  { name: `node:${name}`, message },
  { name, message },
]);

const MATH_RANDOM = {
  object: 'Math',
  property: 'random',
  message: 'Take randomness from Env.random, or a seeded Prng (src/base/prng.ts).',
};

/** They differ between V8 versions: one seed would no longer give one history. */
const MATH_INEXACT = ['pow', 'log', 'log2', 'log10', 'log1p', 'exp', 'expm1', 'sin', 'cos'].map(
  (property) => ({
    object: 'Math',
    property,
    message: `Math.${property} differs between V8 versions: use integer arithmetic, Math.clz32 or a table.`,
  }),
);

const SYNTAX_BANNED = [
  {
    selector: 'TSEnumDeclaration',
    message: 'Use plain const numbers or a union of string literals.',
  },
  {
    selector: 'TSModuleDeclaration[kind!="global"]',
    message: 'Use a module: one file, one noun.',
  },
  {
    selector: 'ExportAllDeclaration',
    message: 'No barrel files: import the file that has the noun.',
  },
];

const STATE_BANNED = [
  {
    selector:
      ':matches(Program, Program > ExportNamedDeclaration) > VariableDeclaration[kind="let"]',
    message: 'No module-level mutable state: make it a field of the object that owns it.',
  },
  {
    selector:
      ':matches(Program, Program > ExportNamedDeclaration) > VariableDeclaration > VariableDeclarator > ' +
      'NewExpression[callee.name=/^(Map|Set|WeakMap|WeakSet)$/][arguments.length=0]',
    message: 'No module-level mutable state: make it a field of the object that owns it.',
  },
];

const DEFAULT_EXPORT_BANNED = {
  selector: 'ExportDefaultDeclaration',
  message: 'Use a named export; only the class of a command is a default export.',
};

export default tseslint.config(
  { ignores: ['dist/**', 'coverage/**', 'demo/**', 'node_modules/**'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { project: ['./tsconfig.test.json'], tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-console': 'error',
      'no-param-reassign': 'off',
      'no-restricted-syntax': ['error', ...SYNTAX_BANNED],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
      '@typescript-eslint/promise-function-async': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // A stored failure is rethrown as it was caught: unknown.
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      // Interfaces declare functions in method style.
      '@typescript-eslint/unbound-method': 'off',
      // A field may change during an await or a call, which the type checker does not see.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/unified-signatures': 'off',
      // `process.env['NAME']` and index signatures need brackets under strict compiler flags.
      '@typescript-eslint/dot-notation': 'off',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/commands/**'],
    rules: { 'no-restricted-syntax': ['error', ...SYNTAX_BANNED, DEFAULT_EXPORT_BANNED] },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/env/**', 'src/cli/**', 'src/commands/**'],
    rules: {
      'no-restricted-globals': ['error', ...GLOBALS_BANNED],
      'no-restricted-imports': ['error', { paths: MODULES_BANNED }],
      'no-restricted-properties': ['error', MATH_RANDOM],
      'no-restricted-syntax': ['error', ...SYNTAX_BANNED, ...STATE_BANNED, DEFAULT_EXPORT_BANNED],
    },
  },
  {
    files: ['src/engine/**/*.ts', 'src/base/**/*.ts', 'src/raft/**/*.ts'],
    rules: { 'no-restricted-properties': ['error', MATH_RANDOM, ...MATH_INEXACT] },
  },
  {
    // The one place that reads NOKV_INVARIANTS, once, at load.
    files: ['src/base/assert.ts'],
    rules: { 'no-restricted-globals': 'off' },
  },
  {
    files: ['test/**/*.ts', 'scripts/**/*.ts'],
    rules: {
      'no-console': 'off',
      'no-restricted-properties': [
        'error',
        { ...MATH_RANDOM, message: 'Tests run from fixed seeds: use Prng (src/base/prng.ts).' },
      ],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    extends: [tseslint.configs.base],
    rules: { eqeqeq: 'error', 'no-var': 'error', 'prefer-const': 'error' },
  },
);
