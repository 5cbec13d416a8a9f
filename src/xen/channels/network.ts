/**
 * Domain 0's network: a bridge into which the machine's adapter and the guests' interfaces
 * (netback.ts) are plugged.
 *
 * Each segment of a frame that comes or goes through the adapter costs domain 0's processor the
 * work of the driver and of the bridge. A burst is worked on in one go. A frame that the adapter
 * has no room for waits, and is lost when QUEUE_FRAMES wait. A back-end holds its guest back while
 * frames wait.
 *
 * Modelled after the script network-bridge of Xen 3.0, with the adapter in the bridge.
 */

import { segmentsOf } from '../../base/ethernet.ts';
import { Bridge } from '../../machine/bridge.ts';
import type { Nic } from '../../machine/nic.ts';
import type { CpuClock } from '../../sim/cpu-clock.ts';
import type { Power } from '../../sim/power.ts';
import type { Process } from '../../sim/simulation.ts';
import type { XenCosts } from '../costs.ts';

/** Frames that wait for the adapter at most: txqueuelen of an Ethernet interface. */
export const QUEUE_FRAMES = 1000;

/** What is needed of the hypervisor. */
interface NetworkParts {
  readonly power: Power;
  readonly domain0Cpu: CpuClock;
  readonly costs: XenCosts;
}

/** Frames that the adapter has no room for yet. */
class SendQueue {
  readonly #power: Power;
  readonly #nic: Nic;
  #waiting: Uint8Array[] = [];
  /** Frames that waited and have gone to the adapter. */
  #gone = 0;
  /** What is done when so many have gone, in order. */
  readonly #held: { readonly gone: number; readonly action: () => void }[] = [];

  constructor(power: Power, nic: Nic) {
    this.#power = power;
    this.#nic = nic;
  }

  send(frames: readonly Uint8Array[], overNs: number): void {
    const isIdle = this.#waiting.length === 0;
    const sent = isIdle ? this.#nic.sendFrames(frames, overNs) : 0;
    const room = QUEUE_FRAMES - this.#waiting.length;
    this.#waiting.push(...frames.slice(sent, sent + room));
    if (isIdle && this.#waiting.length > 0) this.#power.spawn('transmit queue', this.#drain());
  }

  *#drain(): Process {
    while (this.#waiting.length > 0) {
      yield this.#nic.room;
      const sent = this.#nic.sendFrames(this.#waiting);
      this.#waiting = this.#waiting.slice(sent);
      this.#gone += sent;
      while (this.#held.length > 0 && this.#held[0]!.gone <= this.#gone) this.#held.shift()!.action();
    }
  }

  hold(action: () => void): void {
    if (this.#waiting.length === 0) action();
    else this.#held.push({ gone: this.#gone + this.#waiting.length, action });
  }
}

export class Domain0Network {
  readonly bridge = new Bridge();
  readonly #parts: NetworkParts;
  #queue: SendQueue | undefined;

  constructor(parts: NetworkParts) {
    this.#parts = parts;
  }

  /** Runs `action` once the adapter has taken what waits for it: at once when nothing waits. */
  hold(action: () => void): void {
    if (this.#queue === undefined) action();
    else this.#queue.hold(action);
  }

  /** Plugs the adapter in, which has no other user, until it loses power. */
  plug(nic: Nic): void {
    const { power, domain0Cpu, costs } = this.#parts;
    const work = (frames: readonly Uint8Array[], then: () => void): void => {
      for (const { length } of frames) domain0Cpu.charge(costs.nicPacketNs * segmentsOf(length));
      power.after(domain0Cpu.book(), then);
    };
    const queue = new SendQueue(power, nic);
    this.#queue = queue;
    const port = this.bridge.attach((frames, overNs) => {
      const begin = domain0Cpu.now;
      work(frames, () => {
        queue.send(frames, overNs + domain0Cpu.now - begin);
      });
    });
    nic.openBursts((frames, overNs) => {
      work(frames, () => {
        port.input(frames, overNs);
      });
    });
  }
}
