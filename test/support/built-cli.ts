// The program as users start it, for what only a process can show: its exit status, limits of the
// host, signals. It is bundled as the build bundles it, into a directory of .build that is removed
// afterwards.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

export class BuiltCli {
  /** The program's main.js. */
  readonly main: string;
  readonly #dir: string;

  constructor() {
    mkdirSync(join(ROOT, '.build'), { recursive: true });
    this.#dir = mkdtempSync(join(ROOT, '.build', 'cli-'));
    cpSync(join(ROOT, 'package.json'), join(this.#dir, 'package.json'));
    this.main = join(this.#dir, 'dist', 'cli', 'main.js');
    execFileSync(process.execPath, [join(ROOT, 'tools', 'bundle.mjs'), this.main]);
  }

  /** Runs a line of bash in `cwd`, in which `stillwarm` is the program. */
  bash(cwd: string, line: string): Ended {
    const { status, signal, stdout, stderr } = spawnSync(
      'bash',
      ['-c', `stillwarm() { ${JSON.stringify(process.execPath)} ${JSON.stringify(this.main)} "$@"; }\n${line}`],
      { cwd, encoding: 'utf8', timeout: 30_000 },
    );
    return { status, signal, out: stdout, err: stderr };
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
