/**
 * The first process of a guest: it starts the services at the end of a boot, and stops them at the
 * start of a shutdown. Without one, services are the constants of the profile and nothing else.
 */

import type { Process } from '../../sim/index.ts';
import type { GuestEnvironment } from '../../xen/public/index.ts';
import { Ns } from '../../base/units.ts';
import type { KernelLog } from '../log.ts';
import type { Syscalls } from '../syscall/syscalls.ts';

/** What the kernel gives to its first process. */
export interface InitContext {
  /** The system calls. */
  readonly sys: Syscalls;
  /** Spends processor time, ns. All guests of a machine compete for its processors. */
  readonly compute: (ns: number) => Process;
  /** Writes a line to the kernel's log. */
  readonly say: (text: string) => void;
}

/** The first process of a guest. */
export interface InitProcess {
  /**
   * Starts the services. Returns the bytes that it has read for that.
   * @param processorNs what they spend of the processor, ns
   */
  start(context: InitContext, processorNs: number): Process<number>;
  /** Stops the services. Returns the bytes that it has read for that. */
  stop(context: InitContext, processorNs: number): Process<number>;
}

export function initContext(env: GuestEnvironment, log: KernelLog, sys: Syscalls): InitContext {
  return { sys, compute: (ns) => env.compute(Ns(ns)), say: (text) => log.say('warning', text) };
}
