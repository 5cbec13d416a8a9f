/**
 * How the file-cache routines reach memory in a kernel whose dirty pages survive its crash (Rio).
 * Every store opens the page, if it is sealed, and closes it again. Nothing else in the kernel
 * opens pages, so a wild store is refused.
 *
 * Modelled after Rio's protection by write-protected mappings of the file cache. Differs in that
 * the window is that of one store of ours, which stands for a routine that copies up to a page.
 */

import type { Ns, Pfn } from '../../base/units.ts';
import type { CpuClock, Process, RandomStream, Task } from '../../sim/index.ts';
import type { GuestEnvironment, GuestMemory, Hypercalls, XenstoreClient } from '../../xen/public/index.ts';

class FileCacheMemory implements GuestMemory {
  readonly nrPages: number;
  readonly #memory: GuestMemory;

  constructor(memory: GuestMemory) {
    this.nrPages = memory.nrPages;
    this.#memory = memory;
  }

  readU8(pfn: Pfn, offset: number): number {
    return this.#memory.readU8(pfn, offset);
  }

  readU16(pfn: Pfn, offset: number): number {
    return this.#memory.readU16(pfn, offset);
  }

  readU32(pfn: Pfn, offset: number): number {
    return this.#memory.readU32(pfn, offset);
  }

  skipWords(pfn: Pfn, offset: number, end: number, word: number): number {
    return this.#memory.skipWords(pfn, offset, end, word);
  }

  copyOut(pfn: Pfn, offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    this.#memory.copyOut(pfn, offset, dst, dstOffset, length);
  }

  copyIn(pfn: Pfn, offset: number, src: Uint8Array, srcOffset: number, length: number): void {
    this.#memory.open(pfn);
    this.#memory.copyIn(pfn, offset, src, srcOffset, length);
    this.#memory.close(pfn);
  }

  zero(pfn: Pfn, offset: number, length: number): void {
    this.#memory.open(pfn);
    this.#memory.zero(pfn, offset, length);
    this.#memory.close(pfn);
  }

  writeU8(pfn: Pfn, offset: number, value: number): void {
    this.#memory.open(pfn);
    this.#memory.writeU8(pfn, offset, value);
    this.#memory.close(pfn);
  }

  writeU16(pfn: Pfn, offset: number, value: number): void {
    this.#memory.open(pfn);
    this.#memory.writeU16(pfn, offset, value);
    this.#memory.close(pfn);
  }

  writeU32(pfn: Pfn, offset: number, value: number): void {
    this.#memory.open(pfn);
    this.#memory.writeU32(pfn, offset, value);
    this.#memory.close(pfn);
  }

  open(pfn: Pfn): void {
    this.#memory.open(pfn);
  }

  close(pfn: Pfn): void {
    this.#memory.close(pfn);
  }

  expose(pfn: Pfn): void {
    this.#memory.expose(pfn);
  }
}

/** An environment whose memory is that of the file-cache routines. */
export class FileCacheEnvironment implements GuestEnvironment {
  readonly memory: GuestMemory;
  readonly #env: GuestEnvironment;

  constructor(env: GuestEnvironment) {
    this.#env = env;
    this.memory = new FileCacheMemory(env.memory);
  }

  get now(): Ns {
    return this.#env.now;
  }

  get cpu(): CpuClock {
    return this.#env.cpu;
  }

  get hypercalls(): Hypercalls {
    return this.#env.hypercalls;
  }

  get xenstore(): XenstoreClient {
    return this.#env.xenstore;
  }

  compute(duration: Ns): Process {
    return this.#env.compute(duration);
  }

  spawn<T>(name: string, process: Process<T>): Task<T> {
    return this.#env.spawn(name, process);
  }

  after(delay: Ns, action: () => void): void {
    this.#env.after(delay, action);
  }

  random(name: string): RandomStream {
    return this.#env.random(name);
  }
}
