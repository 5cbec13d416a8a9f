// What is left of a machine when something of its caller's has failed, or was called too late.
import { describe, expect, it } from 'vitest';
import {
  crashes,
  Disk,
  files,
  InputError,
  Machine,
  powerLosses,
  type Process,
  VMM_STRATEGIES,
} from '../../../src/doors/machine/index.ts';

const DISK = files({ a: 'x'.repeat(50_000) });
const OPTIONS = { disk: DISK, memory: 12 << 20, drive: 'instant' } as const;

function* waits(): Process {
  yield 1;
  yield 1;
}

function readA(machine: Machine): number {
  const fd = machine.sys.open('/a', 0);
  try {
    return machine.sys.read(fd, new Uint8Array(50_000), 0, 50_000);
  } finally {
    if (machine.state === 'running') machine.sys.close(fd);
  }
}

describe('a machine after a failure', () => {
  it('a machine whose disk failed in a run is off, and comes up when the disk is well again', () => {
    for (const error of [new InputError('the file became shorter'), new RangeError('of the caller')]) {
      let fails = false;
      const { size } = DISK;
      const read: typeof DISK.contents.read = (...range) => {
        if (fails) throw error;
        DISK.contents.read(...range);
      };
      const machine = Machine.boot({ ...OPTIONS, disk: new Disk({ size, read }) });
      fails = true;
      expect(() => readA(machine)).toThrow(error);
      expect(machine.state).toBe('off');
      expect(() => machine.reboot()).toThrow(error.message);
      expect(machine.state).toBe('off');
      fails = false;
      machine.reboot();
      expect(readA(machine)).toBe(50_000);
      expect(machine.verify().mismatches).toBe(0);
    }
  });

  it('a machine of a past crash point stays past when the next was asked for within its run', () => {
    const points = powerLosses({ machine: OPTIONS, program: waits });
    const { machine } = points.next().value!;
    const asking = function* (): Process {
      points.next();
      yield 1;
    };
    expect(() => machine.run(asking)).toThrow(/this machine is gone/);
    expect(() => machine.sys).toThrow(/this machine is gone/);
  });

  it('a machine of a crash point needs no other: it is used after the iterator was left', () => {
    const points = crashes({ machine: OPTIONS, program: waits });
    const { machine } = points.next().value!;
    points.return();
    machine.reboot();
    expect(readA(machine)).toBe(50_000);
  });

  it('a guest that goes on over a reboot of the hypervisor keeps its strategy', () => {
    for (const hypervisor of VMM_STRATEGIES) {
      const machine = Machine.boot({ ...OPTIONS, strategy: 'warm-cache' });
      const report = machine.reboot({ hypervisor, strategy: 'cold' });
      const expected = report.continued ? 'warm-cache' : 'cold';
      expect([report.strategy, machine.strategy], hypervisor).toEqual([expected, expected]);
    }
  });
});
