// Builds dist/: the library, its declarations, the examples and the program.
// `node tools/build.mjs`
//
// It does nothing when nothing has changed. dist/.made has a checksum of the contents of all that
// the build reads. It has size and time of each file that was made, too. It is removed with dist/.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MADE = join(ROOT, 'dist/.made');
/** What the build reads. The last one is npm's record of the packages that are installed. */
const READ = [
  'src',
  'examples',
  'tools',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'node_modules/.package-lock.json',
];
const STEPS = [
  ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'],
  ['tools/declarations.mjs'],
  ['tools/examples.mjs', 'dist/examples'],
  ['tools/bundle.mjs', 'dist/cli/main.js'],
];

/**
 * The files at or below a path, in a fixed order.
 * @param {string} name relative to the root
 * @returns {string[]}
 */
function filesOf(name) {
  const path = join(ROOT, name);
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [name];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length))
    .sort();
}

/** A checksum over the compiler's engine and all that the build reads. */
function checksum() {
  const hash = createHash('sha256').update(process.version);
  for (const name of READ.flatMap(filesOf)) {
    const bytes = readFileSync(join(ROOT, name));
    hash.update(`\n${name} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}

/** What dist/ has, as it is now. */
function made() {
  return filesOf('dist')
    .filter((name) => join(ROOT, name) !== MADE)
    .map((name) => {
      const { size, mtimeMs } = statSync(join(ROOT, name));
      return `${name} ${size} ${mtimeMs}`;
    });
}

const sources = checksum();
const record = () => `${[sources, ...made()].join('\n')}\n`;

if (!existsSync(MADE) || readFileSync(MADE, 'utf8') !== record()) {
  rmSync(MADE, { force: true });
  try {
    for (const step of STEPS) execFileSync(process.execPath, step, { cwd: ROOT, stdio: 'inherit' });
  } catch (error) {
    // The step has told what is wrong.
    process.exit(/** @type {{ status?: number }} */ (error).status ?? 1);
  }
  writeFileSync(MADE, record());
}
