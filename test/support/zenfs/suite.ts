// The suite that the package @zenfs/core ships, run against its memory backend or a guest.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';
import { SHORT_RUNS } from '../engine-flags.ts';

/**
 * memory: the backend of the package; guest: ours; warm, crash: the guest is rebooted warm, or
 * crashes after `sync`, between any two tests.
 */
export type Mode = 'memory' | 'guest' | 'warm' | 'crash';

/** What a run has found. */
export interface SuiteRun {
  /** Whether a test passed, by `file > suite > test`. */
  readonly passed: ReadonlyMap<string, boolean>;
  readonly reboots: number;
  readonly reused: number;
  readonly mismatches: number;
}

const PACKAGE = dirname(dirname(fileURLToPath(import.meta.resolve('@zenfs/core'))));
const TESTS = join(PACKAGE, 'tests');
const HERE = import.meta.dirname;

/** The files of the suite, by name. */
export const SUITE_FILES: readonly string[] = readdirSync(join(TESTS, 'fs'))
  .map((file) => file.replace(/\.test\.ts$/, ''))
  .sort();

/** The suite as JavaScript, in a directory that `remove` removes. */
export class Suite {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async build(): Promise<Suite> {
    const parent = join(HERE, '../../../.build');
    mkdirSync(parent, { recursive: true });
    const dir = mkdtempSync(join(parent, 'zenfs-'));
    const entries = SUITE_FILES.map((file) => [file, join(TESTS, 'fs', `${file}.test.ts`)]);
    for (const own of ['run', 'setup']) entries.push([own, join(HERE, `${own}.ts`)]);
    await build({
      input: Object.fromEntries(entries) as Record<string, string>,
      platform: 'node',
      // What lowers `using` for Node 20 is rolldown's own.
      external: (id) => !id.startsWith('.') && !isAbsolute(id) && !id.startsWith('@oxc-project/'),
      transform: { target: 'node20' },
      output: { dir, entryFileNames: '[name].mjs' },
      logLevel: 'silent',
    });
    cpSync(join(TESTS, 'data'), join(dir, 'data'), { recursive: true });
    return new Suite(dir);
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true });
  }

  /** Runs files of the suite in a process. Throws when that fails, which a failed test is not. */
  async run(mode: Mode, names: readonly string[] = SUITE_FILES): Promise<SuiteRun> {
    const summary = join(this.#dir, `${mode}.json`);
    const at = (name: string): string => join(this.#dir, `${name}.mjs`);
    const env = { ...process.env, MODE: mode, SETUP: at('setup'), DATA: join(this.#dir, 'data'), SUMMARY: summary };
    const child = spawn(process.execPath, [...SHORT_RUNS, '--test-reporter=tap', at('run'), ...names.map(at)], { env });
    const [out, err] = ['', ''].map((text) => [text]);
    child.stdout.setEncoding('utf8').on('data', (text: string) => out!.push(text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => err!.push(text));
    await new Promise((resolve) => child.on('close', resolve));
    try {
      const totals = JSON.parse(readFileSync(summary, 'utf8')) as Omit<SuiteRun, 'passed'>;
      return { passed: resultsOf(out!.join('')), ...totals };
    } catch (cause) {
      throw new Error(`the suite has not ended:\n${err!.join('').slice(-2000)}${out!.join('').slice(-2000)}`, {
        cause,
      });
    }
  }
}

/** Reads TAP of node:test. */
function resultsOf(tap: string): Map<string, boolean> {
  const passed = new Map<string, boolean>();
  const path: string[] = [];
  let file = '';
  let last = '';
  for (const line of tap.split('\n')) {
    const depth = (/^ */.exec(line)![0].length / 4) | 0;
    const begun = /^ *# Subtest: (.*)$/.exec(line);
    const ended = /^ *(not ok|ok) \d+ - /.exec(line);
    if (begun) {
      path.splice(depth, Infinity, begun[1]!.replaceAll('\\', ''));
      if (path[0]!.startsWith('file: ')) file = path[0]!.slice('file: '.length);
    } else if (ended) {
      last = [file, ...path.slice(0, depth + 1)].join(' > ');
      passed.set(last, ended[1] === 'ok');
    } else if (/^ *type: 'suite'$/.test(line)) passed.delete(last);
  }
  // What `run.ts` puts between the files is no test of the suite.
  for (const name of passed.keys()) if (/^.* > file: /.test(name)) passed.delete(name);
  return passed;
}
