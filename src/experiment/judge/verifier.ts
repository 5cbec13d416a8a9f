/**
 * Compares with the disk each page that a guest took over, and each byte that its reads returned or
 * that its clients received. There is one verifier for each disk; several may write to one record.
 *
 * Each check counts what it compared, and notes differences. It asserts nothing: a wrong page is a
 * result.
 */

import { counted, grouped } from '../../base/counted.ts';
import { printable } from '../../base/printable.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import type { OracleExt2 } from './oracle-ext2.ts';

/** Differences that are described; the rest are counted. */
const DESCRIBED = 3;

/** A page or bytes that a guest received and that differ from the disk. */
export interface Difference {
  /** What differs, in words. */
  readonly what: string;
  /** Inode of the file; 0: a block of the file system itself. */
  readonly ino: number;
  /** Page of the inode. */
  readonly index: number;
  /** Block that the page has on the disk; 0 for a hole. */
  readonly block: number;
}

/** The counts and differences of all verifiers that write to it. */
export class VerifierRecord {
  /** Pages taken over. */
  pages = 0;
  /** Bytes read. */
  bytes = 0;
  /** Differences found. */
  count = 0;
  /** The first of them. */
  readonly described: Difference[] = [];

  /** As results have it. */
  get verified(): { readonly pages: number; readonly bytes: number; readonly mismatches: number } {
    return { pages: this.pages, bytes: this.bytes, mismatches: this.count };
  }

  note(difference: Difference): void {
    this.count++;
    if (this.described.length < DESCRIBED) this.described.push({ ...difference, what: printable(difference.what) });
  }
}

/** A file as it is on the disk. */
interface FileOnDisk {
  readonly ino: number;
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

export class Verifier {
  readonly oracle: OracleExt2;
  readonly #record: VerifierRecord;
  readonly #prefix: string;

  /** @param prefix of every description: whose disk it is */
  constructor(oracle: OracleExt2, record: VerifierRecord, prefix = '') {
    this.oracle = oracle;
    this.#record = record;
    this.#prefix = prefix;
  }

  /**
   * A page was taken over: its frame has page `index` of an inode, which is said to lie at `block`.
   */
  reused(ino: number, index: number, pfn: number, block: number, frame: Uint8Array): void {
    this.#record.pages++;
    const judged = this.oracle.checkPage(ino, index, block, frame);
    if (!judged.ok) this.#note(`page ${index} of inode ${ino} (pfn ${pfn}) was reused${judged.reason}`, ino, index);
  }

  /** A guest has page `index` of an inode in its cache, and says that the disk has the same. */
  cached(ino: number, index: number, frame: Uint8Array): void {
    const block = this.oracle.blockOf(ino, index);
    // The rest of a file's last block too: it was read with it, and a crash may have left anything.
    const at =
      block > 0
        ? this.oracle.expect(0, block * PAGE_SIZE, PAGE_SIZE, frame, 0)
        : this.oracle.expect(ino, index * PAGE_SIZE, PAGE_SIZE, frame, 0);
    if (at >= 0) this.#note(`cached page ${index} of inode ${ino} differs from the disk at byte ${at}`, ino, index);
  }

  /**
   * A read returned `length` bytes, at least 0, of a file from `position` on: all are the disk's,
   * and no more than the file has.
   */
  read({ ino, path, size }: FileOnDisk, position: number, length: number, bytes: Uint8Array): void {
    this.#record.bytes += length;
    if (position + length > size)
      this.#note(`${path}: read ${counted(position + length, 'byte')} of ${grouped(size)}`, ino, pageOf(position));
    const at = this.oracle.expect(ino, position, length, bytes, 0);
    if (at >= 0) this.#note(`${path}: byte ${position + at} was read wrong`, ino, pageOf(position + at));
  }

  /** A read returned less than was asked for: it has come to the end of the file. */
  ended({ ino, path, size }: FileOnDisk, position: number): void {
    if (position < size) this.#note(`${path}: ended at byte ${position} of ${size}`, ino, pageOf(position));
  }

  /** A client was sent the start of a file. */
  sent({ ino, path }: FileOnDisk, bytes: Uint8Array): void {
    const at = this.oracle.expect(ino, 0, bytes.length, bytes, 0);
    if (at >= 0) this.#note(`${path}: byte ${at} was sent wrong to a client`, ino, pageOf(at));
  }

  #note(what: string, ino: number, index: number): void {
    this.#record.note({ what: `${this.#prefix}${what}`, ino, index, block: this.oracle.blockOf(ino, index) });
  }
}

const pageOf = (position: number): number => Math.floor(position / PAGE_SIZE);
