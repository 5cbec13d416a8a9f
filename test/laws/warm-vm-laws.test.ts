// Laws of the warm-VM reboot, with real kernels. Whenever it strikes and whatever goes wrong, a
// guest either goes on as if nothing had happened or is booted again. None reads a wrong byte.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Arch, ARCHS, FRAME_NUMBER_BYTES, Mfn, PAGE_SIZE } from '../../src/base/index.ts';
import { MemoryImage } from '../../src/disk/image/memory-image.ts';
import { makeExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { directory, tree } from '../../src/disk/mkfs/tree.ts';
import { VmmMachine } from '../../src/experiment/host/machine-room.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import { withConstants } from '../../src/machine/with-constants.ts';
import type { Process } from '../../src/sim/index.ts';
import { domainOf, Provenance } from '../../src/xen/index.ts';
import { DOMAIN_RECORD_BYTES } from '../../src/xen/records/layouts.ts';
import { itWithE2fsprogs, mustBeSound, saveImage } from '../support/e2fsprogs.ts';
import { ModelFs } from '../../src/doors/testing/model-fs.ts';
import { checkProperty, property } from '../support/property.ts';
import { type FileCall, fileCall } from '../../src/doors/testing/file-calls.ts';
import { compareAll, playCalls } from '../../src/doors/testing/play-calls.ts';
import { MIB, readsItsFile, vmmMachine } from '../experiment/vmm/disk.ts';

/** Guests are asked to suspend at the instant at which the reboot begins. */
const AT_ONCE = withConstants(SERVER_2026, {
  'guest.suspendNs': 0,
  'guest.shutdownServicesNs': 0,
  'hypervisor.domain0ShutdownNs': 0,
});

const GUESTS = 2;
const IMAGE_BYTES = 24 * MIB;
const calls = fc.array(fileCall, { minLength: 5, maxLength: 30 });

/** Every frame that is called clean equals its block on the instant disk. */
function checkClean(machine: VmmMachine, image: MemoryImage): void {
  const { frames, map } = machine.hypervisor;
  const block = new Uint8Array(PAGE_SIZE);
  for (let mfn = map.firstDomainMfn as number; mfn < map.frameCount; mfn++) {
    if (frames.provenanceOf(Mfn(mfn)) !== Provenance.clean) continue;
    const guest = machine.toolstack.list.domains.findIndex(({ domid }) => domid === frames.ownerOf(Mfn(mfn)) - 1);
    image.read(guest * IMAGE_BYTES + frames.blockOf(Mfn(mfn)) * PAGE_SIZE, block, 0, PAGE_SIZE);
    if (Buffer.compare(block, machine.memory.frame(Mfn(mfn))) !== 0) throw new Error(`frame ${mfn} is not its block`);
  }
}

const memories = { large: new MachineMemory(48 * MIB) };

describe('a warm-VM reboot', () => {
  for (const disk of ['instant', 'disk', 'profile'] as const)
    itWithE2fsprogs(`a warm-VM reboot strikes at any instant, twice, and no system call notices: ${disk}`, (judge) => {
      checkProperty(
        judge.where,
        [
          fc.array(calls, { minLength: GUESTS, maxLength: GUESTS }),
          fc.nat(2500),
          fc.nat(1500),
          fc.nat(1000),
          fc.constantFrom(...ARCHS),
        ],
        (programs, first, second, seed, arch) => {
          const image = new MemoryImage(GUESTS * IMAGE_BYTES);
          const bytes = new Uint8Array(IMAGE_BYTES);
          makeExt2(tree(directory([])), { size: IMAGE_BYTES }).read(0, bytes, 0, IMAGE_BYTES);
          const partitions = [0, 1].map((n) => ({ start: n * IMAGE_BYTES, bytes: IMAGE_BYTES }));
          for (const { start } of partitions) image.write(start, bytes, 0, IMAGE_BYTES);
          const machine = new VmmMachine({
            seed: seed as number,
            profile: AT_ONCE,
            arch: arch as Arch,
            disk,
            image,
            partitions,
            memory: memories.large,
            guestMemory: 12 * MIB,
            cmdLine: 'cachemap=all',
            kernelPages: 16,
          });
          const { simulation } = machine;
          simulation.runProcess('start', machine.start());
          const models = [new ModelFs(), new ModelFs()];
          let over = 0;
          const play = function* (n: number): Process {
            yield* playCalls(
              machine.guests.get(`guest${n}`)!.kernel.syscalls,
              models[n]!,
              '',
              (programs as FileCall[][])[n]!,
            );
            over++;
          };
          const guests = [...machine.guests.values()];
          guests.forEach(({ domain }, n) => domain.environment.spawn('program', play(n)));
          for (const events of [first as number, second as number]) {
            const last = simulation.eventCount + events;
            simulation.run(() => simulation.eventCount >= last || over === GUESTS);
            const report = simulation.runProcess('reboot', machine.warmVmReboot());
            expect([report.resumed.length, report.lost, report.problem]).toEqual([GUESTS, [], undefined]);
            machine.toolstack.list.checkInvariants();
            if (disk === 'instant') checkClean(machine, image);
          }
          simulation.run(() => over === GUESTS);
          const settled = simulation.now + 1e9;
          simulation.run(() => simulation.now >= settled);
          guests.forEach(({ kernel }, n) => {
            simulation.runProcess('compare', compareAll(kernel.syscalls, models[n]!, ''));
            expect([kernel.panic, kernel.stats.suspensions]).toEqual([undefined, 2]);
          });
          for (const { kernel } of guests) simulation.runProcess('shutdown', kernel.shutdown());
          simulation.run();
          partitions.forEach(({ start }, n) => {
            const part = new MemoryImage(IMAGE_BYTES);
            image.read(start, bytes, 0, IMAGE_BYTES);
            part.write(0, bytes, 0, IMAGE_BYTES);
            const path = `${judge.dir}/guest${n}.img`;
            saveImage(part, path);
            mustBeSound(judge, path);
          });
        },
        disk === 'instant' ? { numRuns: 4, lawRuns: 20 } : { numRuns: 2, lawRuns: 8 },
      );
    });

  property(
    'a warm-VM reboot that crashes at any event before the reset leaves a machine that boots and reads right',
    fc.nat(120),
    fc.boolean(),
    (events, isHandedOver) => {
      const machine = vmmMachine(GUESTS, { profile: AT_ONCE, memory: memories.large });
      const { simulation } = machine;
      simulation.runProcess('start', machine.start());
      for (const [n, { kernel }] of [...machine.guests.values()].entries())
        simulation.runProcess('read', readsItsFile(kernel, n));
      const last = simulation.eventCount + events;
      let isOver = false;
      const reboot = simulation.spawn(
        'reboot',
        machine.warmVmReboot(() => {
          isOver = true;
        }),
      );
      simulation.run(() => isOver || (simulation.eventCount >= last && !isHandedOver));
      reboot.kill();
      if (!isOver) machine.reset();
      bootsAndReads(machine);
    },
    { numRuns: 3, lawRuns: 15 },
  );

  property(
    'a warm-VM reboot that crashes at any store before the reset leaves a machine that boots and reads right',
    fc.nat(700),
    fc.constantFrom(...ARCHS),
    (stores, arch) => {
      const memory = new CutMemory(48 * MIB);
      const machine = vmmMachine(GUESTS, { profile: AT_ONCE, arch, memory });
      const { simulation } = machine;
      simulation.runProcess('start', machine.start());
      for (const [n, { kernel }] of [...machine.guests.values()].entries())
        simulation.runProcess('read', readsItsFile(kernel, n));
      memory.cutAfter = stores;
      try {
        simulation.runProcess(
          'reboot',
          machine.warmVmReboot(() => {
            throw new Cut();
          }),
        );
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
      }
      memory.cutAfter = Infinity;
      if (machine.hypervisor.power.isOn) machine.reset();
      bootsAndReads(machine);
    },
    { numRuns: 3, lawRuns: 15 },
  );

  property(
    'a warm-VM reboot with damage anywhere in what was left goes on with whom it can, and boots the others',
    fc.constantFrom('root', 'records', 'states', 'handover', 'p2m', 'frames'),
    fc.array(fc.tuple(fc.nat(0xffff_ffff), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 }),
    fc.constantFrom(...ARCHS),
    (where, flips, arch) => {
      const machine = vmmMachine(GUESTS, { profile: AT_ONCE, arch, memory: memories.large });
      const { simulation, memory } = machine;
      simulation.runProcess('start', machine.start());
      for (const [n, { kernel }] of [...machine.guests.values()].entries())
        simulation.runProcess('read', readsItsFile(kernel, n));
      const { map } = machine.hypervisor;
      const [first, bytes] = {
        root: [Mfn(0), 128],
        records: [map.domainTableMfn, 3 * DOMAIN_RECORD_BYTES],
        states: [Mfn(map.stateMfn + 2), 4 * PAGE_SIZE],
        handover: [map.handoverMfn, 1024],
        p2m: [map.p2mMfn, (2 * 12 * MIB * FRAME_NUMBER_BYTES[arch]) / PAGE_SIZE],
        frames: [map.tableMfn, map.frameCount * 32],
      }[where] as [Mfn, number];
      const report = simulation.runProcess(
        'reboot',
        machine.warmVmReboot(() => {
          for (const [place, flip] of flips) {
            const n = place % bytes;
            const mfn = Mfn(first + Math.floor(n / PAGE_SIZE));
            memory.writeU8(mfn, n % PAGE_SIZE, memory.readU8(mfn, n % PAGE_SIZE) ^ flip);
          }
        }),
      );
      machine.toolstack.list.checkInvariants();
      expect(machine.guests.size).toBe(GUESTS);
      const isLost = (name: string): boolean =>
        report.lost.some((lost) => lost.name === name || lost.name === undefined);
      for (const name of machine.guests.keys())
        expect(report.resumed.includes(name) || isLost(name) || report.problem !== undefined).toBe(true);
      if (where === 'frames') expect(report.resumed.length).toBe(GUESTS);
      readAll(machine);
    },
    { numRuns: 4, lawRuns: 40 },
  );

  it('a warm-VM reboot without the protection that marks frames before others are cleared makes guests panic', () => {
    const machine = vmmMachine(GUESTS, { protections: { reserveBeforeAllocate: false } });
    const { simulation } = machine;
    simulation.runProcess('start', machine.start());
    const report = simulation.runProcess('reboot', machine.warmVmReboot());
    simulation.run(() => [...machine.guests.values()].every(({ domain }) => !domain.isRunning));
    expect(report.resumed.length).toBe(GUESTS);
    for (const { kernel } of machine.guests.values()) expect(kernel.panic).toMatch(/^page \d+ of the kernel is not/);
  });

  it('a warm-VM reboot loses guests with the CPU caches unless these are written back', () => {
    const outcome = (cpuCacheFlush: boolean, seed: number): string => {
      const machine = vmmMachine(1, {
        seed,
        profile: AT_ONCE,
        memory: new MachineMemory(34 * MIB),
        protections: { cpuCacheFlush },
      });
      const { simulation, memory } = machine;
      const { map } = machine.hypervisor;
      simulation.runProcess('start', machine.start());
      const viewed = Array.from({ length: map.handoverMfn - 1 }, (_, n) => Mfn(1 + n));
      memory.attachCpuCache(16_384, viewed);
      simulation.runProcess('read', readsItsFile(machine.guests.get('guest0')!.kernel, 0));
      const report = simulation.runProcess('reboot', machine.warmVmReboot());
      const { kernel, domain } = machine.guests.get('guest0')!;
      simulation.run(() => !domain.isRunning || kernel.stats.suspensions > 0 || report.resumed.length === 0);
      if (report.resumed.length === 0) return 'booted again';
      return kernel.panic === undefined ? 'goes on' : 'panics';
    };
    const seeds = Array.from({ length: 8 }, (_, i) => i + 1);
    expect(new Set(seeds.map((seed) => outcome(true, seed)))).toEqual(new Set(['goes on']));
    const without = new Set(seeds.map((seed) => outcome(false, seed)));
    expect([...without].some((what) => what !== 'goes on')).toBe(true);
  });

  it('a warm-VM reboot leaves behind who cannot suspend: a guest that is paused, and one that has no handler yet', () => {
    const machine = vmmMachine(3);
    const { simulation, toolstack } = machine;
    simulation.runProcess('start', machine.start(machine.configs.slice(0, 2)));
    simulation.runProcess('create', domainOf(toolstack.createDomain(machine.configs[2]!)));
    machine.guests.get('guest1')!.domain.pause();
    const report = simulation.runProcess('reboot', machine.warmVmReboot());
    expect(report.resumed).toEqual(['guest0']);
    expect(report.notSuspended.map(({ reason }) => reason)).toEqual(['paused', 'no handler']);
    expect([...machine.guests.keys()].sort()).toEqual(['guest0', 'guest1', 'guest2']);
    readAll(machine);
  });

  it('a warm-VM reboot keeps what a guest needs for a warm-cache reboot later', () => {
    const machine = vmmMachine(1);
    const { simulation } = machine;
    simulation.runProcess('start', machine.start());
    const guest = machine.guests.get('guest0')!;
    simulation.runProcess('read', readsItsFile(guest.kernel, 0));
    simulation.runProcess('reboot', machine.warmVmReboot());
    simulation.runProcess('shutdown', guest.kernel.shutdown());
    const restart = domainOf(
      machine.toolstack.restartDomain(guest.domain, { preserve: true, cmdLine: 'cachemap=all' }),
    );
    const next = simulation.runProcess('boot', machine.boot(guest.config, simulation.runProcess('restart', restart)));
    expect(simulation.runProcess('read', readsItsFile(next.kernel, 0))).toBe(true);
    expect([next.kernel.stats.dataPagesRead, next.kernel.stats.pagesReused > 100]).toEqual([0, true]);
  });
});

/** Boots the next hypervisor and the guests that are not there, and reads. */
function bootsAndReads(machine: VmmMachine): void {
  const { simulation } = machine;
  simulation.runProcess('boot', machine.bootHypervisor());
  simulation.runProcess('resume', machine.resumeGuests());
  simulation.runProcess('start', machine.start(machine.configs.filter(({ name }) => !machine.guests.has(name))));
  machine.toolstack.list.checkInvariants();
  expect(machine.guests.size).toBe(machine.configs.length);
  readAll(machine);
}

function readAll(machine: VmmMachine): void {
  for (const { kernel, config } of machine.guests.values())
    expect(machine.simulation.runProcess('read', readsItsFile(kernel, Number(config.name.slice(5))))).toBe(true);
}

class Cut extends Error {}

/** Memory whose machine dies after so many stores. */
class CutMemory extends MachineMemory {
  cutAfter = Infinity;

  override copyIn(...args: Parameters<MachineMemory['copyIn']>): void {
    this.#count();
    super.copyIn(...args);
  }

  override zero(...args: Parameters<MachineMemory['zero']>): void {
    this.#count();
    super.zero(...args);
  }

  override writeU8(...args: Parameters<MachineMemory['writeU8']>): void {
    this.#count();
    super.writeU8(...args);
  }

  override writeU32(...args: Parameters<MachineMemory['writeU32']>): void {
    this.#count();
    super.writeU32(...args);
  }

  #count(): void {
    if (this.cutAfter-- <= 0) throw new Cut();
  }
}
