// `npm test` runs every file, `npm run test:fast` (mode fast) the short ones, and `npm run test:laws` (mode laws) those that play a
// product of cases (test/support/product.ts), whole or the shard that STILLWARM_SHARD names.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { LONG_FILES } from './test/support/long-files.ts';

const EVERY_FILE = 'test/**/*.test.ts';

for (const file of LONG_FILES)
  if (!existsSync(file)) throw new Error(`test/support/long-files.ts: there is no ${file}`);

/** The longest first, then by name: the same order on every machine, whatever a run before has measured. */
class LongestFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rankOf = ({ moduleId }: TestSpecification): number => {
      const rank = LONG_FILES.findIndex((file) => moduleId.endsWith(`/${file}`));
      return rank < 0 ? LONG_FILES.length : rank;
    };
    return Promise.resolve(
      [...files].sort(
        (a, b) => rankOf(a) - rankOf(b) || Number(a.moduleId > b.moduleId) - Number(a.moduleId < b.moduleId),
      ),
    );
  }
}

/** Files that ask test/support/product.ts which cases to play, or whose properties have `lawRuns`. */
const lawFiles = (): string[] =>
  readdirSync('test', { recursive: true, encoding: 'utf8' })
    .map((name) => join('test', name))
    .filter(
      (name) => name.endsWith('.test.ts') && /\/support\/product\.ts'|\blawRuns: /.test(readFileSync(name, 'utf8')),
    );

type Project = NonNullable<ViteUserConfig['test']>;

/** One process a file: tests of memory exhaustion and of the command line cannot disturb each other. */
const long: Project = { name: 'long', include: [...LONG_FILES] };
/** What all of them import is loaded once for each core, which takes a quarter of a second. */
const short: Project = { name: 'short', include: [EVERY_FILE], exclude: [...LONG_FILES], isolate: false };
/** Cases that are many, and so not for every run. */
const laws = (): Project => ({
  name: 'laws',
  include: lawFiles(),
  env: { STILLWARM_LAWS: 'whole' },
  testTimeout: 7_200_000,
});

export default defineConfig(({ mode }) => {
  const projects = mode === 'laws' ? [laws()] : mode === 'fast' ? [short] : [long, short];
  return {
    test: {
      projects: projects.map((test) => ({ extends: true as const, test })),
      environment: 'node',
      pool: 'forks',
      // By default one core is left to the runner, which hardly needs any.
      maxWorkers: availableParallelism(),
      sequence: { sequencer: LongestFirst },
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
