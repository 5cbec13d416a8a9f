// A guest that crashes while its machine is being rebooted.
import { describe, expect, it } from 'vitest';
import { files, GuestCrash, Machine } from '../../../src/doors/machine/index.ts';
import type { StepWatch } from '../../../src/doors/machine/steps.ts';

const SIZE = 8192;
const IDLE: StepWatch = { before: () => 0, torn: () => undefined };

/** A machine whose guest may crash in a reboot. */
function boot(watch: (machine: Machine) => StepWatch = () => IDLE): Machine {
  const disk = files({ a: 'x'.repeat(SIZE) });
  return Machine.bootWith({ disk, memory: 9 << 20, drive: 'instant' }, { countsReboots: true, watch });
}

/** The machine has another guest, which reads the file. */
function expectWell(machine: Machine): void {
  expect(machine.state).toBe('running');
  const fd = machine.sys.open('/a');
  expect(machine.sys.read(fd, new Uint8Array(SIZE), 0, SIZE)).toBe(SIZE);
  machine.room.toolstack.list.checkInvariants();
  expect(machine.verify().mismatches).toBe(0);
}

describe('a guest that crashes in a reboot of the hypervisor', () => {
  it('the reboot goes on without the guest, and boots another', () => {
    for (const hypervisor of ['warm-vm', 'warm-cache'] as const) {
      const machine = boot();
      machine.crashAt({ event: 0 });
      expect(() => machine.reboot({ hypervisor })).toThrow(GuestCrash);
      expect(machine.report().reboots).toMatchObject([{ hypervisor, continued: false }]);
      expectWell(machine);
    }
  });

  it('an error of the reboot that goes on is thrown as it is, and the machine is off until its next reboot', () => {
    const failure = new Error('of the watch');
    let fails = true;
    const machine = boot((its) => ({
      ...IDLE,
      before: () => {
        if (fails && its.isCut && its.room.toolstack.list.domains.length === 0) throw failure;
        return 0;
      },
    }));
    machine.crashAt({ event: 0 });
    expect(() => machine.reboot({ hypervisor: 'warm-vm' })).toThrow(failure);
    expect(machine.state).toBe('off');
    fails = false;
    machine.reboot();
    expectWell(machine);
  });

  it('a guest that crashes in the last event of the reboot leaves its domain to the next reboot', () => {
    for (const hypervisor of ['warm-vm', 'warm-cache'] as const) {
      const whole = boot();
      const first = whole.steps!.total;
      whole.reboot({ hypervisor });
      const machine = boot();
      machine.crashAt({ step: whole.steps!.total - first - 1 });
      expect(() => machine.reboot({ hypervisor })).toThrow(GuestCrash);
      expect(machine.state).toBe('crashed');
      machine.reboot();
      expectWell(machine);
    }
  });

  it('a guest that was crashed before its crash point does not take that point to the next guest', () => {
    const machine = boot();
    machine.crashAt({ step: 100 });
    machine.crash();
    machine.reboot();
    expectWell(machine);
  });
});
