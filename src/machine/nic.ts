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
 * A burst of Ethernet frames is taken in one go, as far as there is room. It is received in one
 * event after its last bit. A burst that came bit by bit, from another cable or from a processor,
 * begins to leave before it is there whole. The headers of a frame belong to `segmentOverheadBytes`
 * of each of its segments. Frames are not copied, and not changed any more.
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
import { FRAME_HEADER_BYTES } from '../base/ethernet.ts';
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

/**
 * Takes a burst of frames, the last of which is there now. The first came earlier, at an even pace
 * over `overNs`.
 */
export type BurstReceiver = (frames: readonly Uint8Array[], overNs: number) => void;

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
  /** Woken when there may be room in the queue. */
  readonly room = new WaitQueue('room in the queue of a network interface');
  #peer: Nic | undefined;
  #receiver: BurstReceiver | undefined;
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
    this.#receiver = receiver && ((packets) => packets.forEach((packet) => receiver(packet)));
  }

  /** From now on bursts are handed to `receiver`. */
  openBursts(receiver: BurstReceiver): void {
    this.#receiver = receiver;
  }

  /** Takes a packet, or returns false when the queue has no room for it. */
  send(packet: Uint8Array): boolean {
    const { length } = packet;
    if (!this.#hasRoomFor(length)) return false;
    this.#queuedBytes += length;
    this.#dispatch([packet.slice()], this.#lineBytes(length), 0);
    return true;
  }

  /**
   * Takes the first frames of a burst, as many as the queue has room for, and returns how many.
   * They must not be changed afterwards.
   * @param overNs how long they have been coming
   */
  sendFrames(frames: readonly Uint8Array[], overNs = 0): number {
    let taken = 0;
    let onTheLine = 0;
    for (const { length } of frames) {
      if (!this.#hasRoomFor(length)) break;
      taken++;
      this.#queuedBytes += length;
      onTheLine += this.#lineBytes(Math.max(0, length - FRAME_HEADER_BYTES));
    }
    if (taken > 0) this.#dispatch(taken === frames.length ? frames : frames.slice(0, taken), onTheLine, overNs);
    return taken;
  }

  #hasRoomFor(length: number): boolean {
    const { queueBytes } = this.#values;
    checkArgument(length > 0 && length <= queueBytes, 'length', 'a packet has at least one byte and fits the queue');
    return this.#queuedBytes + length <= queueBytes;
  }

  /** Sends what was taken, which is so much on the line and has been coming for so long. */
  #dispatch(packets: readonly Uint8Array[], onTheLine: number, overNs: number): void {
    const { length } = packets;
    this.#taken += length;
    this.#queuedPackets += length;
    const cycle = this.#cycle;
    const now = this.#simulation.now;
    const lineNs = Math.ceil((onTheLine * 1000) / this.#values.lineMBps);
    // The first packet was there before the others; the last one has yet to go.
    const from = Math.max(this.#lineFreeAt, now - Math.floor((overNs * (length - 1)) / length));
    this.#lineFreeAt = Math.max(from + lineNs, now + Math.ceil(lineNs / length));
    this.#simulation.after(Ns(this.#lineFreeAt - now), () => {
      if (cycle === this.#cycle) this.#leave(packets, lineNs);
    });
  }

  /**
   * Sends a packet, after waiting for room. Of several that wait, the first one whose packet fits
   * goes first.
   */
  *transmit(packet: Uint8Array): Process {
    while (!this.send(packet)) yield this.room;
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
    this.room.wakeAll();
  }

  /** What a payload is on the line, bytes. */
  #lineBytes(payload: number): number {
    const { segmentBytes, segmentOverheadBytes } = this.#values;
    return payload + Math.max(1, Math.ceil(payload / segmentBytes)) * segmentOverheadBytes;
  }

  #leave(packets: readonly Uint8Array[], lineNs: number): void {
    this.#queuedPackets -= packets.length;
    for (const { length } of packets) this.#queuedBytes -= length;
    this.room.wakeAll();
    this.#simulation.after(Ns(this.#values.latencyNs), () => {
      if (!this.#peer!.#receive(packets, lineNs)) this.#lost += packets.length;
    });
  }

  #receive(packets: readonly Uint8Array[], lineNs: number): boolean {
    if (this.#receiver === undefined) return false;
    this.#received += packets.length;
    for (const { length } of packets) this.#receivedBytes += length;
    this.#receiver(packets, lineNs);
    return true;
  }
}
