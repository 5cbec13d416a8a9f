import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  checkArgument,
  checkInteger,
  checkListOf,
  checkObject,
  checkOneOf,
  Ino,
  PAGE_SIZE,
  Pfn,
  UserError,
} from '../../src/base/index.ts';
import {
  Drive,
  driveOptions,
  FileImage,
  makeExt2,
  makeServiceTime,
  MemoryImage,
  noteChange,
  Partition,
  readHostTree,
} from '../../src/disk/index.ts';
import { InstantDisk } from '../../src/disk/drive/instant.ts';
import { FAULTS_CHECK } from '../../src/lab/faults/check.ts';
import { loadMemory, saveMemory } from '../../src/experiment/guest/memory-dump.ts';
import { runReboot } from '../../src/experiment/guest/reboot.ts';
import { VmmMachine } from '../../src/experiment/host/machine-room.ts';
import { Testbed } from '../../src/experiment/host/testbed.ts';
import { OracleExt2 } from '../../src/experiment/judge/oracle-ext2.ts';
import { VmmClients } from '../../src/experiment/vmm/clients.ts';
import { runVmmReboot } from '../../src/experiment/vmm/experiment.ts';
import { rebootHypervisor } from '../../src/experiment/vmm/reboot.ts';
import { MemoryManagement, NO_PAGE } from '../../src/kernel/index.ts';
import { MachineMemory, SERVER_2026, values } from '../../src/machine/index.ts';
import { Simulation } from '../../src/sim/index.ts';
import { Hypervisor, Toolstack } from '../../src/xen/index.ts';
import { captureIo } from '../cli/capture.ts';
import { main } from '../../src/cli/commands.ts';

/** The error of a call that a caller got wrong. */
function mistakeOf(call: () => unknown): Error {
  try {
    call();
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error('accepted');
}

/** As a caller without types: options with one of them replaced, or left out. */
const but = (options: object, name: string, value: unknown): never => ({ ...options, [name]: value }) as never;

const REBOOT = {
  path: '.',
  memory: 16 << 20,
  disk: 'instant',
  profile: 'server-2026',
  arch: undefined,
  strategies: ['warm-cache'],
  workload: 'files',
  seed: 1,
  limit: undefined,
  crash: false,
  checksum: false,
  expire: undefined,
  dumpMemory: undefined,
};
const VMM = {
  path: '.',
  memory: 16 << 20,
  disk: 'instant',
  profile: 'server-2026',
  arch: undefined,
  strategies: ['warm-vm'],
  seed: 1,
  vms: 1,
  limit: 1 << 20,
  series: false,
};
const FAULTS = { faults: ['crash'], runs: 1, seed: 1, without: [], arch: undefined };

const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  path: [undefined, 7, null],
  memory: [undefined, -4096, 1.5, NaN, '1GiB', PAGE_SIZE + 1],
  disk: [undefined, 'tape', null],
  profile: [undefined, 'z80', 'toString'],
  arch: ['z80', null, 64],
  strategies: [undefined, 'warm-cache', ['hot'], [undefined], ['toString']],
  workload: [undefined, 'web', '__proto__'],
  seed: [undefined, 1.5, NaN, '1', Infinity],
  limit: [0, -1, 1.5, '1MiB'],
  crash: [undefined, 1, 'yes'],
  checksum: [undefined, 'crc'],
  expire: [0, -1, '5'],
  dumpMemory: [7],
  vms: [undefined, 0, -1, 96, 1.5],
  series: [undefined, 1],
  faults: [undefined, 'crash', ['meteor']],
  runs: [undefined, 0, -1, 0.5],
  without: [undefined, ['everything'], ['toString']],
};

describe.each([
  ['runReboot', runReboot as (options: never) => unknown, REBOOT],
  ['runVmmReboot', runVmmReboot as (options: never) => unknown, VMM],
  ['the check of faults', (options: never) => FAULTS_CHECK.count(options), FAULTS],
] as const)('%s', (_, run, options) => {
  it.each(Object.keys(options))('the refusal of option %s names it, whatever is wrong with it', (name) => {
    const wrong = WRONG[name]!;
    expect(wrong.length).toBeGreaterThan(0);
    for (const value of wrong) {
      const error = mistakeOf(() => run(but(options, name, value)));
      expect([value, error.name, error.message.split(':')[0]]).toEqual([value, 'ArgumentError', name]);
      expect(error.message).not.toContain('\n');
    }
  });

  it('a call without options is told the names of the options', () => {
    for (const nothing of [undefined, null, 7])
      expect(mistakeOf(() => run(nothing as never)).message).toMatch(/^options: expected an object, got /);
  });
});

describe('the parts for embedders', () => {
  const simulation = new Simulation(1);
  const memory = new MachineMemory(16 << 20);
  const image = new MemoryImage(1 << 20);
  const drive = new Drive(simulation, memory, image, driveOptions(SERVER_2026.disk));
  const testbed = { seed: 1, profile: SERVER_2026, disk: 'instant', image, memory, guestMemory: 8 << 20 };
  const machine = { ...testbed, partitions: [{ start: 0, bytes: 1 << 20 }], cmdLine: '' };
  const config = { name: 'a', memoryBytes: 8 << 20, device: drive };
  const create = (config: unknown) => (): unknown => {
    const hypervisor = Hypervisor.boot(simulation, memory, values(SERVER_2026.hypervisor));
    return simulation.runProcess('create', new Toolstack(hypervisor).createDomain(config as never));
  };
  const space = (): readonly [MemoryManagement, ReturnType<MemoryManagement['cache']['open']>] => {
    const mm = new MemoryManagement(64);
    mm.freeAll();
    return [mm, mm.cache.open(Ino(7))];
  };
  const addAt = (index: unknown) => (): void => {
    const [mm, file] = space();
    mm.cache.add(file, index as never, mm.allocate());
  };

  it.each<readonly [string, string, () => unknown]>([
    ['new Simulation', 'seed', () => new Simulation(undefined as never)],
    ['new Simulation', 'seed', () => new Simulation(0.5)],
    ['Simulation.after', 'delay', () => simulation.after(-1 as never, () => undefined)],
    ['Simulation.after', 'delay', () => simulation.after(NaN as never, () => undefined)],
    ['new MachineMemory', 'bytes', () => new MachineMemory(undefined as never)],
    ['new MachineMemory', 'bytes', () => new MachineMemory(0)],
    ['new MachineMemory', 'bytes', () => new MachineMemory(PAGE_SIZE + 1)],
    ['new MemoryImage', 'size', () => new MemoryImage(-1)],
    ['new MemoryImage', 'size', () => new MemoryImage(undefined as never)],
    ['new Partition', 'device', () => new Partition(undefined as never, 0, 8)],
    ['new Partition', 'first', () => new Partition(drive, -8, 8)],
    ['new Partition', 'first', () => new Partition(drive, 4, 8)],
    ['new Partition', 'first', () => new Partition(drive, drive.sectorCount, 8)],
    ['new Partition', 'sectorCount', () => new Partition(drive, 0, 0)],
    ['new Partition', 'sectorCount', () => new Partition(drive, 8, drive.sectorCount - 7)],
    ['makeServiceTime', 'kind', () => makeServiceTime(SERVER_2026.disk, 'tape' as never)],
    ['driveOptions', 'kind', () => driveOptions(SERVER_2026.disk, 'toString' as never)],
    ['new Drive', 'image', () => new Drive(simulation, memory, undefined as never, driveOptions(SERVER_2026.disk))],
    ['new Drive', 'model', () => new Drive(simulation, memory, image, { writeCacheBytes: 0 } as never)],
    [
      'new Drive',
      'writeCacheBytes',
      () => new Drive(simulation, memory, image, { model: new InstantDisk(), writeCacheBytes: -1 }),
    ],
    [
      'new Drive',
      'destageDelayNs',
      () => new Drive(simulation, memory, image, { model: new InstantDisk(), writeCacheBytes: 0, destageDelayNs: 0.5 }),
    ],
    [
      'new Drive',
      'scheduler',
      () =>
        new Drive(simulation, memory, image, {
          model: new InstantDisk(),
          writeCacheBytes: 0,
          scheduler: 'cfq' as never,
        }),
    ],
    ['new MemoryManagement', 'nrPages', () => new MemoryManagement(undefined as never)],
    ['new MemoryManagement', 'nrPages', () => new MemoryManagement(0)],
    ['new MemoryManagement', 'nrPages', () => new MemoryManagement(1.5)],
    [
      'MemoryManagement.freeAll',
      'freeAll',
      () => {
        space()[0].freeAll();
      },
    ],
    ['PageCache.add', 'index', addAt(-1)],
    ['PageCache.add', 'index', addAt(2 ** 32)],
    ['PageCache.add', 'index', addAt(0.5)],
    ['PageCache.add', 'index', addAt(undefined)],
    [
      'PageCache.add',
      'index',
      () => {
        const [mm, file] = space();
        mm.cache.add(file, 3, mm.allocate());
        mm.cache.add(file, 3, mm.allocate());
      },
    ],
    ['new MemoryManagement', 'names', () => new MemoryManagement(8, {} as never)],
    ...([NO_PAGE, 64, 0.5, undefined] as const).map((pfn): [string, string, () => unknown] => [
      'PageCache.add',
      'pfn',
      () => {
        const [mm, file] = space();
        mm.cache.add(file, 0, pfn as never);
      },
    ]),
    [
      'PageCache.add of a page that is free',
      'pfn',
      () => {
        const [mm, file] = space();
        mm.cache.add(file, 0, Pfn(5));
      },
    ],
    [
      'PageCache.add of a page that is in the cache',
      'pfn',
      () => {
        const [mm, file] = space();
        const page = mm.allocate();
        mm.cache.add(file, 0, page);
        mm.cache.add(file, 1, page);
      },
    ],
    ...([NO_PAGE, 64, 0.5, undefined, 5] as const).map((pfn): [string, string, () => unknown] => [
      'PageAllocator.free',
      'pfn',
      () => {
        space()[0].allocator.free(pfn as never);
      },
    ]),
    ['noteChange', 'first', () => noteChange(image, NaN)],
    ['noteChange', 'blocks', () => noteChange(image, 0, 0)],
    [
      'PageCache.close',
      'space',
      () => {
        const [mm, file] = space();
        mm.cache.add(file, 3, mm.allocate());
        mm.cache.close(file);
      },
    ],
    [
      'PageCache.close',
      'space',
      () => {
        const [mm, file] = space();
        mm.cache.close(file);
        mm.cache.close(file);
      },
    ],
    [
      'Hypervisor.boot',
      'memory',
      () => Hypervisor.boot(simulation, undefined as never, values(SERVER_2026.hypervisor)),
    ],
    [
      'Hypervisor.boot',
      'arch',
      () => Hypervisor.boot(simulation, memory, values(SERVER_2026.hypervisor), { arch: 'z80' as never }),
    ],
    ['Toolstack.createDomain', 'config', create(undefined)],
    ['Toolstack.createDomain', 'config', create({ name: 'a', memoryBytes: 8 << 20 })],
    ['Toolstack.createDomain', 'config.device', create(but(config, 'device', undefined))],
    ['Toolstack.createDomain', 'config.device', create(but(config, 'device', {}))],
    ['Toolstack.createDomain', 'config.name', create(but(config, 'name', 7))],
    ['new Drive', 'simulation', () => new Drive(undefined as never, memory, image, driveOptions(SERVER_2026.disk))],
    ['new Drive', 'memory', () => new Drive(simulation, undefined as never, image, driveOptions(SERVER_2026.disk))],
    ['new Drive', 'options', () => new Drive(simulation, memory, image, undefined as never)],
    ['makeServiceTime', 'disk', () => makeServiceTime('x' as never)],
    ['makeExt2', 'tree', () => makeExt2(undefined as never)],
    ['readHostTree', 'dir', () => readHostTree(undefined as never)],
    ['FileImage.open', 'path', () => FileImage.open(undefined as never)],
    ['noteChange', 'store', () => noteChange({} as never)],
    ['saveMemory', 'memory', () => saveMemory(undefined as never, 'x')],
    ['saveMemory', 'path', () => saveMemory(memory, undefined as never)],
    ['loadMemory', 'path', () => loadMemory(undefined as never)],
    ['new OracleExt2', 'image', () => new OracleExt2(undefined as never)],
    ['new Toolstack', 'hypervisor', () => new Toolstack(undefined as never)],
    ['new VmmClients', 'machine', () => new VmmClients(undefined as never, { path: '/', size: 1 })],
    ['rebootHypervisor', 'machine', () => rebootHypervisor(undefined as never, undefined as never, 'warm-vm')],
    ['new Testbed', 'options', () => new Testbed(undefined as never)],
    ['new Testbed', 'seed', () => new Testbed(but(testbed, 'seed', undefined))],
    ['new Testbed', 'profile', () => new Testbed(but(testbed, 'profile', 'server-2026'))],
    ['new Testbed', 'image', () => new Testbed(but(testbed, 'image', undefined))],
    ['new Testbed', 'memory', () => new Testbed(but(testbed, 'memory', undefined))],
    ['new Testbed', 'memory', () => new Testbed(but(testbed, 'memory', 1 << 20))],
    ['new Testbed', 'guestMemory', () => new Testbed(but(testbed, 'guestMemory', undefined))],
    ['new Testbed', 'kind', () => new Testbed(but(testbed, 'disk', 'tape'))],
    ['new Testbed', 'arch', () => new Testbed(but(testbed, 'arch', 'z80'))],
    ['new VmmMachine', 'options', () => new VmmMachine(undefined as never)],
    ['new VmmMachine', 'profile', () => new VmmMachine(but(machine, 'profile', undefined))],
    ['new VmmMachine', 'image', () => new VmmMachine(but(machine, 'image', undefined))],
    ['new VmmMachine', 'memory', () => new VmmMachine(but(machine, 'memory', undefined))],
    ['new VmmMachine', 'guestMemory', () => new VmmMachine(but(machine, 'guestMemory', undefined))],
    ['new VmmMachine', 'partitions', () => new VmmMachine(but(machine, 'partitions', undefined))],
    ['new VmmMachine', 'cmdLine', () => new VmmMachine(but(machine, 'cmdLine', undefined))],
  ])('the call %s names its argument %s', (_, argument, call) => {
    const error = mistakeOf(call);
    expect([error.name, error.message.split(':')[0]]).toEqual(['ArgumentError', argument]);
  });

  it('a file of the embedded parts finds no page at an index that it does not have', () => {
    const [mm, file] = space();
    expect([-1, 2 ** 32, 0.5].map((index) => mm.cache.find(file, index))).toEqual([NO_PAGE, NO_PAGE, NO_PAGE]);
  });
});

describe('the checks', () => {
  it('the checks take what is right', () => {
    checkArgument(true, 'a', 'b');
    for (const value of [0, 5, 10]) checkInteger('n', value, 0, 10);
    checkOneOf('c', 'x', ['x', 'y']);
    checkListOf('l', [], ['x']);
    checkListOf('l', ['x', 'x'], ['x', 'y']);
    checkObject('o', { a: undefined }, 'a');
  });

  it('the checks say what is wrong on one line', () => {
    expect(mistakeOf(() => checkArgument(false, 'a', 'b')).message).toBe('a: b');
    expect(mistakeOf(() => checkInteger('n', -1)).message).toBe('n: expected an integer, 0 or more, got -1');
    expect(mistakeOf(() => checkInteger('n', 11, 0, 10)).message).toBe('n: expected an integer, 0 to 10, got 11');
    expect(mistakeOf(() => checkOneOf('c', 'a\nb', ['x', 'y'])).message).toBe('c: "a\\nb" is none of x, y');
    expect(mistakeOf(() => checkOneOf('c', {}, ['x'])).message).toBe('c: an object is none of x');
    expect(mistakeOf(() => checkListOf('l', 'x', ['x'])).message).toBe('l: expected a list, got "x"');
    expect(mistakeOf(() => checkObject('o', () => 1)).message).toBe('o: expected an object, got a function');
    expect(mistakeOf(() => checkObject('o', {}, 'a')).message).toBe('o: has no a');
  });

  it('the checks end as one line of the command line, status 2', () => {
    const io = captureIo('/', {
      runReboot: () => {
        throw new ArgumentError('memory: expected an integer');
      },
    });
    expect(main(['reboot', '/'], io)).toBe(2);
    expect(io.stderr.text).toBe('stillwarm: memory: expected an integer\n');
    expect(new ArgumentError('')).not.toBeInstanceOf(UserError);
  });
});
