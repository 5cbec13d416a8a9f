// Every method of Machine in every state that a machine can be in: it works, or says what is wrong.
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  files,
  GuestCrash,
  hypervisorCrashes,
  Machine,
  type BlockingSyscalls,
  type Process,
} from '../../../src/doors/machine/index.ts';
import { casesOf, isWhole } from '../../support/product.ts';

const DISK = files({ a: 'a' });
const boot = (): Machine => Machine.boot({ disk: DISK, memory: 12 << 20, drive: 'instant' });

function* nothing(): Process<string> {
  yield 1;
  return 'done';
}

/** What it is called with, and what it says when it works. `old`: calls of a guest before. */
const METHODS: Readonly<Record<string, (machine: Machine, old: BlockingSyscalls) => unknown>> = {
  state: (machine) => machine.state.length > 2,
  strategy: (machine) => machine.strategy === 'warm-cache+metadata',
  now: (machine) => machine.now > 0,
  digest: (machine) => machine.digest.length > 8,
  messages: (machine) => Array.isArray(machine.messages),
  stats: (machine) => machine.stats.events > 0,
  disk: (machine) => machine.disk.read().length === DISK.size,
  verify: (machine) => machine.verify().mismatches === 0,
  report: (machine) => machine.report().verification.mismatches === 0,
  sys: (machine) => machine.sys.stat('/a').size === 1,
  'sys of before': (_, old) => old.stat('/a').size === 1,
  run: (machine) => machine.run(nothing) === 'done',
  crashAt: (machine) => {
    machine.crashAt({ event: 1e6 });
    return true;
  },
  crash: (machine) => {
    machine.crash();
    return true;
  },
  losePower: (machine) => {
    machine.losePower();
    return true;
  },
  reboot: (machine) => machine.reboot().changed === 0,
  'reboot, crash': (machine) => machine.reboot({ crash: true }).changed === 0,
  'reboot, hypervisor': (machine) => machine.reboot({ hypervisor: 'warm-cache' }).changed === 0,
  'reboot, disk': (machine) => machine.reboot({ betweenGuests: () => undefined }).changed === 0,
};

/** Methods that leave a machine as it is are called of one machine, the others each of its own. */
const LOOKS = Object.keys(METHODS).slice(0, 9);
const ONE_MACHINE = [
  LOOKS,
  ...Object.keys(METHODS)
    .slice(LOOKS.length)
    .map((method) => [method]),
];

const OK = 'works';
const BUSY = 'state: a program runs; use the sys that it was given';
const BUSY_ALSO = 'state: a program runs';
const REBOOTING = 'state: the machine is being rebooted';
const CRASHED = 'state: the guest has crashed; call reboot() first';
const OFF = 'state: the machine is off; call reboot() first';
const PAST = 'the next crash point was asked for: this machine is gone';
const IS_OFF = 'state: the machine is off';
const NO_ROOT = 'InputError: disk: EINVAL: ext2: no ext2 file system: s_magic is 0x0, not 0xef53';
const GONE = 'sys: the guest that it belongs to does not run';

/** Calls `act` with a machine that is in the state. */
const STATES: Readonly<Record<string, (act: (machine: Machine, old: BlockingSyscalls) => void) => void>> = {
  running: (act) => {
    const machine = boot();
    act(machine, machine.sys);
  },
  'in a run': (act) => {
    const machine = boot();
    const { sys } = machine;
    machine.run(function* () {
      act(machine, sys);
      yield 1;
    });
  },
  'being rebooted': (act) => {
    const machine = boot();
    const { sys } = machine;
    machine.reboot({
      betweenGuests: () => {
        act(machine, sys);
        return undefined;
      },
    });
  },
  'running again': (act) => {
    const machine = boot();
    const { sys } = machine;
    machine.reboot();
    act(machine, sys);
  },
  crashed: (act) => {
    const machine = boot();
    const { sys } = machine;
    machine.crash();
    act(machine, sys);
  },
  'crashed in a run': (act) => {
    const machine = boot();
    const { sys } = machine;
    machine.crashAt({ event: 1 });
    expect(() => machine.run(nothing)).toThrow(GuestCrash);
    act(machine, sys);
  },
  off: (act) => {
    const machine = boot();
    const { sys } = machine;
    machine.losePower({ keep: 1 });
    act(machine, sys);
  },
  'off after a reboot that failed': (act) => {
    const machine = boot();
    const { sys } = machine;
    expect(() => machine.reboot({ betweenGuests: stops })).toThrow('the caller stops');
    act(machine, sys);
  },
  'off with a disk that cannot be mounted': (act) => {
    const machine = boot();
    const { sys } = machine;
    expect(() => machine.reboot({ betweenGuests: () => new Uint8Array(DISK.size) })).toThrow(/^disk: /);
    act(machine, sys);
  },
  'after a program that failed': (act) => {
    const machine = boot();
    for (const wrong of ['text', 0.5, -1, null, {}])
      expect(() => machine.run(() => yields(wrong))).toThrow(ArgumentError);
    expect(() => machine.run((sys) => sys.unlink('/absent'))).toThrow('ENOENT');
    act(machine, machine.sys);
  },
};

/** A machine of an iterator that has gone on. */
const past: (typeof STATES)[string] = (act) => {
  const points = hypervisorCrashes({ machine: { disk: DISK, memory: 12 << 20, drive: 'instant' }, program: nothing });
  const { machine } = points.next().value!;
  const { sys } = machine;
  points.next();
  act(machine, sys);
};

/** What is said in each state, where not all is well. */
const COLUMNS = [
  ...['running', 'in a run', 'being rebooted', 'running again', 'crashed', 'off'],
  'off with a disk that cannot be mounted',
];
const TABLE: Readonly<Record<string, readonly string[]>> = {
  sys: [OK, BUSY, REBOOTING, OK, CRASHED, OFF, OFF],
  'sys of before': [OK, BUSY, REBOOTING, GONE, CRASHED, OFF, OFF],
  run: [OK, BUSY, REBOOTING, OK, CRASHED, OFF, OFF],
  crashAt: [OK, BUSY, REBOOTING, OK, CRASHED, OFF, OFF],
  crash: [OK, BUSY, REBOOTING, OK, CRASHED, OFF, OFF],
  verify: [OK, BUSY_ALSO, REBOOTING, OK, OK, OK, OK],
  report: [OK, BUSY_ALSO, REBOOTING, OK, OK, OK, OK],
  losePower: [OK, BUSY_ALSO, REBOOTING, OK, OK, IS_OFF, IS_OFF],
  reboot: [OK, BUSY_ALSO, REBOOTING, OK, OK, OK, NO_ROOT],
  'reboot, crash': [OK, BUSY_ALSO, REBOOTING, OK, OK, OK, NO_ROOT],
  'reboot, hypervisor': [OK, BUSY_ALSO, REBOOTING, OK, OK, OK, NO_ROOT],
  'reboot, disk': [OK, BUSY_ALSO, REBOOTING, OK, OK, OK, NO_ROOT],
};
/** The column of a state that has none of its own. */
const AS: Readonly<Record<string, string>> = {
  'crashed in a run': 'crashed',
  'off after a reboot that failed': 'off',
  'after a program that failed': 'running',
};

/** How a call ends, in one line. */
function ending(act: () => unknown): string {
  try {
    return act() === true ? OK : 'returns something else';
  } catch (error) {
    return error instanceof ArgumentError ? error.message : String(error);
  }
}

describe('a machine', () => {
  it('a machine of a moment that is past says so at each call that needs its bytes', () => {
    const free = ['state', 'strategy', 'now', 'digest', 'messages', 'stats'];
    for (const method of Object.keys(METHODS).filter((name) => !free.includes(name)))
      past((machine, old) => {
        expect(
          ending(() => METHODS[method]!(machine, old)),
          method,
        ).toBe(`state: ${PAST}`);
      });
  });

  it('a machine says in each state of each method that it works, or what is wrong', () => {
    const said: string[] = [];
    const expected: string[] = [];
    const all = Object.keys(STATES).flatMap((state) => ONE_MACHINE.map((methods) => ({ state, methods })));
    const size = { sample: 40, whole: 110 };
    for (const { state, methods } of casesOf('methods of a machine in its states', '', all, size)) {
      const column = COLUMNS.indexOf(AS[state] ?? state);
      STATES[state]!((machine, old) => {
        for (const method of methods) {
          said.push(`${state}, ${method}: ${ending(() => METHODS[method]!(machine, old))}`);
          expected.push(`${state}, ${method}: ${TABLE[method]?.[column] ?? OK}`);
        }
      });
    }
    expect(said).toEqual(expected);
    expect(all.flatMap(({ methods }) => methods)).toHaveLength(190);
    if (isWhole(size)) expect(said).toHaveLength(190);
  });

  it('the table has every public method', () => {
    const internal = [
      'constructor',
      'eventsOf',
      'afterPowerLoss',
      'afterHypervisorCrash',
      'retire',
      'domain',
      'room',
      'steps',
      'isCut',
    ];
    const all = Object.getOwnPropertyNames(Machine.prototype).filter((name) => !internal.includes(name));
    expect(all.sort()).toEqual(
      Object.keys(METHODS)
        .filter((name) => !/[ ,]/.test(name))
        .sort(),
    );
  });

  it('a guest that was crashed from outside comes up in every way, with what it had synced', () => {
    for (const state of ['crashed', 'off', 'off after a reboot that failed'])
      for (const method of ['reboot', 'reboot, crash', 'reboot, hypervisor', 'reboot, disk'])
        STATES[state]!((machine, old) => {
          METHODS[method]!(machine, old);
          expect(machine.state, `${state}, ${method}`).toBe('running');
          expect(machine.sys.stat('/a').size).toBe(1);
        });
  });
});

function* yields(value: unknown): Process {
  yield value as number;
}

function stops(): never {
  throw new RangeError('the caller stops');
}
