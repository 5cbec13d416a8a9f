// Asks a real Linux for a second opinion of our journals.
// `node tools/v86/replay.mjs [--journals 20] [--seed 1] [--folder .build/v86] [--keep DIR]`
//
// Guests of ours crash and leave ext3 with an unreplayed journal. A Linux of Debian in v86 mounts
// each, says what it finds in it, and unmounts it. So does our next guest. Both must find the same
// files, and both must leave the same disk (compare.mjs). Exit status 1: some differ.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bootLinux } from './boot.mjs';
import { differences } from './compare.mjs';
import { debianFiles } from './debian.mjs';
import { makeInitrd } from './initrd.mjs';
import { crashedJournals, DISK_BYTES } from './journals.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Differences of one journal that are shown. */
const SHOWN = 5;

const { values } = parseArgs({
  options: {
    journals: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    folder: { type: 'string', default: join(ROOT, '.build/v86') },
    keep: { type: 'string' },
  },
});
const count = Number(values.journals);
if (!Number.isSafeInteger(count) || count < 1) throw new Error(`--journals ${values.journals}: not a number of them`);
const seed = Number(values.seed);
if (!Number.isSafeInteger(seed)) throw new Error(`--seed ${values.seed}: not an integer`);

const journals = await crashedJournals(join(ROOT, 'dist'), count, seed);
console.log(`${count} crashes, each with a journal to replay`);
const folder = resolve(values.folder);
mkdirSync(folder, { recursive: true });
const root = debianFiles(folder);
const disk = new Uint8Array(count * DISK_BYTES);
for (const [n, { crashed }] of journals.entries()) disk.set(crashed, n * DISK_BYTES);
const began = Date.now();
const lines = await bootLinux(folder, root, makeInitrd(root, count, DISK_BYTES), disk.buffer, (line) => {
  if (!/^(file|inode) /.test(line)) console.log(`${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s: ${line}`);
});

/**
 * What Linux has said of one journal.
 * @param {number} n
 */
function saidOf(n) {
  const from = lines.indexOf(`journal ${n}`);
  const to = lines.findIndex((line, at) => at > from && /^(journal \d+|done)$/.test(line));
  return lines.slice(from + 1, to);
}

/** @param {number} n @param {import('./journals.mjs').Journal} journal */
function wrongOf(n, { replayed, lines: ours }) {
  const said = saidOf(n);
  const theirs = said.filter((line) => /^(file|inode) /.test(line));
  return [
    ...said.filter((line) => line.startsWith('failed ')),
    ...(said.includes('replayed') ? [] : ['Linux has not replayed it']),
    ...ours.filter((line) => !theirs.includes(line)).map((line) => `only our guest finds: ${line}`),
    ...theirs.filter((line) => !ours.includes(line)).map((line) => `only Linux finds: ${line}`),
    ...differences(replayed, disk.subarray(n * DISK_BYTES, (n + 1) * DISK_BYTES)),
  ];
}

let equal = 0;
for (const [n, journal] of journals.entries()) {
  const wrong = wrongOf(n, journal);
  if (wrong.length === 0) equal++;
  else console.error(`journal ${n}, of ${journal.how}:`);
  for (const line of wrong.slice(0, SHOWN)) console.error(`  ${line}`);
  if (wrong.length > SHOWN) console.error(`  and ${wrong.length - SHOWN} more`);
  if (values.keep === undefined) continue;
  mkdirSync(values.keep, { recursive: true });
  const theirs = disk.subarray(n * DISK_BYTES, (n + 1) * DISK_BYTES);
  for (const [who, bytes] of Object.entries({ crashed: journal.crashed, ours: journal.replayed, linux: theirs }))
    writeFileSync(join(values.keep, `${n}-${who}.img`), bytes);
}
const compared = journals.reduce((sum, { lines: { length } }) => sum + length, 0);
console.log(`${equal} of ${count} journals: equal (${compared} lines of files and inodes, and all blocks)`);
if (lines.some((line) => line.startsWith('failed '))) console.error('Linux has said that something failed');
process.exitCode = equal === count && !lines.some((line) => line.startsWith('failed ')) ? 0 : 1;
