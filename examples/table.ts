/**
 * A toy hypervisor whose page cache survives it: 50 lines of code in `ToyHypervisor`. Its memory is
 * one ArrayBuffer, frames first and the table's bytes behind them. Its disk is an array of blocks.
 * Block 0 is the map of the files: page `index` of file `inode` lies at the block that its word 16
 * × inode + index says. The cache goes round: the next page takes the frame of the oldest, whether
 * that was claimed or not.
 *
 * A reboot is `new ToyHypervisor` on the same memory: every object of the old one is gone. The new
 * one reads the map from the disk, and claims what it would else read.
 */

// In a project of your own: from 'stillwarm/table'.
import { CacheTable } from '../src/doors/table/index.ts';

const [PAGE, FRAMES] = [4096, 64];
export const MEMORY_BYTES = FRAMES * PAGE + CacheTable.bytesFor(FRAMES);

export class ToyHypervisor {
  reads = 0;
  /** Why there was no cache; undefined: there was one. */
  readonly coldReason: string | undefined;
  readonly #frames: readonly Uint8Array[];
  readonly #disk: Uint8Array;
  readonly #table: CacheTable;
  readonly #pages: string[] = [];

  constructor(memory: ArrayBuffer, disk: Uint8Array) {
    this.#disk = disk;
    this.#frames = Array.from({ length: FRAMES }, (_, frame) => new Uint8Array(memory, frame * PAGE, PAGE));
    const bytes = new Uint8Array(memory, FRAMES * PAGE);
    const options = { frames: FRAMES, bytesOf: (frame: number) => this.#frames[frame]! };
    const left = CacheTable.recover(bytes, options);
    this.coldReason = left.ok ? undefined : left.reason;
    this.#table = left.ok ? left.value.table : CacheTable.create(bytes, options);
  }

  /** A page of a file. */
  read(inode: number, index: number): Uint8Array {
    return this.#frames[this.#find(inode, index)]!;
  }

  /** Changes a page in memory. A store to a protected frame traps. */
  write(inode: number, index: number, text: string): void {
    const frame = this.#find(inode, index);
    if (this.#table.isProtected(frame)) this.#table.store(frame);
    new TextEncoder().encodeInto(text, this.#frames[frame]!);
  }

  /** Writes a page home. */
  sync(inode: number, index: number): void {
    const [frame, block] = [this.#find(inode, index), this.#blockOf(inode, index)];
    const transfer = this.#table.beginWrite(frame, 0, block);
    this.#disk.set(this.#frames[frame]!, block * PAGE);
    transfer.end(true);
  }

  #blockOf(inode: number, index: number): number {
    return new DataView(this.#disk.buffer).getUint32(4 * (16 * inode + index), true);
  }

  /** The frame of a page: cached, claimed from before the reboot, or read. */
  #find(inode: number, index: number): number {
    const page = `${inode}/${index}`;
    if (this.#pages.includes(page)) return this.#pages.indexOf(page);
    const [name, block] = [{ device: 0, inode, generation: 1, index }, this.#blockOf(inode, index)];
    const claimed = this.#table.claim(name, block);
    const frame = claimed.ok ? claimed.value : (claimed.reason.frame ?? this.reads % FRAMES);
    this.#pages[frame] = page;
    if (claimed.ok) return frame;
    this.reads++;
    this.#table.erase(frame);
    const transfer = this.#table.beginRead(frame, 0, block);
    this.#frames[frame]!.set(this.#disk.subarray(block * PAGE, (block + 1) * PAGE));
    transfer.end(true);
    this.#table.name(frame, name);
    return frame;
  }
}
