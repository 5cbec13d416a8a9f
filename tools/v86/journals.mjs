// Crashes of our own guest that leave a journal, and what our next guest makes of each.
import { createHash } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import fc from 'fast-check';
import { journalOf } from './compare.mjs';

/** @typedef {import('../../src/index.ts').Machine} Machine */
/** @typedef {import('../../src/index.ts').Disk} Disk */
/** @typedef {import('../../src/doors/testing/index.ts').FileCall} FileCall */
/**
 * @typedef {object} Journal
 * @property {Uint8Array} crashed the disk as the crash has left it
 * @property {Uint8Array} replayed after a guest of ours has mounted and unmounted it
 * @property {string[]} lines what that guest finds in it, as the script of initrd.mjs says it
 * @property {string} how
 */

/** Bytes of each disk: the smallest journal takes half. */
export const DISK_BYTES = 8 << 20;
const JOURNAL_BLOCKS = 1024;
/** Of each guest. */
const MEMORY_BYTES = 16 << 20;
/** Calls of a program between two commits. */
const CALLS_BETWEEN = 5;
/** Programs that are drawn for each journal. Some are cut before their first commit. */
const MOST_TRIES = 20;

/**
 * Crashes, drawn by the seed, of programs that commit often.
 * @param {string} dist the compiled package
 * @param {number} count
 * @param {number} seed
 * @returns {Promise<Journal[]>}
 */
export async function crashedJournals(dist, count, seed) {
  /** @param {string} name */
  const load = (name) => import(pathToFileURL(join(dist, name)).href);
  const { files, image, Machine, GuestCrash } = /** @type {typeof import('../../src/index.ts')} */ (
    await load('index.js')
  );
  const { programOf, programs } = /** @type {typeof import('../../src/doors/testing/index.ts')} */ (
    await load('doors/testing/index.js')
  );
  const disk = files({ a: {}, b: { a: {} }, c: {} }, { journalBlocks: JOURNAL_BLOCKS, size: DISK_BYTES });
  const drawn = fc.sample(
    fc.record({
      calls: programs({ minCalls: 40, maxCalls: 120 }).map(committing),
      share: fc.double({ min: 0.3, max: 1, noNaN: true }),
      keep: fc.constantFrom(undefined, 0, 0.5, 1),
    }),
    { seed, numRuns: count * MOST_TRIES },
  );
  const found = /** @type {Journal[]} */ ([]);
  for (const [n, { calls, share, keep }] of drawn.entries()) {
    if (found.length === count) break;
    const boot = (/** @type {Disk} */ of) => Machine.boot({ disk: of, memory: MEMORY_BYTES, seed: n });
    const program = programOf(calls);
    const whole = boot(disk);
    const booted = whole.stats.events;
    whole.run(program);
    const event = Math.floor(share * (whole.stats.events - booted));
    const machine = boot(disk);
    machine.crashAt({ event });
    try {
      machine.run(program);
      machine.crash();
    } catch (error) {
      if (!(error instanceof GuestCrash)) throw error;
    }
    if (keep !== undefined) machine.losePower({ keep });
    const crashed = machine.disk.read();
    if (!journalOf(crashed).isToReplay) continue;
    const next = boot(image(crashed));
    const lines = linesOf(next);
    let replayed = crashed;
    next.reboot({ betweenGuests: (left) => void (replayed = left.read()) });
    const what = keep === undefined ? 'a crash of the guest' : `a loss of power that keeps ${keep}`;
    found.push({ crashed, replayed, lines, how: `${what} at event ${event} of program ${n}` });
  }
  if (found.length < count) throw new Error(`only ${found.length} of ${count} crashes left a journal`);
  return found;
}

/**
 * The calls, with a commit now and then, and without checkpoints that empty the log.
 * @param {FileCall[]} calls
 * @returns {FileCall[]}
 */
const committing = (calls) =>
  calls
    .filter((call) => call.do !== 'sync')
    .flatMap((call, n) => (n % CALLS_BETWEEN === 0 ? [call, { do: 'fsyncDirectory', path: '/' }] : [call]));

/**
 * Inode, mode, links, size and path of all there is, and the checksum of each file.
 * @param {Machine} machine
 */
function linesOf({ sys }) {
  const lines = /** @type {string[]} */ ([]);
  const walk = (/** @type {string} */ path) => {
    const { ino, mode, links, size } = sys.lstat(path);
    const shown = `.${path === '/' ? '' : path}`;
    lines.push(`inode ${ino} ${mode.toString(16)} ${links} ${size} ${shown}`);
    if (mode >>> 12 === 8) lines.push(`file ${sha256Of(sys, path)}  ${shown}`);
    if (mode >>> 12 !== 4) return;
    for (const { name } of sys.readdir(path))
      if (name !== '.' && name !== '..') walk(path === '/' ? `/${name}` : `${path}/${name}`);
  };
  walk('/');
  return lines;
}

/**
 * @param {Machine['sys']} sys
 * @param {string} path
 */
function sha256Of(sys, path) {
  const hash = createHash('sha256');
  const bytes = new Uint8Array(1 << 16);
  const fd = sys.open(path);
  for (let n = sys.read(fd, bytes, 0, bytes.length); n > 0; n = sys.read(fd, bytes, 0, bytes.length))
    hash.update(bytes.subarray(0, n));
  sys.close(fd);
  return hash.digest('hex');
}
