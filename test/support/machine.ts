// A small machine for the tests of the hypervisor: cheap costs, a disk that reorders, and a guest
// that speaks the ring.
import {
  type Arch,
  archOfCode,
  crc32c,
  DOM0,
  EvtchnPort,
  getField,
  Lba,
  type Mfn,
  Ns,
  PAGE_SIZE,
  Pfn,
  SECTOR_SIZE,
  SECTORS_PER_PAGE,
} from '../../src/base/index.ts';
import { type BackingStore, Medium, noteChange } from '../../src/disk/image/backing-store.ts';
import type { BlockDevice, BlockRequest } from '../../src/disk/drive/block-device.ts';
import type { MachineMemory } from '../../src/machine/memory.ts';
import { type Process, type RandomStream, Simulation, WaitQueue } from '../../src/sim/index.ts';
import type { Domain } from '../../src/xen/domain/domain.ts';
import { Hypervisor, type HypervisorOptions } from '../../src/xen/core/hypervisor.ts';
import { domainOf, Reason, type XenCosts } from '../../src/xen/index.ts';
import {
  BlkifOp,
  CacheMapBatch,
  GRANT_ENTRY,
  Gtf,
  NR_REGISTERS,
  RING_HEADER,
  RING_HEADER_BYTES,
  RING_REQUEST,
  RING_RESPONSE,
  RING_SLOT_BYTES,
  RING_SLOTS,
  SHARED_INFO,
  SHUTDOWN_NODE,
  START_INFO,
  START_INFO_PFN,
  VBD_FRONTEND,
  Virq,
  XenbusState,
} from '../../src/xen/public/index.ts';
import { Toolstack } from '../../src/xen/toolstack/toolstack.ts';
import { memoryOf } from './memories.ts';

export const COSTS: XenCosts = {
  hypercallNs: 300,
  cacheMapInsertNs: 20,
  cacheMapEraseNs: 10,
  cacheMapClaimNs: 30,
  cacheMapReleaseNs: 5,
  cacheMapRecencyNs: 6,
  cacheMapDirtyNs: 7,
  eventSendNs: 100,
  domainSwitchNs: 50,
  faultNs: 1000,
  protectNs: 200,
  blkbackRequestNs: 40,
  blkbackSegmentNs: 4,
  nicPacketNs: 30,
  netbackPacketNs: 40,
  netbackNsPerByte: 0.01,
  netbackFlips: 0,
  netbackFlipNs: 20,
  scrubNsPerByte: 0.01,
  frameAllocNs: 2,
  indexRebuildNs: 1,
  preserveNs: 1,
  crcNsPerByte: 0.01,
  domainBuildNs: 1000,
  storeMessageNs: 0,
  hotplugNs: 0,
  savePageNs: 30,
  restorePageNs: 20,
  domain0ShutdownNs: 10_000,
  handoverNs: 1000,
  processors: 1,
};

/**
 * A disk that ends requests in any order; bytes move at some instant between submission and end.
 */
export class TestDisk implements BlockDevice {
  readonly bytes: Uint8Array;
  readonly store: BackingStore;
  /** Requests that fail, of 100. */
  failPercent = 0;
  /** Least time of a request. */
  latencyNs = 0;
  /** Told of every frame that a request reaches, when it is submitted and when its bytes move. */
  onFrame: (when: 'submitted' | 'moved', mfn: Mfn, request: BlockRequest) => void = () => undefined;
  readonly #simulation: Simulation;
  readonly #memory: MachineMemory;
  readonly #random: RandomStream;

  /** @param shared a disk of another machine of which this is another port */
  constructor(simulation: Simulation, memory: MachineMemory, blocks: number, shared?: TestDisk) {
    this.#simulation = simulation;
    this.#memory = memory;
    this.#random = simulation.random.stream('test disk');
    this.bytes = shared?.bytes ?? new Uint8Array(blocks * PAGE_SIZE);
    this.store = shared?.store ?? {
      identity: `test disk ${simulation.nextSerial()}`,
      firstBlock: 0,
      extents: new Medium(this.bytes.length).extents,
    };
    if (shared !== undefined) return;
    for (let i = 0; i < this.bytes.length; i += 64) this.bytes[i] = 1 + this.#random.below(255);
  }

  get sectorCount(): number {
    return this.bytes.length / SECTOR_SIZE;
  }

  block(lba: number): Uint8Array {
    return this.bytes.subarray(lba * PAGE_SIZE, (lba + 1) * PAGE_SIZE);
  }

  submit(request: BlockRequest): void {
    this.#note(request);
    const fails = this.#random.below(100) < this.failPercent;
    for (const { mfn } of request.segments) this.onFrame('submitted', mfn, request);
    this.#simulation.after(Ns(this.latencyNs + this.#random.below(500)), () => {
      // A request that fails may have moved its bytes, or not.
      if (!fails || this.#random.below(2) === 0) this.#move(request);
      this.#simulation.after(Ns(this.#random.below(500)), () => request.done(fails ? 'EIO' : undefined));
    });
  }

  #note({ op, sector, segments, by }: BlockRequest): void {
    if (op !== 'write') return;
    const end = sector + segments.reduce((sum, { length }) => sum + length / SECTOR_SIZE, 0);
    const first = Math.floor(sector / SECTORS_PER_PAGE);
    noteChange(this.store, first, Math.ceil(end / SECTORS_PER_PAGE) - first, by);
  }

  #move(request: BlockRequest): void {
    const { op, sector, segments } = request;
    this.#note(request);
    for (const { mfn } of segments) this.onFrame('moved', mfn, request);
    let at = sector * SECTOR_SIZE;
    for (const { mfn, offset, length } of segments) {
      if (op === 'read') this.#memory.copyIn(mfn, offset, this.bytes, at, length);
      if (op === 'write') this.#memory.copyOut(mfn, offset, this.bytes, at, length);
      at += length;
    }
  }
}

export interface TestSegment {
  readonly pfn: number;
  /** First and last sector of the page. */
  readonly first?: number;
  readonly last?: number;
}

/** First of the grants that are written anew for each segment, in turn. */
const SEGMENT_REFS = 1024;

/** A guest with a block front-end and nothing else. Its ring lies in its last page. */
export class MiniGuest {
  readonly domain: Domain;
  /** Status by request id. */
  readonly responses = new Map<number, number>();
  readonly ring: Pfn;
  readonly sharedInfo: Pfn;
  readonly #grantTable: number;
  port = EvtchnPort(0);
  /** Called at each upcall, before responses are taken. */
  onUpcall: () => void = () => undefined;
  #produced = 0;
  #consumed = 0;
  #nextRef = 0;

  /** Boots: connects its block device. Takes virtual time. */
  constructor({ simulation }: TestMachine, domain: Domain) {
    this.domain = domain;
    this.ring = Pfn(domain.nrPages - 1);
    this.sharedInfo = Pfn(this.startInfo('sharedInfoPfn'));
    this.#grantTable = this.startInfo('grantTablePfn');
    simulation.runProcess('connect', this.#connect());
  }

  *#connect(): Process {
    const { memory, hypercalls, xenstore } = this.domain.environment;
    memory.zero(this.ring, 0, PAGE_SIZE);
    memory.writeU32(this.ring, RING_HEADER.offset.rspEvent, 1);
    hypercalls.setCallback(() => this.#callback());
    this.port = hypercalls.eventChannels.allocUnbound(DOM0);
    memory.writeU32(this.sharedInfo, SHARED_INFO.offset.mask, ~(1 << this.port));
    memory.writeU8(this.sharedInfo, SHARED_INFO.offset.upcallMask, 0);
    this.grant(8, this.ring, Gtf.permitAccess);
    yield* xenstore.write(`${VBD_FRONTEND}/ring-ref`, '8');
    yield* xenstore.write(`${VBD_FRONTEND}/event-channel`, String(this.port));
    yield* xenstore.write(`${VBD_FRONTEND}/state`, String(XenbusState.initialised));
    const backend = yield* xenstore.read(`${VBD_FRONTEND}/backend`);
    while ((yield* xenstore.read(`${backend}/state`)) !== String(XenbusState.connected)) yield 10;
  }

  startInfo(name: keyof typeof START_INFO.x86_64.offset): number {
    const page = this.page(START_INFO_PFN);
    const arch = archOfCode(getField(START_INFO.x86_64, page, 0, 'arch'))!;
    return getField(START_INFO[arch], page, 0, name);
  }

  /** Writes a grant table entry. */
  grant(ref: number, pfn: number, flags: number, domid: number = DOM0): void {
    const { memory } = this.domain.environment;
    const [page, at] = this.grantAt(ref);
    memory.writeU32(page, at + GRANT_ENTRY.offset.frame, pfn);
    memory.writeU16(page, at + GRANT_ENTRY.offset.domid, domid);
    memory.writeU16(page, at + GRANT_ENTRY.offset.flags, flags);
  }

  grantFlags(ref: number): number {
    const [page, at] = this.grantAt(ref);
    return this.domain.environment.memory.readU16(page, at + GRANT_ENTRY.offset.flags);
  }

  grantAt(ref: number): [Pfn, number] {
    return [Pfn(this.#grantTable + (ref >> 9)), (ref & 511) * GRANT_ENTRY.size];
  }

  get hasRoom(): boolean {
    return (this.#produced - this.#consumed) >>> 0 < RING_SLOTS;
  }

  /** Puts raw words into the next slot and publishes it. */
  request(operation: number, sector: number, segments: readonly TestSegment[], count = segments.length): number {
    const { memory, hypercalls } = this.domain.environment;
    const id = this.#produced;
    const slot = RING_HEADER_BYTES + (id % RING_SLOTS) * RING_SLOT_BYTES;
    const at = RING_REQUEST.offset;
    memory.zero(this.ring, slot, RING_SLOT_BYTES);
    memory.writeU32(this.ring, slot + at.operation, operation | (count << 8));
    memory.writeU32(this.ring, slot + at.id, id);
    memory.writeU32(this.ring, slot + at.sector, sector >>> 0);
    memory.writeU32(this.ring, slot + at.sector + 4, Math.floor(sector / 2 ** 32));
    segments.forEach(({ pfn, first = 0, last = 7 }, i) => {
      const ref = SEGMENT_REFS + (this.#nextRef++ % 1024);
      this.grant(ref, pfn, Gtf.permitAccess | (operation === BlkifOp.write ? Gtf.readonly : 0));
      memory.writeU32(this.ring, slot + at.segments + 8 * i, ref);
      memory.writeU32(this.ring, slot + at.segments + 8 * i + 4, first | (last << 8));
    });
    this.#produced = (this.#produced + 1) >>> 0;
    memory.writeU32(this.ring, RING_HEADER.offset.reqProd, this.#produced);
    hypercalls.eventChannels.send(this.port);
    return id;
  }

  read(pfn: number, block: number): number {
    return this.request(BlkifOp.read, block * SECTORS_PER_PAGE, [{ pfn }]);
  }

  write(pfn: number, block: number): number {
    return this.request(BlkifOp.write, block * SECTORS_PER_PAGE, [{ pfn }]);
  }

  insert(pfn: number, ino: number, index: number, generation = 1): number {
    const batch = new CacheMapBatch(1);
    batch.insert(Pfn(pfn), ino as never, generation, index as never);
    this.domain.environment.hypercalls.cacheMapOp(batch);
    return batch.result(0);
  }

  dirty(pfn: number, block: number): number {
    const batch = new CacheMapBatch(1);
    batch.dirty(Pfn(pfn), Lba(block));
    this.domain.environment.hypercalls.cacheMapOp(batch);
    return batch.result(0);
  }

  erase(pfn: number): number {
    const batch = new CacheMapBatch(1);
    batch.erase(Pfn(pfn));
    this.domain.environment.hypercalls.cacheMapOp(batch);
    return batch.result(0);
  }

  release(pfn: number): number {
    const batch = new CacheMapBatch(1);
    batch.release(Pfn(pfn));
    this.domain.environment.hypercalls.cacheMapOp(batch);
    return batch.result(0);
  }

  tellRecency(pfn: number, recency: number): number {
    const batch = new CacheMapBatch(1);
    batch.tellRecency(Pfn(pfn), recency);
    this.domain.environment.hypercalls.cacheMapOp(batch);
    return batch.result(0);
  }

  /** What was told of a page; undefined when nothing can be believed. */
  askRecency(pfn: number): number | undefined {
    const batch = new CacheMapBatch(1);
    batch.askRecency(Pfn(pfn));
    this.domain.environment.hypercalls.cacheMapOp(batch);
    return batch.result(0) === Reason.ok ? batch.recency(0) : undefined;
  }

  discard(block: number): { result: number; pfn: number } {
    const batch = new CacheMapBatch(1);
    batch.discard(Lba(block));
    this.domain.environment.hypercalls.cacheMapOp(batch);
    return { result: batch.result(0), pfn: batch.pfn(0) };
  }

  claim(ino: number, index: number, block: number, generation = 1): { result: number; pfn: number } {
    const batch = new CacheMapBatch(1);
    batch.claim(ino as never, generation, index as never, Lba(block));
    this.domain.environment.hypercalls.cacheMapOp(batch);
    return { result: batch.result(0), pfn: batch.pfn(0) };
  }

  page(pfn: number): Uint8Array {
    const bytes = new Uint8Array(PAGE_SIZE);
    this.domain.environment.memory.copyOut(Pfn(pfn), 0, bytes, 0, PAGE_SIZE);
    return bytes;
  }

  /** Looks at every port, as a guest that knows only one may. */
  #callback(): void {
    this.onUpcall();
    const { memory } = this.domain.environment;
    const { pending, pendingSel, upcallPending } = SHARED_INFO.offset;
    memory.writeU8(this.sharedInfo, upcallPending, 0);
    memory.writeU32(this.sharedInfo, pendingSel, 0);
    memory.writeU32(this.sharedInfo, pending, memory.readU32(this.sharedInfo, pending) & ~(1 << this.port));
    this.#takeResponses();
  }

  #takeResponses(): void {
    const { memory } = this.domain.environment;
    const produced = memory.readU32(this.ring, RING_HEADER.offset.rspProd);
    for (; this.#consumed !== produced; this.#consumed = (this.#consumed + 1) >>> 0) {
      const slot = RING_HEADER_BYTES + (this.#consumed % RING_SLOTS) * RING_SLOT_BYTES;
      const id = memory.readU32(this.ring, slot + RING_RESPONSE.offset.id);
      this.responses.set(id, memory.readU32(this.ring, slot + RING_RESPONSE.offset.status));
    }
    memory.writeU32(this.ring, RING_HEADER.offset.rspEvent, (this.#consumed + 1) >>> 0);
  }
}

export const MIB = 1 << 20;
/**
 * Pages of a mini domain's boot region: start_info, bitmap, shared_info, four of grant table, two
 * of kernel image.
 */
export const BOOT_PAGES = 9;
/** Least memory of a mini domain, in pages. */
export const LEAST_PAGES = BOOT_PAGES + 1024;

export interface TestMachine {
  readonly simulation: Simulation;
  readonly memory: MachineMemory;
  readonly hypervisor: Hypervisor;
  readonly toolstack: Toolstack;
  readonly disk: TestDisk;
}

export function bootMachine(
  seed = 1,
  options: HypervisorOptions = {},
  memoryBytes = 16 * MIB,
  costs: Partial<XenCosts> = {},
): TestMachine {
  const simulation = new Simulation(seed);
  const memory = memoryOf(memoryBytes);
  const hypervisor = Hypervisor.boot(simulation, memory, { ...COSTS, ...costs }, { kernelPages: 2, ...options });
  const disk = new TestDisk(simulation, memory, 64);
  return { simulation, memory, hypervisor, toolstack: new Toolstack(hypervisor), disk };
}

/** A second machine in the same room, which reaches the same disk. */
export function machineBeside(
  { simulation, disk: shared, hypervisor: { map } }: TestMachine,
  memoryBytes = 16 * MIB,
  arch: Arch = map.arch,
  protections: HypervisorOptions['protections'] = {},
): TestMachine {
  const memory = memoryOf(memoryBytes);
  const hypervisor = Hypervisor.boot(simulation, memory, COSTS, { kernelPages: 2, arch, protections });
  const disk = new TestDisk(simulation, memory, 0, shared);
  return { simulation, memory, hypervisor, toolstack: new Toolstack(hypervisor), disk };
}

/** Creates a mini domain. */
export function startGuest(machine: TestMachine, name = 'guest', pages = LEAST_PAGES): MiniGuest {
  const { simulation, toolstack, disk } = machine;
  const config = { name, memoryBytes: pages * PAGE_SIZE, device: disk };
  return new MiniGuest(machine, simulation.runProcess('create', domainOf(toolstack.createDomain(config))));
}

/** Restarts a guest and returns the next one. */
export function restartGuest(
  machine: TestMachine,
  guest: MiniGuest,
  options: Partial<Parameters<Toolstack['restartDomain']>[1]> = {},
): MiniGuest {
  const { simulation, toolstack } = machine;
  const restart = domainOf(toolstack.restartDomain(guest.domain, { preserve: true, ...options }));
  return new MiniGuest(machine, simulation.runProcess('restart', restart));
}

/** Reads blocks into pages and names them (ino, index = block); page = firstPfn + i. */
export function cacheBlocks(
  machine: TestMachine,
  guest: MiniGuest,
  blocks: readonly number[],
  firstPfn = 100,
  ino = 12,
): void {
  blocks.forEach((block, i) => {
    guest.read(firstPfn + i, block);
    machine.simulation.run();
    guest.insert(firstPfn + i, ino, block);
  });
}

/** Registers of a guest that suspends itself. */
export const REGISTERS = Uint32Array.from({ length: NR_REGISTERS }, (_, i) => 0x0101_0101 * i);

/** Suspends itself when the tool stack asks it to, and says when it goes on. */
export function suspends({ domain }: MiniGuest): { registers: Uint32Array | undefined } {
  const seen: { registers: Uint32Array | undefined } = { registers: undefined };
  const { environment } = domain;
  const asked = new WaitQueue('a suspension');
  const watch = function* (): Process {
    yield* environment.xenstore.watch(SHUTDOWN_NODE, () => asked.wakeAll());
    while ((yield* environment.xenstore.read(SHUTDOWN_NODE)) !== 'suspend') yield asked;
    seen.registers = yield* environment.hypercalls.suspend(REGISTERS);
  };
  environment.spawn('suspends', watch());
  return seen;
}

/** All that a guest can see of its memory, and what Xen has of it. */
export function stateOf({ memory }: TestMachine, domain: Domain) {
  const pages = Array.from({ length: domain.nrPages }, (_, pfn) =>
    domain.hasFrame(Pfn(pfn)) ? crc32c(memory.frame(domain.frameOf(Pfn(pfn)))) : undefined,
  );
  const box = new Map(domain.recoveryBox.keys().map((key) => [key, domain.recoveryBox.get(key)]));
  return { pages, channels: structuredClone(domain.events.channels), registers: domain.registers.slice(), box };
}

/** Suspends itself whenever Xen or the tool stack asks it to. */
export function suspendsAlways(mini: MiniGuest): void {
  const { environment } = mini.domain;
  const { memory, hypercalls, xenstore } = environment;
  const asked = new WaitQueue('a suspend event');
  const port = hypercalls.eventChannels.bindVirq(Virq.suspend);
  const { pending, mask } = SHARED_INFO.offset;
  memory.writeU32(mini.sharedInfo, mask, memory.readU32(mini.sharedInfo, mask) & ~(1 << port));
  let isAsked = false;
  mini.onUpcall = () => {
    const bits = memory.readU32(mini.sharedInfo, pending);
    isAsked ||= (bits & (1 << port)) !== 0;
    memory.writeU32(mini.sharedInfo, pending, bits & ~(1 << port));
    asked.wakeAll();
  };
  const run = function* (): Process {
    for (;;) {
      yield* xenstore.watch(SHUTDOWN_NODE, () => asked.wakeAll());
      while (!isAsked && (yield* xenstore.read(SHUTDOWN_NODE)) !== 'suspend') yield asked;
      isAsked = false;
      yield* hypercalls.suspend(REGISTERS);
    }
  };
  environment.spawn('suspends', run());
}
