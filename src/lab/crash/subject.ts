/** What is crashed: a workload on a small machine, with a model where the workload is built in. */

import { ArgumentError } from '../../base/argument-error.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { files, Machine, type MachineOptions, type Program } from '../../doors/machine/index.ts';
import { contents } from '../../doors/testing/contents.ts';
import { readEverything } from '../../doors/testing/play-calls.ts';
import { MachineMemory } from '../../machine/index.ts';
import type { MachineParts } from '../../doors/machine/machine.ts';
import { GUEST_RULES, type GuestRule } from '../../doors/machine/make-room.ts';
import { Course } from './course.ts';
import type { CrashOptions } from './options.ts';
import { type Nameless, namelessOf } from './laws.ts';
import { modelOf, playWorkload, treeOf, WORKLOADS } from './workloads.ts';

/** The smallest guest: with one page less it does not boot. Bytes. */
const GUEST_MEMORY = 2055 * PAGE_SIZE;
/** Blocks of an ext3's journal: the fewest that there can be. */
const JOURNAL_BLOCKS = 1024;
/** Events after which a workload is said not to end. */
const EVENT_LIMIT = 1_000_000;

/** Programs of the caller, by name. */
export type UserWorkloads = ReadonlyMap<string, Program>;

/** One run of a workload. */
export interface Started {
  /** Plays it to its end. */
  readonly play: (machine: Machine) => void;
  /** How far it has come; undefined: nothing is known of the program. */
  readonly course: Course | undefined;
}

/** A workload, and the machine for it. */
export class Subject {
  readonly machine: MachineOptions;
  readonly hasJournal: boolean;
  /** Whether the machine is rebooted in it. */
  readonly reboots: boolean;
  readonly #start: () => Started;
  readonly #guestWithout: readonly GuestRule[];
  /** One for each machine that is alive at a time: to make one costs as much as a boot. */
  readonly #memories: MachineMemory[] = [];

  /** @throws ArgumentError for an unknown workload */
  constructor(options: CrashOptions, workloads: UserWorkloads | undefined) {
    const { workload: name, fs, strategy, seed, without } = options;
    this.hasJournal = fs === 'ext3';
    this.#guestWithout = GUEST_RULES.filter((rule) => without.includes(rule));
    const off = without.filter((guard) => !GUEST_RULES.some((rule) => rule === guard));
    const users = workloads?.get(name);
    const built = Object.hasOwn(WORKLOADS, name) ? WORKLOADS[name] : undefined;
    if (users === undefined && built === undefined)
      throw new ArgumentError(`workload: ${JSON.stringify(name)} is none of ${Object.keys(WORKLOADS).join(', ')}`);
    this.reboots = users === undefined && built!.reboot !== undefined;
    const tree = users === undefined ? treeOf(built!) : { hello: contents(5000, 0) };
    this.#start = () => {
      if (users !== undefined) return { play: (machine) => void machine.run(users), course: undefined };
      const course = new Course(() => modelOf(built!));
      return {
        play: (machine) => {
          playWorkload(machine, built!, course, this.hasJournal);
        },
        course,
      };
    };
    this.machine = {
      disk: files(tree, this.hasJournal ? { journalBlocks: JOURNAL_BLOCKS } : { size: 1 << 20 }),
      strategy,
      seed,
      memory: GUEST_MEMORY,
      // The one with a volatile cache.
      drive: 'disk',
      eventLimit: EVENT_LIMIT,
      ...(off.length > 0 && { protections: Object.fromEntries(off.map((guard) => [guard, false])) }),
    };
  }

  start(): Started {
    return this.#start();
  }

  /** A machine whose guest has read all that there is, and has not begun with the workload. */
  boot(level: number, parts: Omit<MachineParts, 'left' | 'memory'>): Machine {
    const memory = this.#memories[level];
    const machine = Machine.bootWith(this.machine, {
      ...{ countsReboots: this.reboots, guestWithout: this.#guestWithout },
      ...parts,
      memory,
    });
    const its = machine.room.memory;
    this.#memories[level] ??= new MachineMemory(its.frameCount * PAGE_SIZE, its);
    machine.run((sys) => readEverything(sys));
    return machine;
  }

  /** What is in use on the disk at first, and belongs to no file that has a name. */
  namelessAtFirst(): Nameless {
    return this.boot(0, {}).run(function* (sys) {
      return yield* namelessOf(sys, yield* readEverything(sys));
    });
  }

  /** Memory of a machine of this depth, whose contents are of no use any more. */
  memory(level: number): MachineMemory {
    return (this.#memories[level] ??= new MachineMemory(this.#memories[0]!.frameCount * PAGE_SIZE));
  }
}
