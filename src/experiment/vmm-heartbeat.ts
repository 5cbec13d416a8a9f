/**
 * Whether a guest serves, as a program in it sees it: every 10 ms it makes a system call and says that it is there.
 *
 * What is measured of a reboot is the longest time between two signs of life of one guest, whether the same program goes on
 * after it or the next guest has to start another. A guest that is asked to shut down stops its services first, and so its
 * program.
 */

import { Ns } from '../base/units.ts';
import type { Process, Simulation, Task } from '../sim/index.ts';
import type { VmmGuest } from './vmm-machine.ts';

const INTERVAL = Ns(10_000_000);

/** A time in which nothing was heard. */
export interface Silence {
  readonly fromNs: number;
  readonly ns: number;
}

interface Pulse {
  task: Task | undefined;
  beats: number;
  lastNs: number;
  longest: Silence;
}

export class Heartbeats {
  readonly #simulation: Simulation;
  readonly #pulses = new Map<string, Pulse>();

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  /** Starts the program in a guest that has booted. */
  start({ config, domain, kernel }: VmmGuest): void {
    const pulse = this.#pulseOf(config.name);
    const program = function* (simulation: Simulation): Process {
      for (;;) {
        yield* kernel.syscalls.stat('/');
        yield* kernel.syscalls.settle();
        beat(pulse, simulation.now);
        yield INTERVAL;
      }
    };
    pulse.task = domain.environment.spawn('heartbeat', program(this.#simulation));
  }

  /** The services of a guest are stopped. */
  stop(name: string): void {
    this.#pulseOf(name).task?.kill();
  }

  /** Only what comes from here on counts. */
  begin(): void {
    for (const pulse of this.#pulses.values()) pulse.longest = { fromNs: pulse.lastNs, ns: 0 };
  }

  /** Waits until each of these guests has given a sign of life once more, or at most a second. */
  *hear(names: Iterable<string>): Process {
    const heard = new Map([...names].map((name) => [name, this.#pulseOf(name).beats]));
    const isSilent = ([name, beats]: [string, number]): boolean => this.#pulseOf(name).beats === beats;
    for (let i = 0; i < 100 && [...heard].some(isSilent); i++) yield INTERVAL;
  }

  /** The longest silence of a guest, which may last still. */
  silenceOf(name: string): Silence {
    const { longest, lastNs } = this.#pulseOf(name);
    const present = { fromNs: lastNs, ns: this.#simulation.now - lastNs };
    return present.ns > longest.ns ? present : longest;
  }

  #pulseOf(name: string): Pulse {
    const { now } = this.#simulation;
    let pulse = this.#pulses.get(name);
    if (pulse === undefined) {
      pulse = { task: undefined, beats: 0, lastNs: now, longest: { fromNs: now, ns: 0 } };
      this.#pulses.set(name, pulse);
    }
    return pulse;
  }
}

function beat(pulse: Pulse, now: number): void {
  const ns = now - pulse.lastNs;
  if (ns > pulse.longest.ns) pulse.longest = { fromNs: pulse.lastNs, ns };
  pulse.lastNs = now;
  pulse.beats++;
}
