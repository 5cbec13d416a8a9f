// The program as users start it, for what only a process can show: its exit status, limits of the
// host, signals. It is bundled as the build bundles it, and lies in a directory of .build that is
// removed afterwards.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SHORT_RUNS } from './engine-flags.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BUNDLES = join(ROOT, '.build/bundles-for-tests');

export interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

/** A name that another text in any of the files that bundles are made of changes. */
function nameOfSources(): string {
  const hash = createHash('sha256');
  for (const folder of ['src', 'test/cli'])
    for (const name of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).sort())
      if (/\.m?ts$|\.mjs$/.test(name)) hash.update(`${name}\n`).update(readFileSync(join(ROOT, folder, name)));
  for (const name of ['package.json', 'package-lock.json', 'tools/bundle.mjs'])
    hash.update(readFileSync(join(ROOT, name)));
  return hash.digest('hex').slice(0, 16);
}

/**
 * Writes the bundle of an entry. Who needs it first makes it, also for other files and later runs.
 */
export function writeBundle(to: string, entry: string): void {
  const sources = nameOfSources();
  const made = join(BUNDLES, sources, entry.replaceAll('/', '-'));
  if (!existsSync(made)) {
    mkdirSync(dirname(made), { recursive: true });
    for (const old of readdirSync(BUNDLES))
      if (old !== sources) rmSync(join(BUNDLES, old), { recursive: true, force: true });
    const part = `${made}.${process.pid}`;
    execFileSync(process.execPath, [join(ROOT, 'tools/bundle.mjs'), part, entry], { cwd: ROOT });
    renameSync(part, made);
  }
  mkdirSync(dirname(to), { recursive: true });
  cpSync(made, to);
}

export class BuiltCli {
  /** It is the program's package, in which nothing else lies yet. */
  readonly dir: string;
  /** The program's main.js. */
  readonly main: string;

  /** @param entry the source that the program begins with */
  constructor(entry = 'src/cli/main.ts') {
    mkdirSync(join(ROOT, '.build'), { recursive: true });
    // The program finds its packages above, and its version two directories up.
    this.dir = mkdtempSync(join(ROOT, '.build', 'cli-'));
    cpSync(join(ROOT, 'package.json'), join(this.dir, 'package.json'));
    this.main = join(this.dir, 'dist', 'cli', 'main.js');
    writeBundle(this.main, entry);
  }

  /** Runs a line of bash in `cwd`, in which `stillwarm` is the program. */
  bash(cwd: string, line: string): Ended {
    const options = { cwd, encoding: 'utf8', timeout: 30_000 } as const;
    const { status, signal, stdout, stderr } = spawnSync('bash', ['-c', this.#script(line)], options);
    return { status, signal, out: stdout, err: stderr };
  }

  /** The same, while this process does something else. */
  async start(cwd: string, line: string): Promise<Ended> {
    const child = spawn('bash', ['-c', this.#script(line)], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.on('data', (text) => (out += `${text}`));
    child.stderr.on('data', (text) => (err += `${text}`));
    const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
    return { status, signal, out, err };
  }

  #script(line: string): string {
    const words = [process.execPath, ...SHORT_RUNS, this.main].map((word) => JSON.stringify(word));
    return `stillwarm() { ${words.join(' ')} "$@"; }\n${line}`;
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
