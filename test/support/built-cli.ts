// The program as users start it, for what only a process can show: its exit status, limits of the host, signals. The sources
// are translated one by one, unchecked, into a directory of .build that is removed afterwards.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

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
    const compilerOptions: ts.CompilerOptions = {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      rewriteRelativeImportExtensions: true,
      verbatimModuleSyntax: true,
    };
    for (const name of readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue;
      const to = join(this.#dir, 'dist', name.replace(/\.ts$/, '.js'));
      mkdirSync(dirname(to), { recursive: true });
      const source = readFileSync(join(ROOT, 'src', name), 'utf8');
      writeFileSync(to, ts.transpileModule(source, { compilerOptions, fileName: name }).outputText);
    }
    this.main = join(this.#dir, 'dist', 'cli', 'main.js');
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
