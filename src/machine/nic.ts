/**
 * A cable between the network adapters of two machines of one simulation: bandwidth, latency and a
 * bounded queue for each direction, full duplex.
 *
 * A packet is up to `queueBytes` of payload. Its bytes are copied by DMA at the instant the adapter
 * takes it, so that the sender may change them at once. The adapter cuts it into segments of
 * `segmentBytes`, each with `segmentOverheadBytes` of headers and gap. They go on the line one
 * after the other at `lineMBps`. The packet is received whole, `latencyNs` after its last bit has
 * left. An adapter without room takes nothing: `send` returns false, `transmit` waits.
 *
 * A packet that finds no receiver is lost and counted: the machine is off, or the adapter is not
 * open yet. The sender is not told. An adapter that loses power forgets its queue and its receiver.
 * What had left it still arrives.
 *
 * Invariants:
 * 1. Packets of one direction arrive in the order in which they were taken, each at most once, with
 *    the bytes that they were taken with.
 * 2. `queuedBytes` is at most `queueBytes`.
 * 3. Each packet that was taken is queued, under way, received or lost.
 *
 * Modelled after an Ethernet adapter with segmentation offload on a cable without a switch. Differs
 * in having one queue in place of a descriptor ring and socket buffers, and no bit errors,
 * collisions or pause frames. The costs of the processor are charged to the domain that drives the
 * adapter.
 */

import { checkArgument } from '../base/argument-error.ts';
import { Ns } from '../base/units.ts';
import { WaitQueue, type Process, type Simulation } from '../sim/index.ts';

/** The part of a profile that a cable needs. */
interface NicValues {
  readonly lineMBps: number;
  readonly segmentBytes: number;
  readonly segmentOverheadBytes: number;
  readonly latencyNs: number;
  readonly queueBytes: number;
}

export interface NicCounters {
  /** Packets taken for transmission. */
  readonly taken: number;
  /** Packets handed to the receiver. */
  readonly received: number;
  /**
   * Packets taken here that a loss of power dropped, or that found no receiver at the other end.
   */
  readonly lost: number;
  /** Payload of the packets received. */
  readonly receivedBytes: number;
}

/** One end of a cable. */
export class Nic {
  readonly #simulation: Simulation;
  readonly #values: NicValues;
  readonly #room = new WaitQueue('room in the queue of a network interface');
  #peer: Nic | undefined;
  #receiver: ((packet: Uint8Array) => void) | undefined;
  #queuedBytes = 0;
  #queuedPackets = 0;
  /** When the last bit of what is queued will have left. */
  #lineFreeAt = 0;
  /** Power cycles so far. An event of an earlier one finds its packet gone. */
  #cycle = 0;
  #taken = 0;
  #received = 0;
  #lost = 0;
  #receivedBytes = 0;

  /** @internal Made by `connect`. */
  constructor(simulation: Simulation, values: NicValues) {
    this.#simulation = simulation;
    this.#values = values;
  }

  /** The two ends of a cable. */
  static connect(simulation: Simulation, values: NicValues): readonly [Nic, Nic] {
    const one = new Nic(simulation, values);
    const other = new Nic(simulation, values);
    one.#peer = other;
    other.#peer = one;
    return [one, other];
  }

  /** Payload in the queue or on its way out, bytes. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get counters(): NicCounters {
    return { taken: this.#taken, received: this.#received, lost: this.#lost, receivedBytes: this.#receivedBytes };
  }

  /** Whether it has a receiver. */
  get isOpen(): boolean {
    return this.#receiver !== undefined;
  }

  /** From now on packets are handed to `receiver`; with undefined they are lost. */
  open(receiver: ((packet: Uint8Array) => void) | undefined): void {
    this.#receiver = receiver;
  }

  /** Takes a packet, or returns false when the queue has no room for it. */
  send(packet: Uint8Array): boolean {
    const { length } = packet;
    checkArgument(
      length > 0 && length <= this.#values.queueBytes,
      'length',
      'a packet has at least one byte and fits the queue',
    );
    if (this.#queuedBytes + length > this.#values.queueBytes) return false;
    this.#taken++;
    this.#queuedPackets++;
    this.#queuedBytes += length;
    const bytes = Uint8Array.from(packet);
    const cycle = this.#cycle;
    const now = this.#simulation.now;
    this.#lineFreeAt = Math.max(now, this.#lineFreeAt) + this.#lineTime(length);
    this.#simulation.after(Ns(this.#lineFreeAt - now), () => {
      if (cycle === this.#cycle) this.#leave(bytes);
    });
    return true;
  }

  /**
   * Sends a packet, after waiting for room. Of several that wait, the first one whose packet fits
   * goes first.
   */
  *transmit(packet: Uint8Array): Process {
    while (!this.send(packet)) yield this.#room;
  }

  /**
   * Loses power, together with the machine. Afterwards it is as after power-on, without a receiver.
   */
  powerLoss(): void {
    this.#cycle++;
    this.#lost += this.#queuedPackets;
    this.#queuedPackets = 0;
    this.#queuedBytes = 0;
    this.#lineFreeAt = 0;
    this.#receiver = undefined;
    this.#room.wakeAll();
  }

  /** How long a packet occupies the line. */
  #lineTime(length: number): number {
    const { lineMBps, segmentBytes, segmentOverheadBytes } = this.#values;
    const onTheLine = length + Math.ceil(length / segmentBytes) * segmentOverheadBytes;
    return Math.ceil((onTheLine * 1000) / lineMBps);
  }

  #leave(bytes: Uint8Array): void {
    this.#queuedPackets--;
    this.#queuedBytes -= bytes.length;
    this.#room.wakeAll();
    this.#simulation.after(Ns(this.#values.latencyNs), () => {
      if (this.#peer!.#receive(bytes)) return;
      this.#lost++;
    });
  }

  #receive(bytes: Uint8Array): boolean {
    if (this.#receiver === undefined) return false;
    this.#received++;
    this.#receivedBytes += bytes.length;
    this.#receiver(bytes);
    return true;
  }
}
