// The balloon driver: guests give memory back and take it again while they work, over reboots and
// suspensions.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ns, PAGE_SIZE } from '../../../src/base/index.ts';
import type { VmmMachine } from '../../../src/experiment/host/machine-room.ts';
import type { Process } from '../../../src/sim/index.ts';
import { ModelFs } from '../../../src/doors/testing/model-fs.ts';
import { property } from '../../support/property.ts';
import { domainOf } from '../../../src/xen/index.ts';
import { fileCall } from '../../../src/doors/testing/file-calls.ts';
import { compareAll, playCalls } from '../../../src/doors/testing/play-calls.ts';
import { MIB, readsItsFile, vmmMachine } from '../vmm/disk.ts';

const run = <T>(machine: VmmMachine, process: Process<T>): T => machine.simulation.runProcess('test', process);
const wait = function* (seconds: number): Process {
  yield Ns(seconds * 1e9);
};
const BUILT = 12 * MIB;

function setTarget({ toolstack, guests }: VmmMachine, bytes: number): void {
  toolstack.setMemoryTarget(guests.get('guest0')!.domain, bytes);
}

describe('a balloon', () => {
  it('a balloon takes what is cached first, gives it back to the machine, and gets it again', () => {
    const machine = vmmMachine(1);
    run(machine, machine.start());
    const { kernel, domain } = machine.guests.get('guest0')!;
    run(machine, readsItsFile(kernel, 0));
    const free = machine.hypervisor.allocator.freeCount;
    const { pagesFree, pagesCached } = kernel.stats;
    // More than is free, so that some of the cache must go.
    const target = BUILT - (pagesFree - kernel.mm.allocator.marks.min + 60) * PAGE_SIZE;
    setTarget(machine, target);
    run(machine, wait(5));
    expect(domain.pageCount * PAGE_SIZE).toBe(target);
    expect(kernel.stats.pagesBallooned * PAGE_SIZE).toBe(BUILT - target);
    expect(kernel.stats.pagesCached).toBeLessThan(pagesCached);
    run(machine, wait(1));
    expect(machine.hypervisor.allocator.freeCount).toBe(free + (BUILT - target) / PAGE_SIZE);
    expect(run(machine, readsItsFile(kernel, 0))).toBe(true);
    setTarget(machine, BUILT);
    run(machine, wait(5));
    expect([domain.pageCount * PAGE_SIZE, kernel.stats.pagesBallooned]).toEqual([BUILT, 0]);
    expect(machine.hypervisor.allocator.freeCount).toBe(free);
    expect(run(machine, readsItsFile(kernel, 0))).toBe(true);
    machine.toolstack.list.checkInvariants();
  });

  it('a balloon stops at what the guest needs, and at what the machine has, and tries again', () => {
    const machine = vmmMachine(1);
    run(machine, machine.start());
    const { kernel, domain } = machine.guests.get('guest0')!;
    setTarget(machine, PAGE_SIZE);
    run(machine, wait(30));
    const least = domain.pageCount;
    expect(least).toBeGreaterThan(100);
    expect(kernel.stats.pagesFree).toBeLessThanOrEqual(kernel.mm.allocator.marks.high + 32);
    expect(run(machine, readsItsFile(kernel, 0))).toBe(true);
    // Another domain takes what was given back.
    const { allocator } = machine.hypervisor;
    const others = new Uint32Array(allocator.freeCount);
    allocator.allocate(others);
    setTarget(machine, BUILT);
    run(machine, wait(5));
    expect(domain.pageCount).toBeLessThan(least + 100);
    for (const mfn of others) allocator.free(mfn as never);
    run(machine, wait(3));
    expect(domain.pageCount * PAGE_SIZE).toBe(BUILT);
  });

  it('a balloon has a target of whole pages, and of no more than the domain was built with', () => {
    const machine = vmmMachine(1);
    run(machine, machine.start());
    expect(() => setTarget(machine, 4095)).toThrow('memoryBytes: 4,095 bytes are not whole pages');
    expect(() => setTarget(machine, 0)).toThrow('are not whole pages');
    expect(() => setTarget(machine, BUILT + PAGE_SIZE)).toThrow('are more than the');
    machine.hypervisor.xenstore.write(`/local/domain/${machine.guests.get('guest0')!.domain.domid}/memory/target`, 'x');
    run(machine, wait(3));
    expect(machine.guests.get('guest0')!.domain.pageCount * PAGE_SIZE).toBe(BUILT);
  });

  property(
    'a balloon leaves files as the model has them and each frame with one owner, over suspensions, migrations and restarts',
    fc.array(
      fc.record({
        program: fc.array(fileCall, { maxLength: 12 }),
        target: fc.integer({ min: 1200, max: BUILT / PAGE_SIZE }),
        then: fc.constantFrom('nothing', 'nothing', 'warm-vm', 'migrate', 'restart'),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    (steps) => {
      const machine = vmmMachine(1);
      run(machine, machine.start());
      const model = new ModelFs();
      run(machine, machine.guests.get('guest0')!.kernel.syscalls.mkdir('/home'));
      for (const { program, target, then } of steps) {
        const guest = machine.guests.get('guest0')!;
        setTarget(machine, target * PAGE_SIZE);
        const task = guest.domain.environment.spawn(
          'program',
          playCalls(guest.kernel.syscalls, model, '/home', program),
        );
        run(machine, wait(0.002));
        if (then === 'warm-vm') expect(run(machine, machine.warmVmReboot()).lost).toEqual([]);
        else if (then === 'migrate') {
          expect(run(machine, machine.migrateGuest('guest0', machine.neighbour))).toHaveProperty('value.bytes');
          expect(run(machine, machine.neighbour.migrateGuest('guest0', machine))).toHaveProperty('value.bytes');
        }
        run(machine, task.join());
        if (then === 'restart') {
          run(machine, guest.kernel.shutdown());
          const domain = run(machine, domainOf(machine.toolstack.restartDomain(guest.domain, { preserve: true })));
          expect(domain.pageCount * PAGE_SIZE).toBe(BUILT);
          run(machine, machine.boot(guest.config, domain));
        }
        machine.toolstack.list.checkInvariants();
        run(machine, compareAll(machine.guests.get('guest0')!.kernel.syscalls, model, '/home'));
      }
      const { domain, kernel } = machine.guests.get('guest0')!;
      setTarget(machine, 1500 * PAGE_SIZE);
      run(machine, wait(20));
      expect([domain.pageCount, kernel.stats.pagesBallooned]).toEqual([1500, 3072 - 1500]);
      expect(run(machine, readsItsFile(kernel, 0))).toBe(true);
      expect(kernel.panic).toBeUndefined();
    },
    { numRuns: 5, lawRuns: 20 },
  );
});
