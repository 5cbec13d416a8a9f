/**
 * The machine that memory management is measured on: a real hypervisor, a real domain, and a
 * guest's page cache with its cache-mapping table. There is no kernel around it, so that its memory
 * can have any size.
 *
 * No page's bytes are ever touched, so machine memory costs the host no more than its tables.
 */

import { type Arch, ARCHS, assert, Ino, PAGE_SIZE, Pfn } from '../src/base/index.ts';
import { Medium } from '../src/disk/image/backing-store.ts';
import type { BlockDevice } from '../src/disk/drive/block-device.ts';
import {
  type AddressSpace,
  MemoryManagement,
  NameBatch,
  NO_PAGE,
  PG,
  PreservedPages,
  RA_MAX,
  Unclaimed,
  watermarks,
} from '../src/kernel/index.ts';
import { MachineMemory } from '../src/machine/memory.ts';
import { values } from '../src/machine/profile.ts';
import { SERVER_2026 } from '../src/machine/profiles/server-2026.ts';
import { Simulation } from '../src/sim/index.ts';
import { type Domain, domainOf, Hypervisor, ShutdownReason, Toolstack } from '../src/xen/index.ts';

const MEBIBYTE = 1 << 20;
const INO = Ino(12);
const GENERATION = 1;
/** No request ever reaches it. */
const DEVICE: BlockDevice = {
  sectorCount: 2 ** 35,
  store: { identity: 'bench', firstBlock: 0, extents: new Medium(2 ** 44).extents },
  submit: () => undefined,
};

/** A guest's memory management, with one file open; a new one after each restart. */
export interface Guest {
  readonly mm: MemoryManagement;
  readonly names: NameBatch;
  readonly preserved: PreservedPages;
  readonly file: AddressSpace;
}

export class Machine {
  readonly hypervisor: Hypervisor;
  /** Pages that the page cache can hold before reclaim begins. */
  readonly cachePages: number;
  guest: Guest;
  readonly #simulation = new Simulation(1);
  readonly #toolstack: Toolstack;
  #domain: Domain;

  /** A domain with just the memory that lets `cachePages` pages, 1100 and up, be cached. */
  constructor(cachePages: number, arch: Arch = ARCHS[0]) {
    this.cachePages = cachePages;
    const nrPages = pagesFor(cachePages);
    const machineBytes = Math.ceil((nrPages * PAGE_SIZE * 1.02) / MEBIBYTE + 16) * MEBIBYTE;
    const memory = new MachineMemory(machineBytes);
    this.hypervisor = Hypervisor.boot(this.#simulation, memory, values(SERVER_2026.hypervisor), {
      arch,
      kernelPages: 0,
    });
    this.#toolstack = new Toolstack(this.hypervisor);
    const config = { name: 'bench', memoryBytes: nrPages * PAGE_SIZE, device: DEVICE };
    this.#domain = this.#simulation.runProcess('create', domainOf(this.#toolstack.createDomain(config)));
    this.guest = this.#boot(0);
  }

  /** Pages of the domain. */
  get nrPages(): number {
    return this.#domain.nrPages;
  }

  /**
   * Fills the page cache with pages 0 … of the file, page i vouched for as block i. Reading the
   * file through the block back-end leaves the same behind.
   */
  fill(): void {
    const { mm, names, file } = this.guest;
    const { frames } = this.hypervisor;
    for (let index = 0; index < this.cachePages; index++) {
      const pfn = mm.allocate();
      const mfn = this.#domain.frameOf(pfn);
      frames.beginRead(mfn, 0, index);
      frames.endRead(mfn, index, true);
      mm.cache.add(file, index, pfn);
      mm.cache.setUptodate(pfn);
    }
    names.flush();
  }

  /**
   * Restarts the domain with its cache preserved, as the tool stack does it, and boots an empty
   * guest.
   * @returns host time of the rebuild, ns: from the moment between the guests until the new domain
   * runs
   */
  restart(): number {
    this.guest.names.flush();
    this.#domain.environment.hypercalls.shutdown(ShutdownReason.reboot);
    let begin = 0n;
    const betweenGuests = (): void => {
      begin = process.hrtime.bigint();
    };
    const restart = domainOf(this.#toolstack.restartDomain(this.#domain, { preserve: true, betweenGuests }));
    this.#domain = this.#simulation.runProcess('restart', restart);
    const ns = Number(process.hrtime.bigint() - begin);
    this.guest = this.#boot(this.#domain.stats.preserved);
    return ns;
  }

  /** Claims pages 0 … of the file and adds them to the page cache, a readahead window at a time. */
  claimAll(): void {
    const { mm, preserved, file } = this.guest;
    const indices = new Uint32Array(RA_MAX);
    const pages = new Int32Array(RA_MAX);
    for (let index = 0; index < this.cachePages; index += RA_MAX) {
      const count = Math.min(RA_MAX, this.cachePages - index);
      for (let i = 0; i < count; i++) indices[i] = index + i;
      preserved.claim(file, indices, indices, count, pages);
      for (let i = 0; i < count; i++) {
        assert(pages[i] !== NO_PAGE, 'every page was preserved');
        mm.cache.add(file, index + i, Pfn(pages[i]!));
      }
    }
  }

  #boot(preserved: number): Guest {
    const { hypercalls } = this.#domain.environment;
    const names = new NameBatch(hypercalls);
    const unclaimed = new Unclaimed(names);
    const mm = new MemoryManagement(this.nrPages, names, unclaimed);
    const reserved = this.nrPages - this.cachePages - mm.allocator.marks.min;
    for (let pfn = 0; pfn < reserved; pfn++) mm.map.set(Pfn(pfn), PG.reserved);
    const { frames } = this.hypervisor;
    for (let pfn = reserved; preserved > 0 && pfn < this.nrPages; pfn++)
      if (frames.isPreserved(this.#domain.frameOf(Pfn(pfn)))) mm.map.set(Pfn(pfn), PG.preserved);
    mm.freeAll();
    const kept = new PreservedPages(hypercalls, mm, names, unclaimed, undefined);
    return { mm, names, preserved: kept, file: mm.cache.open(INO, GENERATION) };
  }
}

/** Pages of a domain that has `cachePages` pages above its boot region and its low watermark. */
function pagesFor(cachePages: number): number {
  const ample = 2 * cachePages;
  const bootPages = 1 + Math.ceil(ample / 8 / PAGE_SIZE);
  return cachePages + watermarks(ample).min + bootPages;
}
