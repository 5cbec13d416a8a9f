// `npm test` runs every file, `npm run test:fast` (mode fast) the short ones, and `npm run test:laws` (mode laws) those that play a
// product of cases (test/support/product.ts), whole or the shard that STILLWARM_SHARD names. tools/mutants.mjs runs the files that
// STILLWARM_TESTS lists (mode mutants), in that order and in one process.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { COMPILED_MODULES, compiledSources } from './test/support/compiled-sources.ts';
import { SHORT_RUNS } from './test/support/engine-flags.ts';
import { LONG_FILES } from './test/support/long-files.ts';

for (const file of LONG_FILES)
  if (!existsSync(file)) throw new Error(`test/support/long-files.ts: there is no ${file}`);

/**
 * Files that have a process of their own first, so that those that share one follow each other.
 * Then the longest first, then by name: the same order on every machine.
 */
class LongestFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rankOf = ({ moduleId, project }: TestSpecification): number => {
      const rank = LONG_FILES.findIndex((file) => moduleId.endsWith(`/${file}`));
      return (project.config.isolate ? 0 : LONG_FILES.length + 1) + (rank < 0 ? LONG_FILES.length : rank);
    };
    return Promise.resolve(
      [...files].sort(
        (a, b) => rankOf(a) - rankOf(b) || Number(a.moduleId > b.moduleId) - Number(a.moduleId < b.moduleId),
      ),
    );
  }
}

/** In the order of STILLWARM_TESTS. */
class AsListed extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId }: TestSpecification): number =>
      LISTED.findIndex((file) => moduleId.endsWith(`/${file}`));
    return Promise.resolve([...files].sort((a, b) => placeOf(a) - placeOf(b)));
  }
}

const LISTED = process.env['STILLWARM_TESTS']?.split(',') ?? [];

const filesWith = (text: RegExp): string[] =>
  readdirSync('test', { recursive: true, encoding: 'utf8' })
    .map((name) => join('test', name))
    .filter((name) => name.endsWith('.test.ts') && text.test(readFileSync(name, 'utf8')));

/** Files that ask test/support/product.ts which cases to play, or whose properties run longer among the laws. */
const LAW_FILES = filesWith(/\/support\/product\.ts'|\blawRuns: |\bplays(?:Laws|Whole)\(|^\s*property\(/m);
/** Files that put another module in the place of one of src/, which only vitest can. */
const MOCKING_FILES = filesWith(/\bvi\.mock\(/);

/**
 * Files that start other programs, which a small process does faster than a large one. A shell
 * starts those of e2fsprogs (test/support/shell.ts).
 */
const STARTING_FILES = filesWith(/\b(describeWithBrowser|BuiltCli|node:child_process|node:worker_threads)\b/);

/** Whether the sources stay as they are, and nobody asks which lines of them run. */
const IS_COMPILED = process.argv.includes('run') && !process.argv.some((each) => each.startsWith('--coverage'));

/** Of test files that share a process, besides test/support/setup.ts. */
const SETUP_OF_SHARED = ['test/support/machines.ts'];

const LAWS: ViteUserConfig['test'] = {
  env: { STILLWARM_LAWS: 'whole' },
  testTimeout: 7_200_000,
  // A shard has no case of some tables.
  passWithNoTests: true,
};

export default defineConfig(({ mode }) => {
  const isMutant = mode === 'mutants';
  const files = mode === 'laws' ? LAW_FILES : isMutant ? LISTED : filesWith(/^/);
  const isMocking = (file: string): boolean => MOCKING_FILES.includes(file);
  const isAlone = (file: string): boolean =>
    !isMutant && !isMocking(file) && STARTING_FILES.includes(file) && LONG_FILES.includes(file);
  const isShared = (file: string): boolean =>
    !isMocking(file) && !isAlone(file) && (mode !== 'fast' || !LONG_FILES.includes(file));
  // By default one core is left to the runner, which hardly needs any.
  const maxWorkers = isMutant ? 1 : availableParallelism();
  const plugins = IS_COMPILED ? [compiledSources()] : [];
  const test = { server: { deps: { external: [COMPILED_MODULES] } }, ...(mode === 'laws' && LAWS) };
  const projects = [
    { name: 'mocking', plugins: [], isolate: true, include: files.filter(isMocking) },
    // One process a file.
    { name: 'alone', plugins, isolate: true, include: files.filter(isAlone) },
    // One process a core. It loads what all of them import once, and compiles the model once.
    {
      name: 'shared',
      plugins,
      isolate: false,
      include: files.filter(isShared),
      setupFiles: isMutant ? [] : SETUP_OF_SHARED,
    },
  ].filter(({ name, include }) => include.length > 0 && (mode !== 'fast' || name === 'shared'));
  return {
    test: {
      // Each project reads this file again, in the mode `test`: what the mode decides is said to it.
      projects: projects.map(({ plugins, ...project }) => ({
        extends: true as const,
        plugins,
        test: { ...test, ...project, maxWorkers },
      })),
      environment: 'node',
      pool: 'forks',
      maxWorkers,
      // A machine is megabytes that are soon garbage. Each core has a worker, so none is left to help.
      execArgv: ['--max-semi-space-size=64', '--single-threaded-gc', ...SHORT_RUNS],
      sequence: { sequencer: isMutant ? AsListed : LongestFirst },
      setupFiles: ['test/support/setup.ts'],
      // So long that no test fails because the machine is busy (TIMEOUT_MS of test/support/property.ts).
      testTimeout: 300_000,
      hookTimeout: 300_000,
      unstubEnvs: true,
      restoreMocks: true,
      coverage: {
        provider: 'v8',
        include: ['src/**/*.ts'],
        reporter: ['text-summary', 'html', 'json-summary'],
        reportsDirectory: 'coverage',
      },
    },
  };
});
