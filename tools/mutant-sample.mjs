// Which mutants there are, which of them a seed chooses, and what a run of them is judged by.
//
// A mutant is known by its file and its text, not by its line. So a choice by a hash of these stays
// the same when other code changes.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Instrumenter } from '@stryker-mutator/instrumenter';

/**
 * The rooms that decide what is reused, and where the tests of each are, those of the room first.
 * A folder counts with its fast files only, a file always.
 */
export const ROOMS = /** @type {Readonly<Record<string, readonly string[]>>} */ ({
  'xen/frames': ['test/xen/frames', 'test/xen/records', 'test/doors/table', 'test/xen/core', 'test/xen/domain'],
  'xen/records': [
    'test/xen/records',
    'test/xen/records/devices.test.ts',
    'test/xen/frames',
    'test/doors/table',
    'test/xen/core',
    'test/xen/save',
  ],
  'xen/devices': [
    'test/xen/devices',
    'test/xen/devices/blkback.test.ts',
    'test/xen/devices/netback.test.ts',
    'test/xen/core',
    'test/kernel/block',
    'test/kernel/net',
  ],
  'kernel/mm': ['test/kernel/mm', 'test/doors/page-cache', 'test/kernel/cache', 'test/kernel/syscall'],
  'kernel/cache': [
    'test/kernel/cache',
    'test/kernel/cache/held-while-waiting.test.ts',
    'test/kernel/cache/memory-pressure.test.ts',
    'test/kernel/syscall',
    'test/kernel/mm',
  ],
  'kernel/fs': [
    'test/kernel/fs/buffer.test.ts',
    'test/kernel/fs/mutex.test.ts',
    'test/kernel/fs/names.test.ts',
    'test/kernel/fs/ext2/file-system.test.ts',
    'test/kernel/fs/ext2/last-block.test.ts',
    'test/kernel/syscall',
    'test/kernel/cache',
    'test/kernel/file',
    'test/kernel/file/mmap.test.ts',
  ],
  'kernel/fs/jbd': ['test/kernel/fs/jbd', 'test/kernel/fs/jbd/recovery.test.ts', 'test/kernel/fs/jbd/jbd.test.ts'],
  'kernel/fs/ext2': [
    'test/kernel/fs/ext2',
    'test/kernel/fs/ext2/attributes.test.ts',
    'test/kernel/fs/names.test.ts',
    'test/kernel/syscall',
    'test/laws/failed-changes.test.ts',
    'test/kernel/fs/ext2/dx-damage.test.ts',
  ],
  'kernel/mm/policy': ['test/kernel/mm', 'test/doors/page-cache'],
});

/** Characters of a mutant's text that are shown. */
const SHOWN = 110;

/**
 * @typedef {{ line: number, column: number }} Position as stryker counts: the first line is 0
 * @typedef {object} Mutant
 * @property {string} room
 * @property {string} file
 * @property {string} text what becomes what
 * @property {number} nth which of the file's mutants of the same text, from 1
 * @property {string} replacement
 * @property {{ start: Position, end: Position }} location
 */

const silent = /** @type {ConstructorParameters<typeof Instrumenter>[0]} */ (
  new Proxy({}, { get: (_, name) => (String(name).startsWith('is') ? () => false : () => undefined) })
);
/** Strings are messages and names: what they say decides nothing. */
const OPTIONS = { plugins: null, excludedMutations: ['StringLiteral'], ignorers: [], noHeader: false };

/** @param {string} text */
const onOneLine = (text) => text.replace(/\s+/g, ' ').trim();

/** @param {string} text */
function shorten(text) {
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN - 10)} … ${hashOf(text).slice(0, 7)}`;
}

/** @param {string[]} parts */
export const hashOf = (...parts) => createHash('sha256').update(parts.join('\0')).digest('hex');

/**
 * All mutants of one file.
 * @param {string} room
 * @param {string} file
 * @param {string} content
 * @returns {Promise<Mutant[]>}
 */
export async function mutantsOf(room, file, content) {
  const { mutants } = await new Instrumenter(silent).instrument([{ name: file, content, mutate: true }], OPTIONS);
  const starts = [0];
  for (let at = content.indexOf('\n'); at >= 0; at = content.indexOf('\n', at + 1)) starts.push(at + 1);
  const offsetOf = (/** @type {Position} */ { line, column }) => (starts[line] ?? 0) + column;
  const seen = /** @type {Map<string, number>} */ (new Map());
  const played = mutants.filter(({ status }) => status !== 'Ignored');
  return played.map(({ replacement, location: { start, end } }) => {
    const text = `${shorten(onOneLine(content.slice(offsetOf(start), offsetOf(end))))} → ${shorten(onOneLine(replacement))}`;
    const nth = (seen.get(text) ?? 0) + 1;
    seen.set(text, nth);
    return { room, file, text, nth, replacement, location: { start, end } };
  });
}

/**
 * All mutants of the rooms.
 * @param {string} root
 * @returns {Promise<Mutant[]>}
 */
export async function allMutants(root) {
  const all = [];
  for (const room of Object.keys(ROOMS))
    for (const name of readdirSync(join(root, 'src', room)).sort())
      if (name.endsWith('.ts')) {
        const file = `src/${room}/${name}`;
        all.push(...(await mutantsOf(room, file, readFileSync(join(root, file), 'utf8'))));
      }
  return all;
}

/**
 * A file with the switches of one mutant, and the number that turns it on.
 * @param {Mutant} mutant
 * @param {string} content
 * @returns {Promise<{ content: string, id: string }>}
 */
export async function withSwitch({ file, replacement, location }, content) {
  const { files, mutants } = await new Instrumenter(silent).instrument(
    [{ name: file, content, mutate: [location] }],
    OPTIONS,
  );
  const isIt = (/** @type {{ start: Position, end: Position }} */ { start, end }) =>
    start.line === location.start.line &&
    start.column === location.start.column &&
    end.line === location.end.line &&
    end.column === location.end.column;
  const found = mutants.find((each) => each.replacement === replacement && isIt(each.location));
  const made = files[0];
  if (found === undefined || made === undefined) throw new Error(`${file}: no switch for ${replacement}`);
  return { content: made.content, id: found.id };
}

/**
 * `count` of the mutants, or all when there are fewer, sorted by room and hash. Each is chosen by
 * its own hash.
 * @template {Pick<Mutant, 'room' | 'file' | 'text' | 'nth'>} M
 * @param {readonly M[]} mutants
 * @param {number} count
 * @param {number} seed
 * @returns {M[]}
 */
export function sampleOf(mutants, count, seed) {
  const rooms = Object.keys(ROOMS);
  return mutants
    .map((mutant) => ({ mutant, hash: hashOf(`${seed}`, mutant.file, mutant.text, `${mutant.nth}`) }))
    .sort((a, b) => (a.hash < b.hash ? -1 : 1))
    .slice(0, count)
    .sort((a, b) => rooms.indexOf(a.mutant.room) - rooms.indexOf(b.mutant.room) || (a.hash < b.hash ? -1 : 1))
    .map(({ mutant }) => mutant);
}

/**
 * The part `k/n` of a list: neighbours stay together, so that a part needs few suites.
 * @template M
 * @param {readonly M[]} list
 * @param {string} shard
 * @returns {M[]}
 */
export function partOf(list, shard) {
  const [, k, n] = /^(\d+)\/(\d+)$/.exec(shard)?.map(Number) ?? [];
  if (k === undefined || n === undefined || k < 1 || k > n) throw new Error(`--shard ${shard}: not like 3/20`);
  return list.slice(Math.round(((k - 1) * list.length) / n), Math.round((k * list.length) / n));
}

/**
 * @typedef {{ file: string, text: string, nth: number, why: string }} Explained
 * @typedef {'killed' | 'timed out' | 'survived'} Fate
 */

/** @param {Pick<Mutant, 'file' | 'text' | 'nth'>} mutant */
export const nameOf = ({ file, text, nth }) => `${file}: ${text}${nth > 1 ? ` (${nth})` : ''}`;

/**
 * Where the fates of mutants and the explained survivors disagree, one line each.
 * @param {readonly Pick<Mutant, 'file' | 'text' | 'nth'>[]} all
 * @param {ReadonlyMap<string, Fate>} fates of those that ran, by name
 * @param {readonly Explained[]} explained
 * @returns {string[]}
 */
export function disagreements(all, fates, explained) {
  const known = new Set(all.map(nameOf));
  const names = new Set(explained.map(nameOf));
  return [
    ...[...fates]
      .filter(([name, fate]) => fate === 'survived' && !names.has(name))
      .map(([name]) => `unexplained: ${name}`),
    ...explained
      .filter((each) => !known.has(nameOf(each)))
      .map((each) => `explained, but there is none: ${nameOf(each)}`),
    ...explained
      .filter((each) => (fates.get(nameOf(each)) ?? 'survived') !== 'survived')
      .map((each) => `explained, but killed now (delete the explanation): ${nameOf(each)}`),
    ...explained.filter(({ why }) => why.trim() === '').map((each) => `explained by nothing: ${nameOf(each)}`),
  ];
}
