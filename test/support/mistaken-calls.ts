// What each kind of object needs to be called at all: a fresh one in a state in which its methods
// make sense. For each parameter there is a right argument, by its name. The caller puts a wrong
// one in the place of each in turn.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type Ino, Ns, type Pfn } from '../../src/base/index.ts';
import type * as base from '../../src/base/index.ts';
import * as disk from '../../src/disk/index.ts';
import { machineMemoryFor } from '../../src/experiment/host/host.ts';
import { VmmMachine, type VmmMachineOptions } from '../../src/experiment/host/machine-room.ts';
import { type Guest, Testbed, type TestbedOptions } from '../../src/experiment/host/testbed.ts';
import * as kernel from '../../src/kernel/index.ts';
import { ServedRequest } from '../../src/kernel/net/listener.ts';
import { Gate } from '../../src/sim/simulation.ts';
import * as machine from '../../src/machine/index.ts';
import * as sim from '../../src/sim/index.ts';
import * as xen from '../../src/xen/index.ts';
import * as pageCache from '../../src/doors/page-cache/index.ts';
import * as xenPublic from '../../src/xen/public/index.ts';
import * as table from '../../src/doors/table/index.ts';
import { TWO_SLOTS } from '../../examples/protocol.ts';
import * as testing from '../../src/doors/testing/index.ts';
import * as door from '../../src/index.ts';
import { checkMemory } from '../kernel/mm/memory-state.ts';

/** An object, or none where functions are called. */
export interface Rig {
  readonly it: unknown;
  /**
   * Right arguments by parameter, or by `Owner.member.parameter` where one method differs. What is
   * absent is left out.
   */
  readonly right: Readonly<Record<string, unknown>>;
  /** Where processes run. */
  readonly simulation: sim.Simulation;
  /** Whether all is as it should be after a call. */
  readonly check?: () => void;
}

const MIB = 1 << 20;
const PROFILE = machine.SERVER_2026;
const COSTS = machine.values(PROFILE.hypervisor);
const nothing = (): undefined => undefined;
/** The services of a guest that has none. */
function* noServices(): sim.Process<number> {
  yield Ns(0);
  return 0;
}
const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(7);
const FILES = disk.tree(disk.directoryNode([['data', disk.fileNode(bytes(70_003))]]));
const FILE_IMAGE = disk.makeExt2(FILES);

const MEMORY = new machine.MachineMemory(machineMemoryFor(24 * MIB));
const OTHER_MEMORY = new machine.MachineMemory(machineMemoryFor(24 * MIB));

function drive(
  simulation: sim.Simulation,
  image: disk.ImageStore = new disk.OverlayImage(FILE_IMAGE),
  memory = MEMORY,
): disk.Drive {
  return new disk.Drive(simulation, memory, image, disk.driveOptions(PROFILE.disk, 'instant'));
}

function testbedOptions(): TestbedOptions {
  const image = new disk.OverlayImage(FILE_IMAGE);
  return { seed: 1, profile: PROFILE, disk: 'instant', image, memory: MEMORY, guestMemory: 16 * MIB };
}

function roomOptions(): VmmMachineOptions {
  const image = new disk.JoinedImage([new disk.OverlayImage(FILE_IMAGE)]);
  const parts = { seed: 1, profile: PROFILE, disk: 'instant', cmdLine: '' } as const;
  return { ...parts, image, partitions: image.places, memory: OTHER_MEMORY, guestMemory: 16 * MIB };
}

// The parts without a machine.

function memoryManagement(): Rig {
  const mm = new kernel.MemoryManagement(128);
  mm.freeAll();
  const space = mm.cache.open(7 as Ino);
  for (let index = 0; index < 40; index++) mm.cache.add(space, index, mm.allocate());
  const pfn = mm.cache.find(space, 3);
  const loose = mm.allocate();
  mm.cache.setUptodate(pfn);
  const writing = mm.cache.find(space, 4);
  mm.cache.setWriteback(writing);
  const empty = mm.cache.open(8 as Ino);
  const before = mm.map.flagsOf(loose);
  return {
    it: mm,
    simulation: new sim.Simulation(1),
    right: {
      pfn,
      'PageAllocator.free.pfn': loose,
      'PageCache.add.pfn': loose,
      'PageCache.endWriteback.pfn': writing,
      'PageCache.close.space': empty,
      pages: [pfn],
      flag: kernel.PG.referenced,
      flags: kernel.PG.referenced,
      space,
      index: 3,
      'PageCache.add.index': 50,
      ino: 9,
      'PageCache.open.generation': 1,
      named: true,
      watcher: { removedPage: nothing },
      start: 0,
      end: 10,
      target: 8,
    },
    check: () => {
      const outside = mm.map.flagsOf(loose) === before && !isCached(mm, loose) ? 1 : 0;
      checkMemory(mm, outside);
      // It goes on: every page can be taken, and is somewhere afterwards.
      mm.cache.endWriteback(writing);
      for (let index = 1000; index < 1130; index++) {
        const page = mm.allocate();
        if (page !== kernel.NO_PAGE) mm.cache.add(space, index, page);
      }
      checkMemory(mm, outside);
    },
  };
}

/**
 * The cache of an embedder. Page 3 is idle, 4 dirty, 5 being written, 6 being read, and 7 mapped.
 */
function embedded(): Rig & { readonly readahead: pageCache.FileReadahead } {
  const mappings = { testAndClearYoung: () => false, unmap: nothing };
  const it = new pageCache.EmbeddedPageCache({ capacity: 40, maxCapacity: 128, mappings });
  const file = it.open(7);
  const pages = Array.from({ length: 40 }, (_, index) => it.begin(file, index));
  for (const page of pages) if (page !== pages[6]) it.end(page);
  for (const page of pages.slice(4, 6)) it.setDirty(page);
  it.beginWrite(pages[5]!);
  it.map(pages[7]!);
  return {
    it,
    readahead: new pageCache.FileReadahead(it, file),
    simulation: new sim.Simulation(1),
    right: {
      options: { capacity: 40 },
      cache: it,
      file,
      'EmbeddedPageCache.close.file': it.open(8),
      number: 9,
      generation: 1,
      index: 3,
      'EmbeddedPageCache.begin.index': 50,
      page: pages[3],
      'EmbeddedPageCache.beginWrite.page': pages[4],
      'EmbeddedPageCache.endWrite.page': pages[5],
      'EmbeddedPageCache.end.page': pages[6],
      'EmbeddedPageCache.unmap.page': pages[7],
      start: 0,
      end: 10,
      capacity: 100,
      count: 4,
      filePages: 100,
    },
    check: () => checkMemory(it.memory),
  };
}

const isCached = (mm: kernel.MemoryManagement, pfn: Pfn): boolean => {
  try {
    mm.cache.spaceOf(pfn);
    return true;
  } catch {
    return false;
  }
};

const part = (name: 'map' | 'allocator' | 'lru' | 'cache' | 'reclaim') => (): Rig => {
  const rig = memoryManagement();
  return { ...rig, it: (rig.it as kernel.MemoryManagement)[name] };
};

const IMAGE_ARGUMENTS = { offset: 0, dst: bytes(4096), src: bytes(4096), dstOffset: 0, srcOffset: 0, length: 4096 };
const writer = { wrote: nothing };

function image(it: disk.ImageStore): Rig {
  const simulation = new sim.Simulation(1);
  return { it, simulation, right: { ...IMAGE_ARGUMENTS, by: writer } };
}

function temporary<T>(use: (dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'mistakes-'));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  return use(dir);
}
const HOST = temporary((dir) => {
  writeFileSync(join(dir, 'image'), bytes(2 * MIB));
  return dir;
});
let fresh = 0;

function request(): disk.BlockRequest {
  return { op: 'read', sector: 8, segments: [{ mfn: 1 as base.Mfn, offset: 0, length: 4096 }], done: nothing };
}

// A hypervisor with its tool stack, and one domain that was created.

interface Stack extends Rig {
  readonly hypervisor: xen.Hypervisor;
  readonly toolstack: xen.Toolstack;
  readonly domain: xen.Domain;
}

function stack(): Stack {
  const simulation = new sim.Simulation(1);
  const hypervisor = xen.Hypervisor.boot(simulation, MEMORY, COSTS, { kernelPages: 64 });
  const toolstack = new xen.Toolstack(hypervisor);
  const device = drive(simulation);
  const config = { name: 'a', memoryBytes: 9 * MIB, device };
  const domain = simulation.runProcess('create', xen.domainOf(toolstack.createDomain(config)));
  const file = drive(simulation, new disk.MemoryImage(64 * MIB));
  const managed = { ...config, name: 'b', memoryBytes: 9 * MIB, preserveCache: true, boot: nothing };
  return {
    it: undefined,
    simulation,
    hypervisor,
    toolstack,
    domain,
    right: {
      domain,
      config,
      'Toolstack.createDomain.config': { ...config, name: 'b', memoryBytes: 9 * MIB },
      'Xend.start.config': managed,
      'Xend.adopt.config': managed,
      hypervisor,
      toolstack,
      parts: { hypervisor, toolstack },
      list: toolstack.list,
      file,
      'restoreDomain.options': { device, vouch: false },
      'Toolstack.restartDomain.options': { preserve: true },
      memoryBytes: 4 * MIB,
      request: 'reboot',
    },
    check: () => {
      toolstack.list.checkInvariants();
    },
  };
}

// Guests: one for all calls, as it takes them like any program's.

interface Running extends Rig {
  readonly testbed: Testbed;
  readonly guest: Guest;
}

function running(): Running {
  const testbed = new Testbed(testbedOptions());
  const { simulation } = testbed;
  const guest = simulation.runProcess('start', testbed.start('cachemap=files'));
  const { syscalls } = guest.kernel;
  const run = <T>(process: sim.Process<T>): T => simulation.runProcess('call', process);
  const fd = run(syscalls.open('/data', kernel.O.rdwr));
  const outFd = run(syscalls.open('/copy', kernel.O.rdwr | kernel.O.creat));
  const address = syscalls.mmap(8192, kernel.PROT.read | kernel.PROT.write, kernel.MAP.shared, fd, 0);
  run(syscalls.mkdir('/dir'));
  run(syscalls.symlink('data', '/text'));
  run(syscalls.setxattr('/data', 'user.name', bytes(100)));
  return {
    it: syscalls,
    simulation,
    testbed,
    guest,
    right: {
      path: '/data',
      'Syscalls.mkdir.path': '/new',
      'Syscalls.rmdir.path': '/dir',
      'Syscalls.readdir.path': '/',
      'Syscalls.readlink.path': '/text',
      'Syscalls.symlink.path': '/link',
      'Syscalls.link.path': '/hard',
      'Syscalls.unlink.path': '/copy',
      existing: '/data',
      from: '/copy',
      to: '/moved',
      text: 'data',
      fd,
      inFd: fd,
      outFd,
      socket: { send: program },
      request: { bytes: bytes(1) },
      ns: 5,
      mode: 0o755,
      uid: 1,
      gid: 2,
      name: 'user.name',
      value: bytes(100),
      flags: 0,
      'Syscalls.mmap.flags': kernel.MAP.shared,
      'Syscalls.msync.flags': kernel.MS.sync,
      position: 0,
      length: 4096,
      advice: 0,
      prot: kernel.PROT.read,
      address,
      dst: bytes(4096),
      src: bytes(4096),
      offset: 0,
      pending: ~0,
      buffers: [bytes(10)],
      key: 1,
      bytes: bytes(8),
      whence: 0,
      atime: 1,
      mtime: { seconds: 1, ns: 2 },
      guest,
      crash: false,
      domain: guest.domain,
      cmdLine: '',
      reason: xen.ShutdownReason.reboot,
      random: simulation.random.stream('rig'),
    },
    check: () => {
      if (guest.kernel.panic !== undefined) throw new Error(`the guest has panicked: ${guest.kernel.panic}`);
      if (guest.domain.isRunning) run(syscalls.sync());
    },
  };
}

function task(): Rig {
  const simulation = new sim.Simulation(1);
  return { it: simulation.spawn('task', program()), simulation, right: {} };
}
function* program(): sim.Process {
  yield 5;
}

function simulationRig(): Rig {
  const simulation = new sim.Simulation(1);
  return {
    it: simulation,
    simulation,
    right: {
      delay: 5,
      action: nothing,
      name: 'a',
      process: program(),
      gate: new Gate(simulation),
      until: () => false,
      onEvents: nothing,
    },
  };
}

/** How to make an object of each class that can be reached. */
const DOOR_OPTIONS: door.MachineOptions = {
  disk: door.files({ data: 'text' }),
  memory: 16 * MIB,
  drive: 'instant',
};

const TABLE_OPTIONS: table.TableOptions = { frames: 8 };

function cacheTable(): Rig & { it: table.CacheTable } {
  const it = table.CacheTable.create(new Uint8Array(table.CacheTable.bytesFor(8)), TABLE_OPTIONS);
  const name: table.PageName = { device: 0, inode: 12, generation: 1, index: 3 };
  return {
    it,
    simulation: new sim.Simulation(1),
    right: { frame: 3, device: 0, block: 7, name },
    check: () => {
      it.checkInvariants();
    },
  };
}

function modelFs(): Rig {
  const it = new testing.ModelFs();
  it.create('/a', false);
  it.mkdir('/d');
  it.symlink('a', '/l');
  return {
    it,
    simulation: new sim.Simulation(1),
    right: {
      path: '/a',
      ...Object.fromEntries(['create', 'mkdir', 'link', 'symlink'].map((name) => [`ModelFs.${name}.path`, '/new'])),
      'ModelFs.rmdir.path': '/d',
      'ModelFs.fsyncDirectory.path': '/d',
      'ModelFs.list.path': '/',
      'ModelFs.readlink.path': '/l',
      exclusive: false,
      at: 0,
      data: bytes(3),
      size: 10,
      existing: '/a',
      text: 'a',
      from: '/a',
      to: '/b',
      hasJournal: true,
    },
  };
}

export const RIGS: Readonly<Record<string, () => Rig>> = {
  Machine: () => ({
    it: door.Machine.boot(DOOR_OPTIONS),
    simulation: new sim.Simulation(1),
    right: {
      programs: (sys: door.Syscalls) => sys.stat('/data'),
      options: {},
      'Machine.crashAt.options': { event: 3 },
    },
  }),
  Disk: () => ({ it: DOOR_OPTIONS.disk, simulation: new sim.Simulation(1), right: { offset: 4096, length: 4096 } }),
  CacheTable: cacheTable,
  CacheMapBatch: () => ({
    it: new xenPublic.CacheMapBatch(4096),
    simulation: new sim.Simulation(1),
    right: { pfn: 3, ino: 12, generation: 1, index: 3, block: 7, recency: 5, i: 0 },
  }),
  ModelFs: modelFs,
  Transfer: () => ({ ...cacheTable(), it: cacheTable().it.beginRead(3, 0, 7), right: { ok: true } }),
  MemoryManagement: memoryManagement,
  EmbeddedPageCache: embedded,
  FileReadahead: () => {
    const rig = embedded();
    return { ...rig, it: rig.readahead };
  },

  MemMap: part('map'),
  PageAllocator: part('allocator'),
  PageCache: part('cache'),
  Reclaim: part('reclaim'),
  ReadaheadState: () => {
    const it = new kernel.ReadaheadState();
    const io = { absent: (_: number, count: number) => count, isCongested: () => false };
    it.access(0, 1, io);
    return {
      it,
      simulation: new sim.Simulation(1),
      right: { offset: 0, request: 1, io },
      check: () => {
        while (it.hasBatch) it.takeBatch();
        const next = it.access(100, 4, io);
        if (next !== 104) throw new Error(`readahead goes on at ${next}`);
      },
    };
  },
  Simulation: simulationRig,
  WaitQueue: () => ({ it: new sim.WaitQueue('a'), simulation: new sim.Simulation(1), right: {} }),
  Task: task,
  RandomStreams: () => ({ it: new sim.RandomStreams(1), simulation: new sim.Simulation(1), right: { name: 'a' } }),
  RandomStream: () => ({
    it: new sim.RandomStreams(1).stream('a'),
    simulation: new sim.Simulation(1),
    right: { n: 5, items: [1, 2, 3] },
  }),
  MachineMemory: () => {
    const it = new machine.MachineMemory(MIB);
    return {
      it,
      simulation: new sim.Simulation(1),
      right: { ...IMAGE_ARGUMENTS, mfn: 3, value: 5 },
    };
  },
  MemoryImage: () => image(new disk.MemoryImage(2 * MIB)),
  OverlayImage: () => image(new disk.OverlayImage(new disk.MemoryImage(2 * MIB))),
  JoinedImage: () => image(new disk.JoinedImage([new disk.MemoryImage(MIB), new disk.MemoryImage(MIB)])),
  FileImage: () => image(disk.FileImage.open(join(HOST, 'image'))),
  Medium: () => {
    const simulation = new sim.Simulation(1);
    const it = new disk.MemoryImage(MIB).extents[0]!.medium;
    return { it, simulation, right: { first: 0, blocks: 1, by: writer } };
  },
  Drive: () => {
    const simulation = new sim.Simulation(1);
    return { it: drive(simulation), simulation, right: { request: request(), memory: OTHER_MEMORY } };
  },
  DrivePort: () => {
    const simulation = new sim.Simulation(1);
    return { it: drive(simulation).port(OTHER_MEMORY), simulation, right: { request: request() } };
  },
  Partition: () => {
    const simulation = new sim.Simulation(1);
    return { it: new disk.Partition(drive(simulation), 0, 64), simulation, right: { request: request() } };
  },
  Toolstack: () => {
    const rig = stack();
    return { ...rig, it: rig.toolstack };
  },
  Hypervisor: () => {
    const rig = stack();
    return { ...rig, it: rig.hypervisor };
  },
  Domain: () => {
    const rig = stack();
    return { ...rig, it: rig.domain };
  },
  Xend: () => {
    const rig = stack();
    return { ...rig, it: new xen.Xend(rig.hypervisor, rig.toolstack) };
  },
  Kernel: () => {
    const rig = running();
    return { ...rig, it: rig.guest.kernel };
  },
  Syscalls: running,
  ListeningSocket: () => {
    const room = new VmmMachine(roomOptions());
    const { simulation } = room;
    simulation.runProcess('start', room.start());
    return {
      it: room.guests.get('guest0')!.kernel.syscalls.listen(),
      simulation,
      right: {
        request: new ServedRequest(bytes(3), {
          append: (all: Uint8Array, from: number) => all.length - from,
          finish: nothing,
          room: 65_536,
          isFinished: false,
        }),
        bytes: bytes(3),
      },
    };
  },
};

/** Right arguments of functions, constructors and static methods, by name and parameter. */
export function rigOfFunctions(): Rig {
  const rig = stack();
  const { simulation } = rig;
  const store = new disk.MemoryImage(MIB);
  const { cache, file } = embedded().right;
  return {
    it: undefined,
    simulation,
    right: {
      ...rig.right,
      'new EmbeddedPageCache.options': { capacity: 40 },
      'new FileReadahead.cache': cache,
      'new FileReadahead.file': file,
      outcome: { ok: true, value: undefined },
      simulation,
      seed: 1,
      what: 'a',
      memory: MEMORY,
      bytes: MIB,
      path: join(HOST, 'image'),
      'FileImage.create.path': join(HOST, `image-${fresh++}`),
      dir: HOST,
      size: MIB,
      image: FILE_IMAGE,
      'new Drive.image': store,
      'new Drive.options': disk.driveOptions(PROFILE.disk, 'instant'),
      'FileImage.open.options': {},
      store,
      first: 0,
      blocks: 1,
      by: writer,
      'new Partition.first': 8,
      device: drive(simulation),
      sectorCount: 8,
      disk: PROFILE.disk,
      kind: 'disk',
      below: store,
      'new JoinedImage.parts': [store],
      tree: FILES,
      'makeExt2.options': {},
      'Machine.boot.options': DOOR_OPTIONS,
      frames: 8,
      capacity: 8,
      position: 3,
      length: 8,
      'CacheTable.create.bytes': new Uint8Array(table.CacheTable.bytesFor(8)),
      'CacheTable.create.options': TABLE_OPTIONS,
      'CacheTable.recover.bytes': new Uint8Array(table.CacheTable.bytesFor(8)),
      'CacheTable.recover.options': TABLE_OPTIONS,
      plan: { machine: DOOR_OPTIONS, program: (sys: door.Syscalls) => sys.stat('/data') },
      keep: 0.5,
      calls: [],
      home: '',
      model: new testing.ModelFs(),
      'contents.size': 10,
      salt: 3,
      fault: { kind: 'crash', event: 3 },
      protocol: TWO_SLOTS,
      'search.options': { states: 10 },
      runs: [[TWO_SLOTS.build(() => false).initial]],
      'refines.options': { within: 2 },
      'checkProtocol.options': { states: 10 },
      'protocol.it': TWO_SLOTS,
      check: () => true,
      make: nothing,
      property: fc.property(fc.nat(), () => true),
      'checkProperty.name': 'a property',
      'startGuest.options': DOOR_OPTIONS,
      get 'checkOracle.machine'() {
        return door.Machine.boot(DOOR_OPTIONS);
      },
      'new Disk.contents': store,
      'files.content': { a: 'b' },
      'image.bytes': bytes(MIB),
      event: 1,
      'directory.path': HOST,
      'directory.options': {},
      'save.path': join(HOST, `disk-${fresh++}`),
      'save.disk': DOOR_OPTIONS.disk,
      onProgress: nothing,
      root: disk.directoryNode([]),
      'countFiles.of': FILES,
      'directoryNode.entries': [['a', disk.fileNode('b')]],
      content: 'a',
      target: 'a',
      meta: {},
      sizeBytes: 4096,
      pieces: [[0, bytes(10)]],
      section: PROFILE.hypervisor,
      'constantsOf.profile': PROFILE,
      'withConstants.profile': PROFILE,
      'withConstants.changes': { 'guest.syscallNs': 200 },
      nrPages: 64,
      names: kernel.NO_NAMES,
      unclaimed: { release: nothing },
      costs: COSTS,
      'Kernel.boot.costs': machine.values(PROFILE.guest),
      'Kernel.boot.environment': rig.domain.environment,
      onReuse: nothing,
      init: { start: noServices, stop: noServices },
      guestMemory: 16 * MIB,
      arch: 'x86_64',
      'Hypervisor.boot.options': {},
      'Hypervisor.reload.options': {},
      operation: rig.toolstack.createDomain({ name: 'c', memoryBytes: 9 * MIB, device: drive(simulation) }),
      code: 'EIO',
      message: 'a',
      n: 5,
      mac: 5,
      text: '00:16:3e:00:00:01',
    },
  };
}
