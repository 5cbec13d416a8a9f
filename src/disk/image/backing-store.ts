/**
 * The store of a block device: its identity, and how often its blocks were changed.
 *
 * A store has an identity that outlives every object. The tool stack gives it. It is never read
 * from the disk, where a guest can write. A device shows a run of blocks of its store. Two devices
 * may show the same sectors: partitions that overlap, the parts of a joined image, a drive and its
 * port on another machine. So a device also says on which media its blocks lie. Two views of one
 * block lie at the same place of the same medium.
 *
 * A medium counts the changes of each of its blocks. The sum over the blocks of a device is
 * its *generation*. It never falls, and every write advances it. It is equal at two instants only
 * if nothing was written between them. An owner of copies compares the generation, and drops its
 * copies when it differs.
 *
 * These count as writes:
 * 1. a request that a drive takes up, and the same request again when its bytes move;
 * 2. blocks that a reset or a loss of power may have torn or lost;
 * 3. bytes that are stored into the image itself.
 *
 * A write from a drive's cache to the medium is no change to those who read through that drive:
 * they found the same bytes before. To others it is a change. So two drives over one medium count
 * differently, and their generations are never equal. A change that no object of ours sees (a
 * host's e2fsck on an image file) must be told by `noteChange`.
 *
 * Generations live as long as the medium's object. A clone is another medium and needs another
 * identity. An image that is opened again counts from zero, and needs an identity that was not used
 * before.
 */

import { ArgumentError, checkArgument, checkInteger, checkObject } from '../../base/argument-error.ts';
import { SECTORS_PER_PAGE } from '../../base/units.ts';

/** Most bytes of an identity, as UTF-8. */
export const IDENTITY_BYTES = 31;
/** Blocks whose counts lie together: 1 MiB of the medium. */
const CHUNK_BLOCKS = 256;

/** A run of blocks of a medium. */
export interface Extent {
  /** The medium. */
  readonly medium: Medium;
  /** First block of the run, in blocks of 4 KiB. */
  readonly first: number;
  /** Blocks of the run. */
  readonly blocks: number;
}

/** The store of a block device. */
export interface BackingStore {
  /** Identity of the whole store: 1 to 31 bytes of UTF-8, without NUL. */
  readonly identity: string;
  /** First block of the device in its store, in blocks of 4 KiB. */
  readonly firstBlock: number;
  /** Where the device's blocks lie, in their order. */
  readonly extents: readonly Extent[];
  /** @internal Changes of the media that are no changes to readers of the device. */
  readonly destaged?: WriteAccount;
  /**
   * @internal Where its generations begin: far from those of another drive over the same media; 0
   * by default.
   */
  readonly firstGeneration?: number;
}

/** The account of a writer's own changes. */
export interface Writer {
  /** Told of each write of its own, in blocks of 4 KiB. */
  wrote(medium: Medium, first: number, blocks: number): void;
}

/** @throws ArgumentError unless it is a Writer, or left out */
export function checkWriter(by: Writer | undefined): void {
  if (by === undefined) return;
  checkObject('by', by, 'wrote');
}

/** How often each block was changed. */
export class ChangeCounts {
  /** Counts of a chunk's blocks, then their sum. Changes of the whole medium are not included. */
  readonly #chunks = new Map<number, Float64Array>();
  #whole = 0;
  #total = 0;

  /** Advances at every change. */
  get total(): number {
    return this.#total;
  }

  add(first: number, blocks: number): void {
    this.#total += blocks;
    for (let block = first; block < first + blocks; ) {
      const index = Math.floor(block / CHUNK_BLOCKS);
      const end = Math.min(first + blocks, (index + 1) * CHUNK_BLOCKS);
      let chunk = this.#chunks.get(index);
      if (chunk === undefined) this.#chunks.set(index, (chunk = new Float64Array(CHUNK_BLOCKS + 1)));
      chunk[CHUNK_BLOCKS]! += end - block;
      for (; block < end; block++) chunk[block % CHUNK_BLOCKS]!++;
    }
  }

  /** Every block may have changed. */
  addWhole(): void {
    this.#total++;
    this.#whole++;
  }

  /** Changes of these blocks so far. */
  in(first: number, blocks: number): number {
    const end = first + blocks;
    let sum = this.#whole;
    for (const [index, chunk] of this.#chunks) {
      const start = index * CHUNK_BLOCKS;
      const from = Math.max(first, start) - start;
      const to = Math.min(end, start + CHUNK_BLOCKS) - start;
      if (from === 0 && to === CHUNK_BLOCKS) sum += chunk[CHUNK_BLOCKS]!;
      else for (let i = from; i < to; i++) sum += chunk[i]!;
    }
    return sum;
  }
}

/** The changes of one writer, by medium. */
export class WriteAccount implements Writer {
  readonly #counts = new Map<Medium, ChangeCounts>();
  readonly #with: WriteAccount | undefined;

  /** @param other an account whose changes count here, too */
  constructor(other?: WriteAccount) {
    this.#with = other;
  }

  /** @internal Notes changes of these blocks of a medium. */
  wrote(medium: Medium, first: number, blocks: number): void {
    let counts = this.#counts.get(medium);
    if (counts === undefined) this.#counts.set(medium, (counts = new ChangeCounts()));
    counts.add(first, blocks);
  }

  /** @internal Changes of these blocks. */
  in(extents: readonly Extent[]): number {
    return extents.reduce((sum, { medium, first, blocks }) => {
      return sum + (this.#counts.get(medium)?.in(first, blocks) ?? 0);
    }, this.#with?.in(extents) ?? 0);
  }

  /** @internal Changes of a medium, wherever. */
  on(medium: Medium): number {
    return (this.#counts.get(medium)?.total ?? 0) + (this.#with?.on(medium) ?? 0);
  }

  /** @internal Closes the account of a medium. */
  forget(medium: Medium): void {
    this.#counts.delete(medium);
  }
}

/** A medium: the changes of the bytes that are kept in one place. */
export class Medium {
  /** In blocks of 4 KiB; the last may be partial. */
  readonly blocks: number;
  readonly #counts = new ChangeCounts();
  readonly #below: readonly Extent[];
  readonly #destaged: WriteAccount | undefined;
  #drives = 0;

  /**
   * @param below the medium that shows through where nothing was written to this one; its changes
   * are changes of this one
   * @param destaged changes of `below` that are none to readers of this one, who have found the
   * bytes in a cache before
   */
  constructor(sizeBytes: number, below: readonly Extent[] = [], destaged?: WriteAccount) {
    this.blocks = blocksOf(sizeBytes);
    this.#below = below;
    this.#destaged = destaged;
  }

  /** @internal Another drive keeps its bytes here from now on. Returns how many did before. */
  addDrive(): number {
    return this.#drives++;
  }

  /** The whole medium. */
  get extents(): readonly Extent[] {
    return [{ medium: this, first: 0, blocks: this.blocks }];
  }

  /** How many changes there were, wherever. */
  get total(): number {
    return this.#below.reduce(
      (sum, { medium }) => sum + medium.total - (this.#destaged?.on(medium) ?? 0),
      this.#counts.total,
    );
  }

  /**
   * @param by who keeps account of the change
   * @throws ArgumentError for blocks that the medium does not have
   */
  changed(first: number, blocks: number, by?: Writer): void {
    checkWriter(by);
    if (!(Number.isSafeInteger(first) && first >= 0 && first <= this.blocks))
      throw new ArgumentError('first: no block of the medium');
    if (!(Number.isSafeInteger(blocks) && blocks >= 0 && blocks <= this.blocks - first))
      throw new ArgumentError('blocks: no blocks of the medium');
    this.#counts.add(first, blocks);
    by?.wrote(this, first, blocks);
  }

  /** Any block may have changed. */
  changedWhole(): void {
    this.#counts.addWhole();
  }

  /** @internal Bytes of the medium are stored. */
  stored(offset: number, length: number, by?: Writer): void {
    checkWriter(by);
    if (length === 0) return;
    const first = Math.floor(offset / BLOCK_BYTES);
    this.changed(first, blocksOf(offset + length) - first, by);
  }

  /** @internal Changes of these blocks so far. */
  changesIn(first: number, blocks: number): number {
    return extentsOf(this.#below, first, blocks).reduce(
      (sum, below) => sum + below.medium.changesIn(below.first, below.blocks) - (this.#destaged?.in([below]) ?? 0),
      this.#counts.in(first, blocks),
    );
  }
}

/** More changes than one drive sees; the generations of 8192 drives are safe integers. */
export const GENERATIONS_PER_DRIVE = 2 ** 40;
const BLOCK_BYTES = 512 * SECTORS_PER_PAGE;
const blocksOf = (bytes: number): number => Math.ceil(bytes / BLOCK_BYTES);

/**
 * Where `blocks` blocks from block `first` of the extents on lie; those without a place are left
 * out.
 */
export function extentsOf(extents: readonly Extent[], first: number, blocks: number): Extent[] {
  const found: Extent[] = [];
  let at = 0;
  for (const extent of extents) {
    const from = Math.max(first, at);
    const to = Math.min(first + blocks, at + extent.blocks);
    if (from < to) found.push({ medium: extent.medium, first: extent.first + from - at, blocks: to - from });
    at += extent.blocks;
  }
  return found;
}

/** The store of a device that shows `sectorCount` sectors of another from block `first` on. */
export function partOfStore(store: BackingStore, first: number, sectorCount: number): BackingStore {
  const blocks = Math.ceil(sectorCount / SECTORS_PER_PAGE);
  return { ...store, firstBlock: store.firstBlock + first, extents: extentsOf(store.extents, first, blocks) };
}

/** A store whose blocks are reached through a cache that keeps writes back. */
export interface StoreBehindCache {
  /** The store as it is read through the cache. */
  readonly store: BackingStore;
  /**
   * Whose changes are those of the cache itself: it moves bytes down that its readers have found
   * before.
   */
  readonly writtenBack: WriteAccount;
}

/**
 * A store as it is read through one more cache. The cache notes each write that it takes up, and
 * each block that it loses, as a change (`noteChange`). What it writes back is none.
 * @internal
 */
export function behindCache(store: BackingStore): StoreBehindCache {
  const writtenBack = new WriteAccount(store.destaged);
  const drives = Math.max(0, ...store.extents.map(({ medium }) => medium.addDrive()));
  return { store: { ...store, destaged: writtenBack, firstGeneration: GENERATIONS_PER_DRIVE * drives }, writtenBack };
}

/**
 * Its write generation: an integer that never falls, and that every write to one of these blocks
 * advances.
 * @internal
 */
export function generationOf(store: Pick<BackingStore, 'extents' | 'destaged' | 'firstGeneration'>): number {
  const { extents, destaged, firstGeneration = 0 } = store;
  const changes = extents.reduce((sum, { medium, first, blocks }) => sum + medium.changesIn(first, blocks), 0);
  return firstGeneration + changes - (destaged?.in(extents) ?? 0);
}

/**
 * Tells that blocks have changed, or may have: all by default. For drives, and for changes of a
 * medium that no drive sees.
 * @param store a device's store, or an image
 * @param by the writer, if it keeps account of its own writes
 * @throws ArgumentError for a store without extents, or blocks that are not valid
 */
export function noteChange(store: Pick<BackingStore, 'extents'>, first?: number, blocks = 1, by?: Writer): void {
  checkObject('store', store, 'extents');
  checkWriter(by);
  const { extents } = store;
  if (first !== undefined) {
    checkInteger('first', first);
    checkInteger('blocks', blocks, 1);
  }
  if (first === undefined) for (const { medium } of extents) medium.changedWhole();
  else for (const part of extentsOf(extents, first, blocks)) part.medium.changed(part.first, part.blocks, by);
}

/** @throws ArgumentError for an identity that no record could hold */
export function checkIdentity(identity: string): string {
  const { length } = new TextEncoder().encode(identity);
  const fits = length > 0 && length <= IDENTITY_BYTES && !identity.includes('\0');
  checkArgument(fits, 'identity', 'expected 1 to 31 bytes of UTF-8');
  return identity;
}
