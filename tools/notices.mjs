// Writes THIRD-PARTY-NOTICES.txt: the licences of the packages that stillwarm needs at run time.
// `node tools/notices.mjs`
//
// The packages are those of package-lock.json that are installed with stillwarm. Some of them are
// also bundled into dist/cli/main.js, as rolldown says. A copy needs its licence beside it.
// test/tools/notices.test.ts compares the file with what this makes.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleProgram } from './bundle.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
export const NOTICES = `${ROOT}THIRD-PARTY-NOTICES.txt`;
const RULE = '-'.repeat(80);

/** @typedef {{ version: string, license?: string, dev?: boolean, peer?: boolean }} Locked */

/**
 * The packages that are installed with stillwarm: where each lies, and what the lock file says.
 * @returns {[string, Locked][]}
 */
export function installed() {
  const { packages } = /** @type {{ packages: Record<string, Locked> }} */ (
    JSON.parse(readFileSync(`${ROOT}package-lock.json`, 'utf8'))
  );
  return Object.entries(packages).filter(([path, { dev, peer }]) => path !== '' && dev !== true && peer !== true);
}

const MIT = readFileSync(`${ROOT}LICENSE`, 'utf8')
  .replace(/^[^]*?(?=Permission is hereby granted)/, '')
  .trim();

/** What stands for the licence of a package that has no file with it, by path: as its code says. */
const WITHOUT_FILE = new Map([
  [
    'node_modules/xz-decompress',
    [
      'Copyright (c) Tim Perry and contributors',
      'Based on xzwasm, copyright (c) Steve Sanderson: MIT',
      'Contains walloc, copyright (c) 2020 Igalia, S.L.: MIT',
      'Contains xz-embedded by Lasse Collin and Igor Pavlov: public domain',
      '',
      MIT,
    ].join('\n'),
  ],
]);

/** What a package contains under another licence, which its own file does not say, by path. */
const CONTAINS = new Map([
  [
    'node_modules/ext2fs',
    "Contains libext2fs of e2fsprogs by Theodore Ts'o and others, compiled to WebAssembly: GNU Library\nGeneral Public License 2",
  ],
]);

/** The text of a package's licence. @param {string} path */
function licenceOf(path) {
  const name = readdirSync(`${ROOT}${path}`).find((file) => /^licen[cs]e/i.test(file));
  const known = WITHOUT_FILE.get(path);
  if (name === undefined && known !== undefined) return known;
  if (name === undefined) throw new Error(`notices: ${path} has no file with its licence`);
  const text = readFileSync(`${ROOT}${path}/${name}`, 'utf8').replace(/\r\n/g, '\n').trim();
  const others = CONTAINS.get(path);
  return others === undefined ? text : `${others}\n\n${text}`;
}

/** The packages of which the program contains code, by path. */
async function bundled() {
  const found = new Set();
  for (const module of await bundleProgram()) {
    const at = module.lastIndexOf('node_modules/');
    if (at < 0) continue;
    const [name = '', inScope = ''] = module.slice(at + 'node_modules/'.length).split('/');
    const end = at + 'node_modules/'.length + (name.startsWith('@') ? `${name}/${inScope}` : name).length;
    found.add(module.slice(ROOT.length, end));
  }
  return found;
}

/** The text of the notices. */
export async function notices() {
  const parts = await bundled();
  const packages = installed();
  for (const path of parts)
    if (!packages.some(([one]) => one === path)) throw new Error(`notices: ${path} is bundled and not a dependency`);
  const head = [
    'Packages by others that stillwarm uses at run time, with their licences.',
    '',
    'npm installs all of them beside stillwarm, ext2fs where it can. The program dist/cli/main.js',
    'contains code of those marked "bundled". The pages that --report writes contain no code by others:',
    'their script is ours, and their charts are drawn before. stillwarm contains no code of Linux or Xen.',
  ].join('\n');
  const each = packages.map(([path, { version, license = 'see below' }]) => {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const mark = parts.has(path) ? ', bundled' : '';
    return `${RULE}\n${name} ${version} (${license}${mark})\n${RULE}\n\n${licenceOf(path)}`;
  });
  return `${[head, ...each].join('\n\n')}\n`;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url))
  writeFileSync(NOTICES, await notices());
