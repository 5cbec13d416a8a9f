// Two disks with one file system each, of which one was replayed by Linux and one by our guest.
//
// All bytes must be equal, with these exceptions:
//
// - fields in which a kernel keeps its own books: `BOOKS`;
// - blocks of the log behind its superblock: an empty log says nothing.

/** Of the superblock, what each mount says of itself: offset and bytes. */
const SUPERBLOCK = [
  { name: 's_mtime', at: 44, bytes: 4 },
  { name: 's_wtime', at: 48, bytes: 4 },
  { name: 's_mnt_count', at: 52, bytes: 2 },
  { name: 's_last_mounted', at: 136, bytes: 64 },
  { name: 's_kbytes_written, of ext4', at: 376, bytes: 8 },
  { name: 's_overhead_clusters, of ext4', at: 584, bytes: 4 },
];
/** Of each group descriptor, what ext3 does not have. */
const GROUP = { name: 'bg_flags, of ext4', at: 18, bytes: 2 };
/** Of the superblock of the journal: the next mount begins with it, and each mount takes some. */
const JOURNAL = { name: 's_sequence', at: 24, bytes: 4 };

const BLOCK = 4096;
const SUPERBLOCK_AT = 1024;
const GROUP_BYTES = 32;
const JOURNAL_INODE = 8;
const INODE_BYTES = 128;
const DIRECT_BLOCKS = 12;
const NEEDS_RECOVERY = 4;

/** @param {Uint8Array} disk */
const wordsOf = (disk) => new DataView(disk.buffer, disk.byteOffset, disk.length);

/**
 * Where the journal of a file system of one group is, and whether there is something in it.
 * @param {Uint8Array} disk
 */
export function journalOf(disk) {
  const words = wordsOf(disk);
  const table = words.getUint32(BLOCK + 8, true);
  const map = table * BLOCK + (JOURNAL_INODE - 1) * INODE_BYTES + 40;
  const numbers = (/** @type {number} */ at, /** @type {number} */ count) =>
    Array.from({ length: count }, (_, n) => words.getUint32(at + 4 * n, true));
  const blocks = numbers(map, DIRECT_BLOCKS);
  const [indirect = 0] = numbers(map + 4 * DIRECT_BLOCKS, 1);
  blocks.push(...numbers(indirect * BLOCK, BLOCK / 4).filter((block) => block !== 0));
  const [superblock = 0, ...log] = blocks;
  const isMarked = (words.getUint32(SUPERBLOCK_AT + 96, true) & NEEDS_RECOVERY) !== 0;
  const start = words.getUint32(superblock * BLOCK + 28);
  return { superblock, log, isToReplay: isMarked && start !== 0 };
}

/**
 * What differs, one line for each block.
 * @param {Uint8Array} ours
 * @param {Uint8Array} theirs
 * @returns {string[]}
 */
export function differences(ours, theirs) {
  const [a, b] = [withoutBooks(ours), withoutBooks(theirs)];
  const found = [];
  for (let at = 0; at < a.length; at += BLOCK) {
    const block = a.subarray(at, at + BLOCK);
    const places = [...block.keys()].filter((n) => block[n] !== b[at + n]);
    if (places.length > 0)
      found.push(`block ${at / BLOCK}: ${places.length} bytes differ, the first at ${places[0]} of it`);
  }
  return found;
}

/**
 * A copy without what may differ.
 * @param {Uint8Array} disk
 */
function withoutBooks(disk) {
  const copy = disk.slice();
  const clear = (/** @type {number} */ at, /** @type {number} */ bytes) => copy.fill(0, at, at + bytes);
  const { superblock, log } = journalOf(disk);
  for (const { at, bytes } of SUPERBLOCK) clear(SUPERBLOCK_AT + at, bytes);
  for (let at = BLOCK; at < 2 * BLOCK; at += GROUP_BYTES) clear(at + GROUP.at, GROUP.bytes);
  clear(superblock * BLOCK + JOURNAL.at, JOURNAL.bytes);
  for (const block of log) clear(block * BLOCK, BLOCK);
  return copy;
}
