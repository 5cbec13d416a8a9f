/**
 * Laws that every machine keeps, by name. Each is a property over random programs, reboots and
 * faults of a machine that is given.
 */

import fc from 'fast-check';
import { checkKeys, checkObject } from '../../base/argument-error.ts';
import { compareBytes } from '../../base/bytes.ts';
import { Machine, type MachineOptions, type MachineReboot, type Program } from '../machine/index.ts';
import { faults, reboots } from './arbitraries.ts';
import { guestCommands } from './commands.ts';
import { runFault } from './crash-properties.ts';
import { programs } from './file-calls.ts';
import { startGuest } from './guest-model.ts';
import { checkOracle } from './oracle.ts';
import { programOf, readingAll } from './programs.ts';

/** What a law is checked of. */
export interface LawInput {
  /** The machine. A small disk is fast; with `journalBlocks` it is ext3. */
  readonly machine: MachineOptions;
  /** What the guest runs; random programs by default. */
  readonly programs?: fc.Arbitrary<Program>;
  /** How machines are rebooted; in any way by default. */
  readonly reboots?: fc.Arbitrary<MachineReboot>;
  /** Text of a `replay:` line, for the laws that play commands. */
  readonly replay?: string | undefined;
}

/** A law: a property of a machine. Shrinking finds a short program that breaks it. */
export type Law = (input: LawInput) => fc.IProperty<unknown>;

interface Parts {
  readonly machine: MachineOptions;
  readonly program: fc.Arbitrary<Program>;
  /** In order. */
  readonly reboot: fc.Arbitrary<MachineReboot>;
  readonly ways: fc.Arbitrary<MachineReboot>;
}

function partsOf(input: LawInput): Parts {
  checkKeys('input', input, ['machine', 'programs', 'reboots']);
  checkObject('input.machine', input.machine, 'disk');
  const { machine, programs: program = randomPrograms(), reboots: ways = reboots() } = input;
  checkObject('input.programs', program, 'generate');
  checkObject('input.reboots', ways, 'generate');
  return { machine, program, ways, reboot: ways.map((way) => ({ ...way, crash: false })) };
}

/** Programs that a counterexample shows as their calls. */
function randomPrograms(): fc.Arbitrary<Program> {
  return programs().map((calls) =>
    Object.assign(programOf(calls), { [fc.toStringMethod]: () => `programOf(${JSON.stringify(calls)})` }),
  );
}

/** Throws at the first line that differs. */
function mustEqual(seen: readonly string[], expected: readonly string[], what: string): void {
  const at = expected.findIndex((line, i) => line !== seen[i]);
  if (at >= 0 || seen.length !== expected.length)
    throw new Error(
      `${what}: "${seen[at < 0 ? expected.length : at] ?? 'nothing'}", before "${expected[at] ?? 'nothing'}"`,
    );
}

/** Runs programs and reboots, one after the other. */
function live(machine: Machine, lives: readonly (readonly [Program, MachineReboot])[]): void {
  for (const [program, way] of lives) {
    machine.run(program);
    machine.reboot(way);
  }
}

/** Some lives of a machine: a program, and how it ends. */
function livesOf({ program, ways }: Parts): fc.Arbitrary<[Program, MachineReboot][]> {
  return fc.array(fc.tuple(program, ways), { minLength: 1, maxLength: 3 });
}

const laws = {
  'a page that survives a reboot is what is on the disk'(input) {
    const parts = partsOf(input);
    return fc.property(livesOf(parts), (lives) => {
      const machine = Machine.boot(parts.machine);
      for (const one of lives) {
        live(machine, [one]);
        machine.run(readingAll());
        checkOracle(machine);
      }
    });
  },

  'a reboot in order changes no file'(input) {
    const { machine: options, program, reboot } = partsOf(input);
    return fc.property(program, reboot, (main, way) => {
      const machine = Machine.boot(options);
      machine.run(main);
      const before = machine.run(readingAll());
      machine.reboot(way);
      mustEqual(machine.run(readingAll()), before, 'after the reboot');
      checkOracle(machine);
    });
  },

  'what was synced is there after a crash'(input) {
    const { machine: options, program, ways } = partsOf(input);
    return fc.property(program, ways, (main, way) => {
      const machine = Machine.boot(options);
      machine.run(main);
      machine.sys.sync();
      const before = machine.run(readingAll());
      machine.reboot({ ...way, crash: true });
      mustEqual(machine.run(readingAll()), before, 'after the crash');
      checkOracle(machine);
    });
  },

  'what was synced is there after a loss of power'(input) {
    const { machine: options, program } = partsOf(input);
    return fc.property(program, fc.constantFrom(0, 0.5, 1), (main, keep) => {
      const machine = Machine.boot(options);
      machine.run(main);
      machine.sys.sync();
      const before = machine.run(readingAll());
      machine.losePower({ keep });
      machine.reboot();
      mustEqual(machine.run(readingAll()), before, 'after the loss of power');
    });
  },

  'what fsync has returned for is there after a fault'(input) {
    const { machine, ways } = partsOf(input);
    const commands = guestCommands({ reboots: ways, replay: input.replay });
    return fc.property(commands, (all) => {
      fc.modelRun(() => startGuest(machine), all);
    });
  },

  'no page is wrong after a fault at any event'(input) {
    const { machine: options, program, ways } = partsOf(input);
    return fc.property(program, faults(), ways, (main, fault, way) => {
      const { machine } = runFault({ machine: options, program: main }, fault);
      if (fault.kind === 'crash') machine.reboot(way);
      machine.run(readingAll());
      checkOracle(machine);
    });
  },

  'one seed and one program have one digest'(input) {
    const parts = partsOf(input);
    return fc.property(livesOf(parts), fc.nat(1000), (lives, seed) => {
      const digests = [0, 1].map(() => {
        const machine = Machine.boot({ ...parts.machine, seed });
        live(machine, lives);
        return machine.digest;
      });
      mustEqual([digests[1]!], [digests[0]!], 'the second run');
    });
  },

  'a disk that was given is never written to'(input) {
    const parts = partsOf(input);
    const { disk } = parts.machine;
    return fc.property(livesOf(parts), (lives) => {
      const before = disk.read();
      live(Machine.boot(parts.machine), lives);
      if (compareBytes(disk.read(), before) !== 0) throw new Error('the disk has other bytes than before');
    });
  },
} satisfies Record<string, Law>;

/** Name of a law. */
export type LawName = keyof typeof laws;

/** The laws by name: `LAWS['a reboot in order changes no file']({ machine })` is a property. */
export const LAWS: Readonly<Record<LawName, Law>> = laws;
