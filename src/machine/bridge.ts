/**
 * A learning bridge: hands each frame to the port where its destination was last heard, and to all
 * others when that is unknown. A switch between machines is one, and so is domain 0's software
 * bridge between its adapter and its guests.
 *
 * It takes no time and queues nothing: the devices at its ports do. What a port refuses is lost.
 *
 * Invariants:
 * 1. A frame goes to each port at most once, and never back to where it came from.
 * 2. An address is behind one port: the last where it was heard, until that port is gone.
 *
 * Modelled after IEEE 802.1D without its spanning tree, so that there must be no loop, and without
 * ageing.
 */

import { assert } from '../base/assert.ts';
import { BROADCAST, destinationOf, ETHERNET_HEADER, sourceOf, type MacAddress } from '../base/ethernet.ts';
import type { BurstReceiver, Nic } from './nic.ts';

/** A place to plug something in. */
export interface BridgePort {
  /**
   * A burst of frames comes in from the device at this port. They must not be changed afterwards.
   * @param overNs how long they have been coming; 0 by default
   */
  input(frames: readonly Uint8Array[], overNs?: number): void;
  /** The port is empty from now on. */
  detach(): void;
}

export class Bridge {
  /** What each port does with a frame that goes out. */
  readonly #ports = new Map<BridgePort, BurstReceiver>();
  readonly #behind = new Map<MacAddress, BridgePort>();

  /** @param output receives the frames for the device at the port; it must not change them */
  attach(output: BurstReceiver): BridgePort {
    const port: BridgePort = {
      input: (frames, overNs = 0) => {
        this.#forward(port, frames, overNs);
      },
      detach: () => {
        this.#ports.delete(port);
        for (const [mac, other] of this.#behind) if (other === port) this.#behind.delete(mac);
      },
    };
    this.#ports.set(port, output);
    return port;
  }

  /** Plugs one end of a cable in. */
  plug(end: Nic): void {
    const port = this.attach((frames, overNs) => end.sendFrames(frames, overNs));
    end.openBursts((frames, overNs) => {
      port.input(frames, overNs);
    });
  }

  /** Frames that follow each other to the same port go on as one burst. */
  #forward(from: BridgePort, frames: readonly Uint8Array[], overNs: number): void {
    assert(this.#ports.has(from), 'a port that is detached takes nothing');
    let first = 0;
    let to = this.#way(from, frames[0]);
    for (let n = 1; n <= frames.length; n++) {
      const next = this.#way(from, frames[n]);
      if (n < frames.length && next === to) continue;
      this.#output(from, to, first === 0 && n === frames.length ? frames : frames.slice(first, n), overNs);
      first = n;
      to = next;
    }
  }

  /** Learns from a frame, and says where it goes. */
  #way(from: BridgePort, bytes: Uint8Array | undefined): BridgePort | 'nowhere' | 'all' {
    if (bytes === undefined || bytes.length < ETHERNET_HEADER.size) return 'nowhere';
    const source = sourceOf(bytes);
    if (source !== BROADCAST) this.#behind.set(source, from);
    const known = this.#behind.get(destinationOf(bytes));
    return known === undefined ? 'all' : known === from ? 'nowhere' : known;
  }

  #output(from: BridgePort, to: BridgePort | 'nowhere' | 'all', frames: readonly Uint8Array[], overNs: number): void {
    if (to === 'nowhere') return;
    if (to !== 'all') this.#ports.get(to)!(frames, overNs);
    else for (const [port, output] of [...this.#ports]) if (port !== from) output(frames, overNs);
  }
}
