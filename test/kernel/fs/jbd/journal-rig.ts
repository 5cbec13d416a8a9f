// A journal on a drive that holds nothing else: its log is a run of blocks, and a file is another.
import { type Ino, PAGE_SIZE, type Pfn } from '../../../../src/base/index.ts';
import { MemoryImage } from '../../../../src/disk/image/memory-image.ts';
import { JBD_BLOCK, JBD_MAGIC, JBD_MIN_BLOCKS, jbdWords, putJbdSuperblock } from '../../../../src/format/jbd.ts';
import { HOLE, type Mapping } from '../../../../src/kernel/cache/mapping.ts';
import { JournalLog } from '../../../../src/kernel/fs/jbd/log.ts';
import { Jbd, type JournalClient } from '../../../../src/kernel/fs/jbd/jbd.ts';
import type { KernelRules } from '../../../../src/kernel/rules.ts';
import { NOTHING, type Process } from '../../../../src/sim/index.ts';
import { BlkifOp } from '../../../../src/xen/public/index.ts';
import { FileSystemRig } from '../../../support/file-system-rig.ts';
import { readBlock, writeBlock } from '../../../support/journal-image.ts';

/** The block of the journal's superblock; that of position n lies n behind it. */
export const JOURNAL_PLACE = 100;
/** The block of the first page of the file. */
export const FILE_PLACE = 1600;
const FILE_PAGES = 8;
const IMAGE_BLOCKS = 2048;
/** Sequence number of the first transaction. */
export const FIRST_TID = 5;

function emptyJournal(): MemoryImage {
  const image = new MemoryImage(IMAGE_BLOCKS * PAGE_SIZE);
  const bytes = new Uint8Array(PAGE_SIZE);
  putJbdSuperblock(bytes, JBD_MIN_BLOCKS);
  writeBlock(image, JOURNAL_PLACE, bytes);
  return image;
}

export class JournalRig extends FileSystemRig {
  readonly image: MemoryImage;
  readonly ring: JournalLog;
  /** A file with a block for each page; `HOLE_PAGE` has none. */
  readonly file: Mapping;
  /** What the journal asked of the file system, in order. */
  readonly asked: string[] = [];
  readonly client: JournalClient & { isReadOnly: boolean };

  /** @param image what an earlier rig has left; by default a journal that was never used */
  constructor(options?: { nrPages?: number; rules?: KernelRules }, image = emptyJournal()) {
    super(image, options);
    this.image = image;
    const { asked, buffers, core } = this;
    this.ring = this.run(
      JournalLog.open(core, buffers, {
        ino: 8,
        isRegular: true,
        size: JBD_MIN_BLOCKS * PAGE_SIZE,
        blockNow: (index) => JOURNAL_PLACE + index,
        loadMetadata: () => NOTHING,
      }),
    );
    this.file = {
      space: core.mm.cache.open(12 as Ino, 1, false, core.writeback),
      pageCount: FILE_PAGES,
      mapVersion: 0,
      isMetadata: false,
      isInodeDirty: false,
      blockNow: (index) => (index === HOLE_PAGE ? HOLE : FILE_PLACE + index),
      loadMetadata: () => NOTHING,
      allocate: () => NOTHING,
      withdraw: () => NOTHING,
      writeInode: () => NOTHING,
      tail: () => 0,
      isBoundary: () => false,
      hold: () => true,
      release: () => NOTHING,
    };
    const { device } = this;
    this.client = {
      isReadOnly: false,
      *writeMetadata(): Process {
        asked.push('writeMetadata');
        yield* core.writeback.writePages(device, true);
        yield* core.writeback.waitPages(device);
      },
      *beginChanges(): Process {
        asked.push('beginChanges');
        yield* NOTHING;
      },
      aborted(why): void {
        asked.push(`aborted: ${why}`);
      },
    };
  }

  load(): Jbd {
    return this.run(Jbd.load(this.core, this.client, this.buffers, this.ring, FIRST_TID));
  }

  /** The page of a block, with this byte all over, in the cache and clean. */
  page(mapping: Mapping, index: number, byte: number): Pfn {
    const { io, env } = this.core;
    const pfn = this.run(io.getPage(mapping, index));
    env.memory.copyIn(pfn, 0, new Uint8Array(PAGE_SIZE).fill(byte), 0, PAGE_SIZE);
    return pfn;
  }

  /** What the drive was asked to do, without reads: blocks by what they are. */
  writes(): string[] {
    return this.machine.requests.flatMap(({ operation, sector, pages }) => {
      if (operation === BlkifOp.flush) return ['flush'];
      return operation === BlkifOp.read ? [] : pages.map((_, i) => this.#kindOf(sector / 8 + i));
    });
  }

  #kindOf(block: number): string {
    const position = block - JOURNAL_PLACE;
    if (position < 0 || position >= JBD_MIN_BLOCKS) return `block ${block}`;
    if (position === 0) return 'journal superblock';
    const words = jbdWords(readBlock(this.image, block));
    const isCommit = words.getUint32(0) === JBD_MAGIC && words.getUint32(4) === JBD_BLOCK.commit;
    return `${isCommit ? 'commit' : 'log'} at ${position}`;
  }
}

/** The page of the file that has no block. */
export const HOLE_PAGE = 7;
