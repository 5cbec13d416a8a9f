// Reduces the recording of a boot to what a model of it needs: `node tools/boot-recording.mjs
// BOOT.csv.gz BOOT.json > src/disk/mkfs/recorded-boot.ts`.
//
// The recording has a row for each page that came into the page cache of a virtual machine:
// t_us,tid,ev,dev,ino,page,order,pfn. The JSON says which program each tid was. Kept are the pages
// of the files of the root's disk in the order in which they came. Files are numbered in the order
// of their inodes, which is that of the installation. data/README.md says what is left out.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** The disk of the root file system. */
const ROOT_DEVICE = '254:0';
/** Programs of the person who recorded the boot, which ran after it. */
const RECORDER = ['bench.sh', 'cat', 'cut', 'head', 'mountpoint', 'sync', 'systemd-analyze'];
/** A thread of the kernel that initialises blocks of metadata. */
const METADATA = 'ext4lazyinit';
/** Writes its journals, the youngest files: their pages were not read. */
const JOURNAL = 'systemd-journal';
const YOUNGEST_INSTALLED = 22_000;
const WIDTH = 100;

const [csv, json] = process.argv.slice(2);
if (csv === undefined || json === undefined) throw new Error('usage: boot-recording.mjs BOOT.csv.gz BOOT.json');
/** @type {{ comms: Record<string, string> }} */
const { comms } = JSON.parse(readFileSync(json, 'utf8'));

/** @type {{ ino: number, first: number, pages: number }[]} */
const reads = [];
const text = gunzipSync(readFileSync(csv)).toString('latin1');
for (const line of text.split('\n').slice(1)) {
  const [, tid = '', event, device, inoText, pageText] = line.split(',');
  if (event !== 'I' || device !== ROOT_DEVICE) continue;
  const program = comms[tid] ?? '';
  const ino = Number(inoText);
  const page = Number(pageText);
  if (program === METADATA || RECORDER.includes(program)) continue;
  if (program === JOURNAL && ino > YOUNGEST_INSTALLED) continue;
  const last = reads.at(-1);
  if (last !== undefined && last.ino === ino && last.first + last.pages === page) last.pages++;
  else reads.push({ ino, first: page, pages: 1 });
}

/** @type {Map<number, number>} */
const sizes = new Map();
for (const { ino, first, pages } of reads) sizes.set(ino, Math.max(sizes.get(ino) ?? 0, first + pages));
const inos = [...sizes.keys()].sort((a, b) => a - b);
const numberOf = new Map(inos.map((ino, number) => [ino, number]));

/** Words in lines of at most WIDTH columns. @param {string[]} words */
function filled(words) {
  /** @type {string[]} */
  const lines = [];
  for (const word of words) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}

process.stdout.write(`/**
 * What a recorded boot of Debian in a virtual machine read of its disk. Made by
 * tools/boot-recording.mjs; data/README.md says where the recording comes from. Not to be edited.
 */

/** Pages of each file, by its number: up to the last page that was read. */
export const FILE_PAGES = \`
${filled(inos.map((ino) => String(sizes.get(ino))))}
\`;

/** The reads in their order, each as file.page.pages. */
export const BOOT_READS = \`
${filled(reads.map(({ ino, first, pages }) => `${numberOf.get(ino)}.${first}.${pages}`))}
\`;
`);
