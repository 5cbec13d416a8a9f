/**
 * The body of a save file as a stream of bytes, with its CRC-32C. It is written or read in order, a
 * window of blocks at a time.
 *
 * Work on bytes is charged to domain 0's processor by the code that has it done. What is owed is
 * paid before the stream waits for the device, and when it is due. So the back-ends of other
 * domains run in between. When the device fails nothing more is written or read.
 */

import { crc32c } from '../../base/crc32c.ts';
import { DONE, err, ok, type Result } from '../../base/result.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import type { Process } from '../../sim/simulation.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { EXTENT_FRAMES, type SaveExtent } from './extent.ts';

/** The body begins behind the header. */
const FIRST_BLOCK = 1;
const WINDOW_BYTES = EXTENT_FRAMES * PAGE_SIZE;

/** The processor that pays for the checksums. */
type StreamHost = Pick<Hypervisor, 'domain0Cpu' | 'costs'>;

export class SaveWriter {
  readonly #hypervisor: StreamHost;
  readonly #extent: SaveExtent;
  readonly #window = new Uint8Array(WINDOW_BYTES);
  #used = 0;
  #blocks = 0;
  #crc = 0;
  #written: Result = DONE;

  constructor(hypervisor: StreamHost, extent: SaveExtent) {
    this.#hypervisor = hypervisor;
    this.#extent = extent;
  }

  get crc(): number {
    return this.#crc;
  }

  /** `put`, when that need not wait; false: it must be run. */
  putNow(bytes: Uint8Array): boolean {
    const end = this.#used + bytes.length;
    if (end >= WINDOW_BYTES || this.#hypervisor.domain0Cpu.isDue) return false;
    this.#window.set(bytes, this.#used);
    this.#used = end;
    return true;
  }

  *put(bytes: Uint8Array): Process {
    for (let at = 0; at < bytes.length; ) {
      const count = Math.min(bytes.length - at, WINDOW_BYTES - this.#used);
      this.#window.set(bytes.subarray(at, at + count), this.#used);
      this.#used += count;
      at += count;
      if (this.#used === WINDOW_BYTES) yield* this.#write();
    }
    const { domain0Cpu } = this.#hypervisor;
    if (domain0Cpu.isDue) yield* domain0Cpu.settle();
  }

  /** Fills the last block with zeroes; done when all is on the medium. */
  *end(): Process<Result> {
    yield* this.#write();
    return this.#written.ok ? yield* this.#extent.flush() : this.#written;
  }

  *#write(): Process {
    const length = Math.ceil(this.#used / PAGE_SIZE) * PAGE_SIZE;
    this.#window.fill(0, this.#used, length);
    this.#used = 0;
    if (length === 0 || !this.#written.ok) return;
    const bytes = this.#window.subarray(0, length);
    this.#crc = crc32c(bytes, 0, length, this.#crc);
    this.#hypervisor.domain0Cpu.charge(this.#hypervisor.costs.crcNsPerByte * length);
    this.#written = yield* this.#extent.write(FIRST_BLOCK + this.#blocks, bytes);
    this.#blocks += length / PAGE_SIZE;
  }
}

export class SaveReader {
  readonly #hypervisor: StreamHost;
  readonly #extent: SaveExtent;
  readonly #bodyBlocks: number;
  #window: Uint8Array = new Uint8Array(0);
  #at = 0;
  #blocks = 0;
  #crc = 0;

  constructor(hypervisor: StreamHost, extent: SaveExtent, bodyBlocks: number) {
    this.#hypervisor = hypervisor;
    this.#extent = extent;
    this.#bodyBlocks = bodyBlocks;
  }

  /** Of the blocks that were read: of all, once `isAtEnd`. */
  get crc(): number {
    return this.#crc;
  }

  /** Whether nothing but the zeroes of the last block is left. */
  get isAtEnd(): boolean {
    return this.#blocks === this.#bodyBlocks && this.#window.subarray(this.#at).every((byte) => byte === 0);
  }

  /** What `take` would return without waiting; undefined when it would have to. */
  takeNow(length: number): Uint8Array | undefined {
    const at = this.#at;
    if (at + length > this.#window.length || this.#hypervisor.domain0Cpu.isDue) return undefined;
    this.#at = at + length;
    return this.#window.subarray(at, at + length);
  }

  /** The next bytes, which are not changed by what follows. */
  *take(length: number): Process<Result<Uint8Array>> {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      if (this.#at === this.#window.length) {
        const read = yield* this.#read();
        if (!read.ok) return read;
      }
      const count = Math.min(length - done, this.#window.length - this.#at);
      bytes.set(this.#window.subarray(this.#at, this.#at + count), done);
      this.#at += count;
      done += count;
    }
    const { domain0Cpu } = this.#hypervisor;
    if (domain0Cpu.isDue) yield* domain0Cpu.settle();
    return ok(bytes);
  }

  /** The next `count` numbers. */
  *words(count: number): Process<Result<Uint32Array>> {
    const bytes = yield* this.take(4 * count);
    return bytes.ok ? ok(new Uint32Array(bytes.value.buffer)) : bytes;
  }

  *#read(): Process<Result> {
    const count = Math.min(EXTENT_FRAMES, this.#bodyBlocks - this.#blocks);
    if (count === 0) return err('it ends too early');
    const read = yield* this.#extent.read(FIRST_BLOCK + this.#blocks, count);
    if (!read.ok) return read;
    const bytes = read.value;
    this.#crc = crc32c(bytes, 0, bytes.length, this.#crc);
    this.#hypervisor.domain0Cpu.charge(this.#hypervisor.costs.crcNsPerByte * bytes.length);
    this.#blocks += count;
    this.#window = bytes;
    this.#at = 0;
    return DONE;
  }
}
