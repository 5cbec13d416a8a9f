// A guest's world without a hypervisor: memory as plain bytes, and hypercalls that are written
// down. A block back-end speaks the ring as bytes, by hand or by itself.
import {
  ARCH_CODES,
  crc32c,
  DOM0,
  EvtchnPort,
  GuestPanic,
  Ns,
  PAGE_SIZE,
  type Pfn,
  putField,
  SECTOR_SIZE,
} from '../../src/base/index.ts';
import type { ImageStore } from '../../src/disk/image/image-store.ts';
import { BlockFront } from '../../src/kernel/block/blkfront.ts';
import { EventChannels } from '../../src/kernel/xen/evtchn.ts';
import { GrantTable } from '../../src/kernel/xen/gnttab.ts';
import { Kernel, type KernelCosts } from '../../src/kernel/index.ts';
import { values } from '../../src/machine/profile.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import { CpuClock, type Process, type RandomStream, Simulation, type Task } from '../../src/sim/index.ts';
import {
  BlkifOp,
  BlkifStatus,
  CMD_LINE_BYTES,
  GRANT_ENTRY,
  Gtf,
  type GuestEnvironment,
  type GuestMemory,
  type Hypercalls,
  RING_HEADER,
  RING_HEADER_BYTES,
  RING_REQUEST,
  RING_RESPONSE,
  RING_SLOT_BYTES,
  RING_SLOTS,
  SHARED_INFO,
  type ShutdownReason,
  START_INFO,
  START_INFO_MAGIC,
  START_INFO_VERSION,
  VBD_FRONTEND,
  XenbusState,
  type XenstoreClient,
} from '../../src/xen/public/index.ts';

export const COSTS: KernelCosts = values(SERVER_2026.guest);
const PORT = EvtchnPort(7);
/** The boot region: start_info, bitmap, shared_info, grant table. */
const SHARED_INFO_PFN = 2 as Pfn;
const GRANT_TABLE_PFN = 3 as Pfn;
export const BOOT_PAGES = 7;

/** A guest's memory. */
export class FakeMemory implements GuestMemory {
  readonly nrPages: number;
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(nrPages: number) {
    this.nrPages = nrPages;
    this.bytes = new Uint8Array(nrPages * PAGE_SIZE);
    this.#view = new DataView(this.bytes.buffer);
  }

  readU8 = (pfn: Pfn, offset: number): number => this.#view.getUint8(this.#at(pfn, offset, 1));
  readU16 = (pfn: Pfn, offset: number): number => this.#view.getUint16(this.#at(pfn, offset, 2), true);
  readU32 = (pfn: Pfn, offset: number): number => this.#view.getUint32(this.#at(pfn, offset, 4), true);
  writeU8 = (pfn: Pfn, offset: number, value: number): void => this.#view.setUint8(this.#at(pfn, offset, 1), value);
  writeU16 = (pfn: Pfn, offset: number, value: number): void =>
    this.#view.setUint16(this.#at(pfn, offset, 2), value, true);
  // Nothing is sealed: there is no registry.
  open = (): void => undefined;
  close = (): void => undefined;
  expose = (): void => undefined;
  writeU32 = (pfn: Pfn, offset: number, value: number): void =>
    this.#view.setUint32(this.#at(pfn, offset, 4), value, true);

  skipWords(pfn: Pfn, offset: number, end: number, word: number): number {
    let at = offset;
    while (at < end && this.readU32(pfn, at) === word) at += 4;
    return at;
  }

  copyOut(pfn: Pfn, offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    const at = this.#at(pfn, offset, length);
    dst.set(this.bytes.subarray(at, at + length), dstOffset);
  }

  copyIn(pfn: Pfn, offset: number, src: Uint8Array, srcOffset: number, length: number): void {
    this.bytes.set(src.subarray(srcOffset, srcOffset + length), this.#at(pfn, offset, length));
  }

  zero(pfn: Pfn, offset: number, length: number): void {
    const at = this.#at(pfn, offset, length);
    this.bytes.fill(0, at, at + length);
  }

  #at(pfn: Pfn, offset: number, length: number): number {
    if (!(pfn >= 0 && pfn < this.nrPages && offset >= 0 && length >= 0 && offset + length <= PAGE_SIZE))
      throw new Error(`access to page ${pfn}, offset ${offset}, length ${length}`);
    return pfn * PAGE_SIZE + offset;
  }
}

/** A request as it lay on the ring. */
export interface RingRequest {
  readonly id: number;
  readonly operation: number;
  readonly sector: number;
  readonly pages: readonly number[];
}

/** The other end of the ring. */
export class FakeBackend {
  readonly #memory: FakeMemory;
  readonly #ring: Pfn;
  readonly #upcall: () => void;
  readonly #mapped = new Map<number, { ref: number; mark: number }[]>();
  #consumed = 0;
  #produced = 0;

  constructor(memory: FakeMemory, ring: Pfn, upcall: () => void) {
    this.#memory = memory;
    this.#ring = ring;
    this.#upcall = upcall;
  }

  /** Takes every request that was published, and asks to be notified of the next one. */
  take(): RingRequest[] {
    const requests: RingRequest[] = [];
    const { offset } = RING_REQUEST;
    for (; this.#consumed !== this.#word(RING_HEADER.offset.reqProd); this.#consumed = (this.#consumed + 1) >>> 0) {
      if (requests.length > RING_SLOTS) throw new Error('more requests than slots');
      const slot = RING_HEADER_BYTES + (this.#consumed % RING_SLOTS) * RING_SLOT_BYTES;
      const count = this.#word(slot + offset.operation) >>> 8;
      const id = this.#word(slot + offset.id);
      const operation = this.#word(slot + offset.operation) & 0xff;
      this.#mapped.set(id, []);
      requests.push({
        id,
        operation,
        sector: this.#word(slot + offset.sector) + this.#word(slot + offset.sector + 4) * 2 ** 32,
        pages: Array.from({ length: count }, (_, i) => {
          // Whole pages: sectors 0 to 7.
          if (this.#word(slot + offset.segments + 8 * i + 4) !== 0x0700) throw new Error('segment is not a whole page');
          return this.#map(id, this.#word(slot + offset.segments + 8 * i), operation === BlkifOp.read);
        }),
      });
    }
    this.#store(RING_HEADER.offset.reqEvent, (this.#consumed + 1) >>> 0);
    return requests;
  }

  /** Publishes a response; returns whether the front-end asked to be notified of it. */
  answer(id: number, operation: number, status: number): boolean {
    for (const { ref, mark } of this.#mapped.get(id) ?? []) this.#storeFlags(ref, this.#flags(ref) & ~mark);
    this.#mapped.delete(id);
    const { offset } = RING_RESPONSE;
    const slot = RING_HEADER_BYTES + (this.#produced % RING_SLOTS) * RING_SLOT_BYTES;
    this.#store(slot + offset.id, id);
    this.#store(slot + offset.operation, operation);
    this.#store(slot + offset.status, status);
    this.#produced = (this.#produced + 1) >>> 0;
    this.#store(RING_HEADER.offset.rspProd, this.#produced);
    return this.#word(RING_HEADER.offset.rspEvent) === this.#produced;
  }

  notify(): void {
    this.#upcall();
  }

  /** Maps a grant and returns its page. */
  #map(id: number, ref: number, writable: boolean): number {
    const { offset, size } = GRANT_ENTRY;
    const flags = this.#flags(ref);
    if ((flags & Gtf.typeMask) !== Gtf.permitAccess || ((flags & Gtf.readonly) === 0) !== writable)
      throw new Error(`grant ${ref} does not allow it`);
    if (this.#memory.readU16(GRANT_TABLE_PFN, ref * size + offset.domid) !== DOM0) throw new Error('not for domain 0');
    const mark = Gtf.reading | (writable ? Gtf.writing : 0);
    this.#storeFlags(ref, flags | mark);
    this.#mapped.get(id)!.push({ ref, mark });
    return this.#memory.readU32(GRANT_TABLE_PFN, ref * size + offset.frame);
  }

  /** Entries beyond the first page of the table are not used by tests: there are 352 segments. */
  #flags(ref: number): number {
    return this.#memory.readU16(GRANT_TABLE_PFN, ref * GRANT_ENTRY.size + GRANT_ENTRY.offset.flags);
  }

  #storeFlags(ref: number, flags: number): void {
    this.#memory.writeU16(GRANT_TABLE_PFN, ref * GRANT_ENTRY.size + GRANT_ENTRY.offset.flags, flags);
  }

  #word(offset: number): number {
    return this.#memory.readU32(this.#ring, offset);
  }

  #store(offset: number, value: number): void {
    this.#memory.writeU32(this.#ring, offset, value);
  }
}

export interface FakeMachineOptions {
  readonly image: ImageStore;
  readonly nrPages?: number;
  /** Leave requests on the ring, for the test to answer. */
  readonly byHand?: boolean;
}

export class FakeMachine {
  readonly simulation = new Simulation(1);
  readonly memory: FakeMemory;
  readonly env: GuestEnvironment;
  readonly cpu = new CpuClock(this.simulation);
  /** Requests served, in the order in which they were taken. */
  readonly requests: RingRequest[] = [];
  /** Blocks that can neither be read nor written. */
  readonly badBlocks = new Set<number>();
  /** Asked for every block that is read or written, whether that fails. */
  fails: (isWrite: boolean, block: number) => boolean = () => false;
  /** Events that the guest has sent. */
  events = 0;
  backend: FakeBackend | undefined;
  shutdownReason: ShutdownReason | undefined;
  readonly image: ImageStore;
  readonly #byHand: boolean;
  readonly #store = new Map<string, string>();
  #callback: () => void = () => undefined;

  constructor({ image, nrPages = 768, byHand = false }: FakeMachineOptions) {
    this.image = image;
    this.#byHand = byHand;
    this.memory = new FakeMemory(nrPages);
    const { simulation, cpu, memory } = this;
    this.env = {
      get now() {
        return simulation.now;
      },
      cpu,
      memory,
      hypercalls: this.#hypercalls(),
      xenstore: this.#xenstore(),
      *compute(duration) {
        yield duration;
      },
      spawn: <T>(name: string, process: Process<T>): Task<T> => simulation.spawn(name, process),
      after: (delay, action) => simulation.after(delay, action),
      random: (name): RandomStream => simulation.random.stream(name),
    };
  }

  /** Boots a kernel, as the domain builder would leave the memory: no kernel image, no module. */
  *boot(cmdLine = 'cachemap=all'): Process<Kernel> {
    this.writeStartInfo(cmdLine);
    return yield* this.bootAsIs();
  }

  /** Boots on what the memory holds. */
  *bootAsIs(): Process<Kernel> {
    return yield* Kernel.boot(this.env, COSTS);
  }

  writeStartInfo(cmdLine: string): void {
    const layout = START_INFO.x86_64;
    const page = new Uint8Array(PAGE_SIZE);
    const put = (name: keyof typeof layout.offset, value: number): void => putField(layout, page, 0, name, value);
    START_INFO_MAGIC.forEach((byte, i) => putField(layout, page, 0, 'magic', byte, i));
    put('version', START_INFO_VERSION);
    put('arch', ARCH_CODES.x86_64);
    put('nrPages', this.memory.nrPages);
    put('bootPages', BOOT_PAGES);
    put('preservedPfn', 1);
    put('sharedInfoPfn', SHARED_INFO_PFN);
    put('grantTablePfn', GRANT_TABLE_PFN);
    page.set(new TextEncoder().encode(cmdLine), layout.offset.cmdLine);
    const head = crc32c(page, 0, layout.offset.checksum);
    put('checksum', crc32c(page, layout.offset.cmdLine, CMD_LINE_BYTES, head));
    this.memory.bytes.set(page, 0);
  }

  /**
   * Runs a process to its end. Throws what it throws; an Error when it takes more than `mostEvents`
   * events or waits for something that never happens.
   */
  run<T>(process: Process<T>, mostEvents = 1_000_000): T {
    let outcome: { value: T } | { error: unknown } | undefined;
    const guarded = function* (): Process {
      try {
        outcome = { value: yield* process };
      } catch (error) {
        outcome = { error };
      }
    };
    this.simulation.spawn('test', guarded());
    const last = this.simulation.eventCount + mostEvents;
    this.simulation.run(() => outcome !== undefined || this.simulation.eventCount >= last);
    if (outcome === undefined) throw new Error('hangs');
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  #hypercalls(): Hypercalls {
    return {
      // Nothing was preserved, and no test asks what is named.
      cacheMapOp: () => undefined,
      suspend: () => {
        throw new Error('nobody suspends this machine');
      },
      eventChannels: {
        allocUnbound: (remote) => {
          if (remote !== DOM0) throw new Error(`no domain ${remote}`);
          return PORT;
        },
        bindInterdomain: () => PORT,
        bindVirq: () => EvtchnPort(PORT + 1),
        bindIpi: () => EvtchnPort(PORT + 2),
        close: () => undefined,
        send: (port) => {
          if (port !== PORT) throw new Error(`no port ${port}`);
          this.events++;
          if (!this.#byHand) this.simulation.after(Ns(1000), () => this.#serve());
        },
        status: () => ({ state: 'free' }),
      },
      setCallback: (callback) => {
        this.#callback = callback;
      },
      recoveryBox: { put: () => false, get: () => undefined, remove: () => false, keys: () => [], damaged: 0 },
      decreaseReservation: () => 0,
      increaseReservation: () => 0,
      shutdown: (reason) => {
        this.shutdownReason = reason;
      },
    };
  }

  /** A front-end, connected. */
  connectFront(ring: Pfn, interruptNs: number, onRoom: (front: BlockFront) => void): BlockFront {
    const events = new EventChannels(this.env, SHARED_INFO_PFN);
    const grants = new GrantTable(this.env, GRANT_TABLE_PFN);
    const front = new BlockFront(this.env, events, grants, ring, interruptNs, onRoom);
    this.run(front.connect());
    return front;
  }

  /** Answers at once; the back-end connects when the front-end says that it may. */
  #xenstore(): XenstoreClient {
    const store = this.#store;
    store.set(`${VBD_FRONTEND}/backend`, '/backend').set('/backend/state', String(XenbusState.initWait));
    store.set('/backend/sectors', String(Math.floor(this.image.size / SECTOR_SIZE)));
    const connect = (): void => {
      if (this.backend !== undefined) throw new GuestPanic('connected twice');
      const ref = Number(store.get(`${VBD_FRONTEND}/ring-ref`));
      const ring = this.memory.readU32(GRANT_TABLE_PFN, ref * GRANT_ENTRY.size + GRANT_ENTRY.offset.frame) as Pfn;
      this.backend = new FakeBackend(this.memory, ring, () => this.#raise());
      store.set('/backend/state', String(XenbusState.connected));
    };
    return {
      *read(path): Process<string | undefined> {
        return store.get(path);
      },

      *write(path, value): Process {
        store.set(path, value);
        if (path === `${VBD_FRONTEND}/state` && value === String(XenbusState.initialised)) connect();
      },

      *watch(_path, fire): Process {
        fire();
      },
    };
  }

  /** An event for the one port, as the hypervisor would set its bits. */
  #raise(): void {
    const { pending, mask, pendingSel, upcallPending, upcallMask } = SHARED_INFO.offset;
    const { memory } = this;
    memory.writeU32(SHARED_INFO_PFN, pending, memory.readU32(SHARED_INFO_PFN, pending) | (1 << PORT));
    if ((memory.readU32(SHARED_INFO_PFN, mask) & (1 << PORT)) !== 0) return;
    memory.writeU32(SHARED_INFO_PFN, pendingSel, 1);
    memory.writeU8(SHARED_INFO_PFN, upcallPending, 1);
    if (memory.readU8(SHARED_INFO_PFN, upcallMask) === 0) this.#callback();
  }

  /** Serves what is on the ring, the last request first. */
  #serve(): void {
    const backend = this.backend!;
    let asked = false;
    for (const request of backend.take().reverse()) {
      this.requests.push(request);
      asked = backend.answer(request.id, request.operation, this.#perform(request)) || asked;
    }
    if (asked) backend.notify();
  }

  #perform({ operation, sector, pages }: RingRequest): number {
    for (let i = 0; i < pages.length; i++) {
      const at = sector * SECTOR_SIZE + i * PAGE_SIZE;
      const isWrite = operation === BlkifOp.write;
      if (at + PAGE_SIZE > this.image.size || this.badBlocks.has(at / PAGE_SIZE)) return BlkifStatus.error;
      if (this.fails(isWrite, at / PAGE_SIZE)) return BlkifStatus.error;
      if (isWrite) this.image.write(at, this.memory.bytes, pages[i]! * PAGE_SIZE, PAGE_SIZE);
      else this.image.read(at, this.memory.bytes, pages[i]! * PAGE_SIZE, PAGE_SIZE);
    }
    return BlkifStatus.ok;
  }
}
