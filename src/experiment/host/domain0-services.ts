/** Domain 0's services, which read files of its own disk when they start and when they stop. */

import type { Domain0Root, RootContents } from '../../domain0/root.ts';
import { Ns } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';

/** Domain 0's own disk, and what its services read of it. */
export interface Domain0Disk {
  /** Where it lies on the drive, bytes: multiples of 4096. */
  readonly place: { readonly start: number; readonly bytes: number };
  readonly contents: RootContents;
  /** Starts and stops its services. */
  readonly init: Domain0Init;
  /** Most that domain 0's page cache holds, bytes, where guests' disks are partitions. */
  readonly cacheBytes: number;
}

/** As the first process of a guest (`InitProcess`). */
type Domain0Init = Readonly<
  Record<'start' | 'stop', (context: Domain0Context, processorNs: number) => Process<number>>
>;

interface Domain0Context {
  readonly sys: Domain0Root;
  readonly compute: (ns: number) => Process;
  readonly say: (text: string) => void;
}

export class Domain0Services {
  /** What they have said of files that could not be read, a line each. */
  readonly messages: string[] = [];
  readonly #init: Domain0Init;
  readonly #context: Domain0Context;

  constructor(root: Domain0Root, init: Domain0Init) {
    this.#init = init;
    this.#context = {
      sys: root,
      *compute(ns) {
        if (ns > 0) yield Ns(ns);
      },
      say: (text) => this.messages.push(text),
    };
  }

  /** @param processorNs what they spend of the processor, ns */
  start(processorNs: number): Process<number> {
    return this.#init.start(this.#context, processorNs);
  }

  /** @param processorNs what they spend of the processor, ns */
  stop(processorNs: number): Process<number> {
    return this.#init.stop(this.#context, processorNs);
  }
}
