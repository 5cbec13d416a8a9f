import tseslint from 'typescript-eslint';
import { MODEL, NODE } from './tools/rooms.cjs';

// The rooms that make up the model: one seed, one run, byte for byte. Whatever asks the real world for the time, for
// chance or for a turn of the event loop is an error there (CONTRIBUTING.md, "Determinism").
const MODEL_ROOMS = MODEL.map((room) => `src/${room}/**/*.ts`);

// Where the host's files may be touched.
const FILE_ROOMS = ['src/disk/image/file-image.ts', 'src/disk/mkfs/host-tree.ts'];

const SYNTAX = [
  { selector: 'TSEnumDeclaration', message: 'Use an `as const` object and a union of its values.' },
  { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
  { selector: 'ExportSpecifier[exported.name="default"]', message: 'Named exports only.' },
];

const WAITING = 'The model waits in virtual time only: make it a process (a generator) of src/sim.';
const MODEL_SYNTAX = [
  ...SYNTAX,
  { selector: ':function[async=true]', message: WAITING },
  { selector: 'AwaitExpression', message: WAITING },
  { selector: 'ForOfStatement[await=true]', message: WAITING },
  { selector: 'ImportExpression', message: WAITING },
];

const MODEL_GLOBALS = [
  ...['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate'],
  ...[
    'queueMicrotask',
    'Promise',
    'Date',
    'performance',
    'process',
    'crypto',
    'fetch',
    'console',
    'globalThis',
    'Buffer',
  ],
].map((name) => ({
  name,
  message: 'The model has no clock, no chance, no host: take it from src/sim, or from the caller.',
}));

/** @param {string[]} names */
const module_ = (...names) => names.flatMap((name) => [name, `node:${name}`]);
const HOST_FILES = module_('fs', 'fs/promises').map((name) => ({
  name,
  message:
    'Host files are touched only by disk/image/file-image.ts, disk/mkfs/host-tree.ts, experiment/, report/ and cli/.',
}));
const HOST_TIME = [
  ...module_('timers', 'timers/promises', 'process', 'perf_hooks', 'worker_threads', 'child_process', 'crypto', 'os'),
  ...module_('net', 'http', 'https', 'async_hooks'),
].map((name) => ({ name, message: 'Not deterministic: not in the model.' }));

// Below experiment/ nobody knows what a person has asked for: it is an ArgumentError or an InputError there, or a Result.
const USER_ERROR = [
  { regex: '/user-error\\.ts$', message: 'UserError is for experiment/, report/ and cli/.' },
  {
    regex: '/base/index\\.ts$',
    importNames: ['UserError'],
    message: 'UserError is for experiment/, report/ and cli/.',
  },
];

export default tseslint.config(
  { ignores: ['dist/', '.build/', 'coverage/', 'test/fixtures/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  tseslint.configs.strictTypeChecked,
  { languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } } },
  {
    rules: {
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-restricted-syntax': ['error', ...SYNTAX],
      // A typed-array read is `number | undefined` to the compiler; `!` after a checked index is the house idiom.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Typed arrays, and branded numbers that are branded for a reason, make these two cry wolf.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/restrict-plus-operands': ['error', { allowNumberAndString: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      // A process that never waits is still a process.
      'require-yield': 'off',
    },
  },
  {
    files: MODEL_ROOMS,
    rules: {
      'no-restricted-syntax': ['error', ...MODEL_SYNTAX],
      'no-restricted-globals': ['error', ...MODEL_GLOBALS],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'Use a seeded stream of src/sim.' },
      ],
      'no-restricted-imports': ['error', { paths: [...HOST_FILES, ...HOST_TIME], patterns: USER_ERROR }],
    },
  },
  {
    // What a browser does not have, where tools/rooms.cjs does not allow an import of it either.
    files: ['src/experiment/**/*.ts', 'src/doors/**/*.ts', 'src/*.ts'],
    ignores: NODE.map((entry) => (entry.endsWith('.ts') ? `src/${entry}` : `src/${entry}/**`)),
    rules: {
      'no-restricted-globals': [
        'error',
        ...['Buffer', 'process', 'require'].map((name) => ({
          name,
          message: 'Import it from node, if tools/rooms.cjs (NODE) lets this file.',
        })),
      ],
    },
  },
  {
    files: FILE_ROOMS,
    rules: { 'no-restricted-imports': ['error', { paths: HOST_TIME, patterns: USER_ERROR }] },
  },
  {
    // The room's own door exports what its rooms above use.
    files: ['src/base/index.ts'],
    rules: { 'no-restricted-imports': ['error', { paths: [...HOST_FILES, ...HOST_TIME] }] },
  },
  {
    files: ['src/*.ts'],
    rules: { 'no-restricted-imports': ['error', { paths: [...HOST_FILES, ...HOST_TIME] }] },
  },
  // `stillwarm check protocol` takes what a file exports by default.
  { files: ['examples/protocols/*.ts'], rules: { 'no-restricted-syntax': ['error', SYNTAX[0]] } },
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['*.ts', '*.mjs', '**/*.cjs', 'tools/**/*.mjs'],
    // Configuration: a default export is what the tools ask for, and a JSDoc cast is invisible to the `any` rule.
    rules: { 'no-restricted-syntax': 'off', '@typescript-eslint/no-unsafe-assignment': 'off' },
  },
  {
    files: ['**/*.cjs', '*.mjs'],
    ...tseslint.configs.disableTypeChecked,
  },
  { files: ['**/*.cjs'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
);
