/**
 * The oracle's own reader of an ext2 image: the contents of a file, taken from the medium, to
 * compare every read of the guest with.
 *
 * Contract: it shares no code, table or constant with the guest kernel, with mkfs or with the
 * format that those two share. A mistake made there cannot hide here. Offsets below are plain
 * numbers from the published ext2 layout (oracle-inodes.ts has superblock and inode tables). It
 * only reads. It keeps block maps of inodes, so call `invalidate()` after the medium has changed.
 *
 * Invariants. Everything it does and keeps is bounded by the size of the image, whatever the bytes
 * are:
 *
 * 1. a directory is entered once, and all directories together have no more bytes than the image;
 * 2. a listing reads inodes and directories, and no map of a file;
 * 3. the maps that are kept claim no more blocks than there are, since a block can be claimed once;
 * 4. there is a greatest number of names.
 *
 * What does not parse is a UserError of one line.
 *
 * A block has 4 KiB; an inode has any power of two from 128 bytes to 4 KiB. Inode 0 stands for the
 * device itself: its page k is block k, as in the cache-mapping table.
 *
 * Longer than other files: it shares no code with the format or the kernel, so it reads superblock,
 * inodes, maps and directories itself.
 */

import {
  ArgumentError,
  checkBytes,
  checkFunction,
  checkInteger,
  checkObject,
  checkOneOf,
  checkRange,
  decodeText,
  equalBytes,
  isZero,
  PAGE_SIZE,
  printable,
} from '../../base/index.ts';
import { DONE, err, type Result } from '../../base/result.ts';
import type { ReadableImage } from '../../disk/image/image-store.ts';
import {
  corrupt,
  MODE_DIRECTORY,
  MODE_REGULAR,
  MODE_SYMLINK,
  OracleInodes,
  typeAndSizeOf,
  u16At,
  u32At,
} from './oracle-inodes.ts';

/** A regular file that system calls can reach, once for each of its paths. */
export interface OracleFile {
  /**
   * Absolute, with '/' between the names, spelled as for the guest's system calls (base/text.ts).
   */
  readonly path: string;
  readonly ino: number;
  /** Bytes. */
  readonly size: number;
}

/**
 * A regular file, or a directory with everything below it, that no path of a system call reaches.
 */
export interface UnreachableFile {
  /** Printable. */
  readonly path: string;
  /** Bytes; 0 for a directory. */
  readonly size: number;
  readonly why: string;
}

/** A name of a directory. */
interface DirectoryEntry {
  readonly name: string;
  readonly bytes: number;
  readonly ino: number;
}

/** A name still to be looked at. */
interface Listed {
  readonly path: string;
  readonly pathBytes: number;
  readonly ino: number;
  /** Why no path leads there. */
  readonly why: string | undefined;
}

/** The map of an inode: its size, and its mapped pages as runs of consecutive blocks. */
interface InodeMap {
  readonly size: number;
  readonly generation: number;
  /** Triples (first page, first block, number of blocks), ascending by page; gaps are holes. */
  readonly runs: Uint32Array;
}

/** Names of an image: each costs the host a few hundred bytes. */
const MOST_NAMES = 8_000_000;
/** Bytes of the longest path of a system call, without the final zero. */
const PATH_MAX = 4095;
const NO_NAME = 'its name is empty, or has a slash or a zero byte';

const ROOT_INO = 2;
const POINTERS = 1024;
/** Bytes compared at once when the image cannot show its own. */
const SCRATCH_BYTES = 1 << 18;

/** @throws ArgumentError unless it is the number of an inode, or 0 for the device */
function checkInode(ino: number): void {
  if (ino >>> 0 !== ino) throw new ArgumentError('ino: expected the number of an inode');
}

export class OracleExt2 {
  readonly #image: ReadableImage;
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);
  readonly #maps = new Map<number, InodeMap>();
  readonly #isMounted: boolean;
  #inodes: OracleInodes;
  /** Blocks that the kept maps claim, indirect ones included. */
  #claimed = 0;
  /** The map used last: reads come file by file. */
  #lastIno = -1;
  #lastMap: InodeMap | undefined;

  /**
   * @param isMounted whether a guest has it mounted. Then an ext3 may have a journal that is not
   * replayed: what the guest has not written home is not known here.
   * @throws UserError when the image is not an ext2 file system with blocks of 4 KiB
   */
  constructor(image: ReadableImage, isMounted = false) {
    checkObject('image', image, 'size', 'read');
    checkOneOf('isMounted', isMounted, [false, true]);
    this.#isMounted = isMounted;
    this.#image = image;
    this.#inodes = new OracleInodes(this.#image, this.#isMounted);
  }

  /** Forgets everything read, because the medium has changed. */
  invalidate(): void {
    this.#maps.clear();
    this.#claimed = 0;
    this.#lastIno = -1;
    this.#lastMap = undefined;
    this.#inodes = new OracleInodes(this.#image, this.#isMounted);
  }

  /**
   * All regular files: depth first from the root, each directory in its own order, a hard link once
   * for each path.
   * @param onUnreachable called for each file that is left out because no path reaches it
   */
  listFiles(onUnreachable: (file: UnreachableFile) => void = () => undefined): OracleFile[] {
    checkFunction('onUnreachable', onUnreachable);
    const files: OracleFile[] = [];
    const entered = new Set<number>();
    let directoryBytes = 0;
    let names = 0;
    const pending: Listed[] = [{ path: '', pathBytes: 0, ino: ROOT_INO, why: undefined }];
    for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
      const { path, pathBytes, ino, why } = entry;
      const { type, size } = this.#inodes.typeAndSize(ino);
      if (type === MODE_REGULAR) {
        if (why === undefined) files.push({ path, ino, size });
        else onUnreachable({ path: printable(path), size, why });
      }
      if (type !== MODE_DIRECTORY) continue;
      if (entered.has(ino)) throw corrupt(`directory inode ${ino} is reached twice, at ${path}`);
      entered.add(ino);
      // Directories that share their blocks would make this walk longer than the image.
      directoryBytes += size;
      if (directoryBytes > this.#image.size) throw corrupt(`directories have more bytes than the image, at ${path}`);
      if (pathBytes > PATH_MAX) {
        onUnreachable({
          path: `${printable(path.slice(0, 80))}…`,
          size: 0,
          why: `its path is longer than ${PATH_MAX} bytes`,
        });
        continue;
      }
      const children = this.#readDirectory(ino);
      names += children.length;
      if (names > MOST_NAMES) throw corrupt(`more than ${MOST_NAMES} names`);
      for (let i = children.length - 1; i >= 0; i--) pending.push(childOf(entry, children[i]!));
    }
    return files;
  }

  /** Size of a file in bytes. */
  size(ino: number): number {
    checkInode(ino);
    return ino === 0 || this.#maps.has(ino) ? this.#map(ino).size : this.#inodes.typeAndSize(ino).size;
  }

  /** Generation number of an inode, an unsigned 32-bit number. */
  generation(ino: number): number {
    return this.#map(ino).generation;
  }

  /**
   * Block that holds a page of a file; 0 for a hole and beyond the end. Of inode 0, page k is block
   * k.
   */
  blockOf(ino: number, pageIndex: number): number {
    checkInteger('pageIndex', pageIndex);
    const { runs } = this.#map(ino);
    const at = runAfter(runs, pageIndex);
    if (at === runs.length || runs[at]! > pageIndex) return 0;
    return runs[at + 1]! + (pageIndex - runs[at]!);
  }

  /** Writes the 4096 bytes of a page to `dst`: zeros in a hole and beyond the end of the file. */
  readPage(ino: number, pageIndex: number, dst: Uint8Array, dstOffset: number): void {
    checkBytes('dst', dst);
    checkRange('dstOffset', dstOffset, PAGE_SIZE, dst.length);
    const map = this.#map(ino);
    const block = this.blockOf(ino, pageIndex);
    const valid = Math.min(PAGE_SIZE, Math.max(0, map.size - pageIndex * PAGE_SIZE));
    dst.fill(0, dstOffset, dstOffset + PAGE_SIZE);
    if (valid > 0 && (block > 0 || ino === 0)) this.#image.read(block * PAGE_SIZE, dst, dstOffset, valid);
  }

  /**
   * @internal Whether a frame is page `index` of an inode that lies at `block`. The disk's own map
   * must have the page at that block, and all bytes must be equal. The reason is the end of a
   * sentence.
   */
  checkPage(ino: number, index: number, block: number, frame: Uint8Array): Result {
    const place = this.blockOf(ino, index);
    if (place !== block) return err(` for block ${block}, but lies at ${place}`);
    if (place === 0 && ino !== 0) return err(', but is a hole');
    const at = this.expect(0, block * PAGE_SIZE, PAGE_SIZE, frame, 0);
    return at < 0 ? DONE : err(`, but differs from block ${block} at byte ${at}`);
  }

  /**
   * Compares bytes that a read returned with what the file holds. Beyond the end of the file zeros
   * are expected, as in the rest of a page. The caller checks against `size` that a read returned
   * no more than the file has.
   * @returns -1 when all are equal, else the position of the first difference, counted from
   * `actualOffset`
   */
  expect(ino: number, offset: number, length: number, actual: Uint8Array, actualOffset: number): number {
    checkBytes('actual', actual);
    checkRange('actualOffset', actualOffset, length, actual.length);
    checkRange('offset', offset, length, Number.MAX_SAFE_INTEGER);
    const map = this.#map(ino);
    const { runs } = map;
    /** Where in `actual` a byte of the file is. */
    const shift = actualOffset - offset;
    const fileEnd = Math.max(offset, Math.min(offset + length, map.size));
    let position = offset;
    let run = runAfter(runs, Math.floor(offset / PAGE_SIZE));
    while (position < fileEnd) {
      const runStart = run < runs.length ? runs[run]! * PAGE_SIZE : fileEnd;
      let difference: number;
      let end: number;
      if (position < runStart) {
        end = Math.min(fileEnd, runStart);
        difference = differenceFromZero(actual, position + shift, end + shift);
      } else {
        end = Math.min(fileEnd, (runs[run]! + runs[run + 2]!) * PAGE_SIZE);
        const onDisk = runs[run + 1]! * PAGE_SIZE + (position - runStart);
        difference = this.#differenceFromImage(actual, position + shift, end + shift, onDisk);
        run += 3;
      }
      if (difference >= 0) return difference - actualOffset;
      position = end;
    }
    const difference = differenceFromZero(actual, fileEnd + shift, actualOffset + length);
    return difference < 0 ? difference : difference - actualOffset;
  }

  /** First position in bytes[from, to) that differs from the image at `imageOffset`, or -1. */
  #differenceFromImage(bytes: Uint8Array, from: number, to: number, imageOffset: number): number {
    for (let at = from; at < to; ) {
      const length = Math.min(SCRATCH_BYTES, to - at);
      const offset = imageOffset + (at - from);
      const view = this.#image.view?.(offset, length);
      const expected = view ?? this.#scratch;
      if (view === undefined) this.#image.read(offset, expected, 0, length);
      if (!equalBytes(bytes, at, expected, 0, length))
        for (let i = 0; i < length; i++) if (bytes[at + i] !== expected[i]) return at + i;
      at += length;
    }
    return -1;
  }

  #map(ino: number): InodeMap {
    checkInode(ino);
    if (ino === this.#lastIno) return this.#lastMap!;
    let map = this.#maps.get(ino);
    if (map === undefined) {
      map = ino === 0 ? this.#deviceMap() : this.#buildMap(ino);
      this.#maps.set(ino, map);
    }
    this.#lastIno = ino;
    this.#lastMap = map;
    return map;
  }

  #deviceMap(): InodeMap {
    const { blocks } = this.#inodes.geometry;
    return { size: blocks * PAGE_SIZE, generation: 0, runs: Uint32Array.of(0, 0, blocks) };
  }

  #buildMap(ino: number): InodeMap {
    const inode = this.#inodes.inode(ino);
    const { type, size } = typeAndSizeOf(inode);
    const generation = u32At(inode, 100);
    // The block of attributes counts, and leaves a short text where it is.
    const inPlace = type === MODE_SYMLINK && u32At(inode, 28) === (u32At(inode, 104) === 0 ? 0 : 8);
    const hasBlocks = type === MODE_REGULAR || type === MODE_DIRECTORY || (type === MODE_SYMLINK && !inPlace);
    if (!hasBlocks) return { size, generation, runs: new Uint32Array(0) };

    const pages = Math.ceil(size / PAGE_SIZE);
    if (pages > 12 + POINTERS + POINTERS ** 2 + POINTERS ** 3) throw corrupt(`inode ${ino} has ${size} bytes`);
    // The inode is valid until the first indirect block is read.
    const [single, double, triple] = [u32At(inode, 88), u32At(inode, 92), u32At(inode, 96)];
    const { blocks } = this.#inodes.geometry;
    const runs: number[] = [];
    let indirects: Set<number> | undefined;
    let claimed = this.#claimed;
    const walk = (block: number, depth: number, firstPage: number): void => {
      if (block === 0 || firstPage >= pages) return;
      this.#inodes.checkBlock(block, 'inode', ino, 'points');
      if (++claimed > blocks)
        throw corrupt(
          `multiply-claimed blocks: with inode ${ino} more are claimed than there are, ${blocks}; run e2fsck`,
        );
      if (depth === 0) {
        const last = runs.length - 3;
        if (last >= 0 && runs[last]! + runs[last + 2]! === firstPage && runs[last + 1]! + runs[last + 2]! === block)
          runs[last + 2]!++;
        else runs.push(firstPage, block, 1);
        return;
      }
      indirects ??= new Set();
      if (indirects.has(block)) throw corrupt(`inode ${ino} has block ${block} twice as an indirect block`);
      indirects.add(block);
      const pointers = this.#inodes.read(block * PAGE_SIZE, PAGE_SIZE).slice();
      const span = POINTERS ** (depth - 1);
      const end = Math.min(POINTERS, Math.ceil((pages - firstPage) / span));
      for (let i = 0; i < end; i++) walk(u32At(pointers, i * 4), depth - 1, firstPage + i * span);
    };
    for (let page = 0; page < 12; page++) walk(u32At(inode, 40 + page * 4), 0, page);
    walk(single, 1, 12);
    walk(double, 2, 12 + POINTERS);
    walk(triple, 3, 12 + POINTERS + POINTERS ** 2);
    this.#claimed = claimed;
    return { size, generation, runs: new Uint32Array(runs) };
  }

  /** The entries of a directory except '.' and '..', in their order. */
  #readDirectory(ino: number): DirectoryEntry[] {
    const { size } = this.#map(ino);
    const entries: DirectoryEntry[] = [];
    const block = new Uint8Array(PAGE_SIZE);
    for (let page = 0; page * PAGE_SIZE < size; page++) {
      this.readPage(ino, page, block, 0);
      for (let at = 0; at < PAGE_SIZE; ) {
        const child = u32At(block, at);
        // A length of 0 ends a hole, and anything else that would stand still or leave the block.
        const length = u16At(block, at + 4);
        const nameLength = block[at + 6]!;
        if (length % 4 !== 0 || length < 8 + nameLength || length < 12 || at + length > PAGE_SIZE)
          throw corrupt(`directory inode ${ino} has an entry of length ${length} at byte ${page * PAGE_SIZE + at}`);
        const name = decodeText(block.subarray(at + 8, at + 8 + nameLength));
        if (child !== 0 && name !== '.' && name !== '..') entries.push({ name, bytes: nameLength, ino: child });
        at += length;
      }
    }
    return entries;
  }
}

function childOf(parent: Listed, { name, bytes, ino }: DirectoryEntry): Listed {
  const pathBytes = parent.pathBytes + 1 + bytes;
  const isNoName = name === '' || name.includes('/') || name.includes('\0');
  const tooLong = pathBytes > PATH_MAX ? `its path is longer than ${PATH_MAX} bytes` : undefined;
  return { path: `${parent.path}/${name}`, pathBytes, ino, why: parent.why ?? (isNoName ? NO_NAME : tooLong) };
}

/** Index of the first run that ends after `page`; the length of `runs` when there is none. */
function runAfter(runs: Uint32Array, page: number): number {
  let low = 0;
  let high = runs.length / 3;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs[middle * 3]! + runs[middle * 3 + 2]! > page) high = middle;
    else low = middle + 1;
  }
  return low * 3;
}

/** First position in bytes[from, to) that is not zero, or -1. */
function differenceFromZero(bytes: Uint8Array, from: number, to: number): number {
  for (let at = from; at < to; ) {
    const length = Math.min(SCRATCH_BYTES, to - at);
    if (!isZero(bytes, at, at + length)) for (let i = 0; i < length; i++) if (bytes[at + i] !== 0) return at + i;
    at += length;
  }
  return -1;
}
