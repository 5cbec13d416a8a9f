/**
 * What the kernel has to say (kernel/printk.c of 2.6.12): a ring of the last messages, each with
 * its time and level. The same run says the same. The log ends with its kernel.
 *
 * Differs from the original: a message is one line and is kept whole, and nothing goes to a
 * console.
 */

import type { Ns } from '../base/units.ts';
import type { CpuClock } from '../sim/cpu-clock.ts';

/** Levels, the gravest first (KERN_EMERG to KERN_INFO, without KERN_ALERT). */
export const LOG_LEVELS = ['emerg', 'crit', 'err', 'warning', 'notice', 'info'] as const;
/** How grave a message is. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** One line of the log. */
export interface KernelMessage {
  /** Virtual time of the guest, ns. */
  readonly time: Ns;
  /** How grave it is. */
  readonly level: LogLevel;
  /** One line. */
  readonly text: string;
}

/** Messages that are kept. */
const MAX_MESSAGES = 256;

export class KernelLog {
  readonly #cpu: CpuClock;
  /** The oldest lies at `#dropped` modulo its length, once it is full. */
  readonly #ring: KernelMessage[] = [];
  #dropped = 0;

  constructor(cpu: CpuClock) {
    this.#cpu = cpu;
  }

  /** printk: a full log forgets its oldest message for it. */
  say(level: LogLevel, text: string): void {
    const message = { time: this.#cpu.now, level, text };
    if (this.#ring.length < MAX_MESSAGES) this.#ring.push(message);
    else this.#ring[this.#dropped++ % MAX_MESSAGES] = message;
  }

  /** A copy of what is kept, the oldest first. */
  get messages(): KernelMessage[] {
    const oldest = this.#dropped % MAX_MESSAGES;
    return [...this.#ring.slice(oldest), ...this.#ring.slice(0, oldest)];
  }

  /** Messages that were forgotten. */
  get dropped(): number {
    return this.#dropped;
  }
}
