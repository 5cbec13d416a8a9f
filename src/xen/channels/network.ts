/**
 * Domain 0's network: a bridge into which the machine's adapter and the guests' interfaces
 * (netback.ts) are plugged.
 *
 * A frame that comes or goes through the adapter costs domain 0's processor the work of the driver
 * and of the bridge. A frame that the adapter has no room for is lost.
 *
 * Modelled after the script network-bridge of Xen 3.0, with the adapter in the bridge.
 */

import { Bridge } from '../../machine/bridge.ts';
import type { Nic } from '../../machine/nic.ts';
import type { CpuClock } from '../../sim/cpu-clock.ts';
import type { Power } from '../../sim/power.ts';
import type { XenCosts } from '../costs.ts';

/** What is needed of the hypervisor. */
interface NetworkParts {
  readonly power: Power;
  readonly domain0Cpu: CpuClock;
  readonly costs: XenCosts;
}

export class Domain0Network {
  readonly bridge = new Bridge();
  readonly #parts: NetworkParts;

  constructor(parts: NetworkParts) {
    this.#parts = parts;
  }

  /** Plugs the adapter in, which nobody else uses, until it loses power. */
  plug(nic: Nic): void {
    const { power, domain0Cpu, costs } = this.#parts;
    const work = (then: () => void): void => {
      domain0Cpu.charge(costs.nicPacketNs);
      power.after(domain0Cpu.book(), then);
    };
    const port = this.bridge.attach((frame) => {
      work(() => nic.send(frame));
    });
    nic.open((frame) => {
      work(() => {
        port.input(frame);
      });
    });
  }
}
