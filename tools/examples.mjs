// Writes the examples as a user of the package has them: they import the doors by name.
// `node tools/examples.mjs FOLDER`
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FROM = join(ROOT, 'examples');

/**
 * The name of each door, as `stillwarm/base`, by its source.
 * @returns {Map<string, string>}
 */
export function doors() {
  const { name, exports } = /** @type {{ name: string, exports: Record<string, string | { default: string }> }} */ (
    JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  );
  /** @type {Map<string, string>} */
  const found = new Map();
  for (const [entry, target] of Object.entries(exports))
    if (typeof target === 'object')
      found.set(
        join(ROOT, target.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts')),
        `${name}${entry.slice(1)}`,
      );
  return found;
}

/** Paths of all examples, below examples/. */
export function examples() {
  return readdirSync(FROM, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort();
}

/**
 * A source as it is outside of the checkout. Doors are imported by name, and other files of ours as
 * the JavaScript that a compiler makes of them.
 * @param {string} text
 * @param {string} path of the source
 */
export function rewritten(text, path) {
  const known = doors();
  /** @type {(all: string, before: string, imported: string) => string} */
  const named = (_, before, imported) => {
    const door = known.get(resolve(dirname(path), imported));
    if (door === undefined && imported.includes('src/')) throw new Error(`${path}: ${imported} is no door`);
    return `${before}'${door ?? imported.replace(/\.ts$/, '.js')}'`;
  };
  return text.replace(/(\bfrom |\bimport\()'(\.[^']*)'/g, named);
}

/**
 * The text of an example for users of the package.
 * @param {string} name path below examples/
 */
export function forUsers(name) {
  const path = join(FROM, name);
  const note = /^\/\/ In a project of your own: (.*\n\/\/ )*.*\n/m;
  return rewritten(readFileSync(path, 'utf8').replace(note, ''), path);
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [to] = process.argv.slice(2);
  if (to === undefined) throw new Error('examples: which folder is to be written?');
  for (const name of examples()) {
    mkdirSync(dirname(join(to, name)), { recursive: true });
    writeFileSync(join(to, name), forUsers(name));
  }
}
