/**
 * Images of file systems, damaged on the disk: `image` those without a log, `journal` those that a
 * crash has left with one. A guest mounts it, reads and changes everything, and crashes. The next
 * guest takes over the cache and reads everything again. A mount may be refused, and a call may
 * fail, each with an errno.
 */

import { defineLayout, getField, PAGE_SIZE } from '../../base/index.ts';
import type { MemoryImage } from '../../disk/image/memory-image.ts';
import { DIRENT, EXT2_SUPERBLOCK_OFFSET, GROUP_DESCRIPTOR, INODE, SUPERBLOCK } from '../../format/ext2.ts';
import { JBD_HEADER, JBD_REVOKE, JBD_SUPERBLOCK, JBD_TAG } from '../../format/jbd.ts';
import { OracleExt2 } from '../../experiment/judge/oracle-ext2.ts';
import { O } from '../../kernel/index.ts';
import { drawBytes, editedBytes, type Specimen, type Structure } from './bytes.ts';
import { type Kind, must, once, refusedFor, TAKEN, type Verdict } from './kind.ts';
import { fuzzMemory, FuzzMachine } from './machine.ts';
import { changeEverything, readEverything } from './programs.ts';
import { bytesOf, imageOf, smallImage } from './specimens.ts';

/** Two lives take some thousands of events. */
const MOST_EVENTS = 200_000;
const JOURNAL_BLOCKS = 1024;
const JOURNAL_INO = 8;
/** Inodes of which fields are changed: those in use come first. */
const INODES = 40;
/** Tags of a descriptor block that are changed. */
const TAGS = 12;
/** Files that the oracle maps. */
const MOST_FILES = 200;

const POINTERS = defineLayout('block pointers', PAGE_SIZE, [
  { name: 'block', width: 4, count: PAGE_SIZE / 4, meaning: 'a block' },
]);
const BITMAP = defineLayout('bitmap', 64, [{ name: 'bits', width: 1, count: 64, meaning: 'a bit an object' }]);

/** Superblock, descriptor, bitmaps, inodes, directories and maps of blocks. */
function structuresOf(bytes: Uint8Array): Structure[] {
  const descriptor = (name: keyof typeof GROUP_DESCRIPTOR.offset): number =>
    getField(GROUP_DESCRIPTOR, bytes, PAGE_SIZE, name) * PAGE_SIZE;
  const table = descriptor('bg_inode_table');
  const structures: Structure[] = [
    { layout: SUPERBLOCK, at: EXT2_SUPERBLOCK_OFFSET },
    { layout: GROUP_DESCRIPTOR, at: PAGE_SIZE },
    { layout: INODE, at: table, count: INODES },
    { layout: BITMAP, at: descriptor('bg_block_bitmap') },
    { layout: BITMAP, at: descriptor('bg_inode_bitmap') },
  ];
  for (let n = 0; n < INODES; n++) {
    const at = table + n * INODE.size;
    const block = (i: number): number => getField(INODE, bytes, at, 'i_block', i) * PAGE_SIZE;
    const type = getField(INODE, bytes, at, 'i_mode') >>> 12;
    if (type === 4) structures.push(...direntsOf(bytes, block(0)));
    if (type === 8) for (const i of [12, 13]) if (block(i) > 0) structures.push({ layout: POINTERS, at: block(i) });
  }
  return structures;
}

/** The first entries of a block of a directory. */
function direntsOf(bytes: Uint8Array, block: number): Structure[] {
  const found: Structure[] = [];
  for (let at = block; at < block + PAGE_SIZE && found.length < 8; ) {
    found.push({ layout: DIRENT, at });
    at += Math.max(8, getField(DIRENT, bytes, at, 'rec_len'));
  }
  return found;
}

function imageSpecimen(image: MemoryImage): Specimen {
  const bytes = bytesOf(image);
  const blocks = bytes.length / PAGE_SIZE;
  return { bytes, structures: structuresOf(bytes), numbers: [blocks, blocks / 2, INODES, PAGE_SIZE], mayShrink: true };
}

/** A log that a crash has left: of many changes, or with files that were deleted while open. */
function crashedImage(hasOrphans: boolean): MemoryImage {
  const image = smallImage(JOURNAL_BLOCKS);
  const machine = new FuzzMachine(image, fuzzMemory(), MOST_EVENTS);
  const { kernel } = machine.start();
  const sys = kernel.syscalls;
  machine.run(
    (function* () {
      if (!hasOrphans) {
        yield* changeEverything(sys);
        return;
      }
      for (const name of ['/orphan1', '/orphan2']) {
        const fd = yield* sys.open(name, O.rdwr | O.creat);
        yield* sys.pwrite(fd, new Uint8Array(70_000), 0, 70_000, 0);
        yield* sys.unlink(name);
        yield* sys.fsync(fd);
      }
    })(),
  );
  kernel.crash();
  return image;
}

/** The journal's superblock and the control blocks of its log, which have their own byte order. */
function journalSpecimen(image: MemoryImage): Specimen {
  const specimen = imageSpecimen(image);
  const { bytes } = specimen;
  // The map of the journal is that of the image before the crash, which the oracle can read.
  const oracle = new OracleExt2(smallImage(JOURNAL_BLOCKS));
  const place = (position: number): number => oracle.blockOf(JOURNAL_INO, position) * PAGE_SIZE;
  const structures: Structure[] = [{ layout: JBD_SUPERBLOCK, at: place(0), isBigEndian: true }];
  for (let position = 1; position < JOURNAL_BLOCKS; position++) {
    const at = place(position);
    const isControl = bytes[at] === 0xc0 && bytes[at + 1] === 0x3b && bytes[at + 2] === 0x39 && bytes[at + 3] === 0x98;
    if (!isControl) continue;
    structures.push({ layout: JBD_HEADER, at, isBigEndian: true });
    const type = bytes[at + 7];
    if (type === 1) structures.push({ layout: JBD_TAG, at: at + JBD_HEADER.size, count: TAGS, isBigEndian: true });
    if (type === 5) structures.push({ layout: JBD_REVOKE, at, isBigEndian: true });
  }
  // Some damage elsewhere, too: the map of the journal, and the list of orphans.
  return { ...specimen, structures: [...structures, ...specimen.structures.slice(0, 3)] };
}

function kindOver(name: string, make: () => readonly Specimen[], reasons: readonly string[]): Kind {
  const parts = once(() => ({ memory: fuzzMemory(), specimens: make() }));
  return {
    name,
    cases: 150,
    reasons,
    draw: (random) => drawBytes(random, parts().specimens),
    play: (fuzzCase) => {
      const { memory, specimens } = parts();
      const image = imageOf(editedBytes(fuzzCase, specimens));
      judge(image);
      return twoLives(new FuzzMachine(image, memory, MOST_EVENTS));
    },
  };
}

/**
 * The oracle reads images of users, too. It lists the files and maps them, or refuses in a line.
 */
function judge(image: MemoryImage): void {
  try {
    const oracle = new OracleExt2(image);
    for (const { ino, size } of oracle.listFiles().slice(0, MOST_FILES)) {
      const last = Math.max(0, Math.ceil(size / PAGE_SIZE) - 1);
      for (const index of [0, last]) oracle.blockOf(ino, index);
    }
  } catch (error) {
    // A UserError, which is for those who talk to users.
    if (!(error instanceof Error) || error.name !== 'UserError') throw error;
    must('a refusal is one line', !error.message.includes('\n'), () => 'the message has several lines');
  }
}

function twoLives(machine: FuzzMachine): Verdict {
  const first = machine.start();
  const errors = machine.run(readEverything(first.kernel.syscalls));
  machine.run(changeEverything(first.kernel.syscalls));
  first.kernel.crash();
  const next = machine.boot(machine.restart(first, () => undefined));
  machine.run(readEverything(next.kernel.syscalls));
  const events = machine.simulation.eventCount;
  const [code] = [...errors.keys()].sort();
  return code === undefined ? { ...TAKEN, events } : refusedFor(`a read fails: ${code}`, events);
}

export function imageKind(): Kind {
  return kindOver('image', () => [imageSpecimen(smallImage()), imageSpecimen(smallImage(JOURNAL_BLOCKS))], [
    'EINVAL',
    'a read fails: EIO',
  ]);
}

export function journalKind(): Kind {
  return kindOver('journal', () => [journalSpecimen(crashedImage(false)), journalSpecimen(crashedImage(true))], [
    'EINVAL',
  ]);
}
