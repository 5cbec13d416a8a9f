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
import { BROADCAST, decodeFrame, type MacAddress } from '../base/ethernet.ts';
import type { Nic } from './nic.ts';

/** A place to plug something in. */
export interface BridgePort {
  /** A frame comes in from the device at this port. */
  input(frame: Uint8Array): void;
  /** The port is empty from now on. */
  detach(): void;
}

export class Bridge {
  /** What each port does with a frame that goes out. */
  readonly #ports = new Map<BridgePort, (frame: Uint8Array) => void>();
  readonly #behind = new Map<MacAddress, BridgePort>();

  /** @param output receives each frame for the device at the port; it must not keep the bytes */
  attach(output: (frame: Uint8Array) => void): BridgePort {
    const port: BridgePort = {
      input: (frame) => {
        this.#forward(port, frame);
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
    const port = this.attach((frame) => end.send(frame));
    end.open((frame) => {
      port.input(frame);
    });
  }

  #forward(from: BridgePort, bytes: Uint8Array): void {
    assert(this.#ports.has(from), 'a port that is detached takes nothing');
    const frame = decodeFrame(bytes);
    if (frame === undefined) return;
    if (frame.source !== BROADCAST) this.#behind.set(frame.source, from);
    const known = this.#behind.get(frame.destination);
    if (known !== undefined) {
      if (known !== from) this.#ports.get(known)!(bytes);
      return;
    }
    for (const [port, output] of [...this.#ports]) if (port !== from) output(bytes);
  }
}
