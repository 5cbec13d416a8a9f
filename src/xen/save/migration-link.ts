/**
 * The connection between the migration daemons of two domain 0s: a stream of bytes in one
 * direction, and words in both. A packet:
 *
 * ```
 * | magic | kind | version | sequence | payloadBytes | connection | checksum | payload |
 * ```
 *
 * A connection has a number. The end that connects takes it from its clock, as TCP does with its
 * first sequence number. The end that listens takes it from the first packet. A packet of another
 * connection is dropped: it is still on its way from one that has ended.
 *
 * Packets of each direction are numbered. The receiver of data acknowledges each packet when its
 * bytes were taken. The sender has at most WINDOW of them under way, so that neither end holds more
 * than a megabyte of the other's. A packet that is overtaken is missing; one that comes twice is
 * dropped. Nothing is sent again. The cable between two machines of a room keeps the order, repeats
 * nothing, and loses nothing while both are on.
 *
 * A packet that is missing, damaged or not of this protocol ends the connection. So does an end
 * that is silent for TIMEOUT (once, or twice that). Neither end then believes what was sent. An end
 * that gives up says so, in any state of the connection; the other end then waits for nothing more.
 *
 * Work on bytes is charged to domain 0 of either end by the code that has it done. Modelled after
 * the TCP connection of xend's relocation port. Acknowledgements and window are those of TCP;
 * differs in that a message of the tool stack is a packet.
 */

import { crc32c } from '../../base/crc32c.ts';
import { defineLayout, getField, putField } from '../../base/layout.ts';
import { DONE, err, ok, type Result } from '../../base/result.ts';
import { Ns } from '../../base/units.ts';
import type { Nic } from '../../machine/nic.ts';
import { type Process, WaitQueue } from '../../sim/simulation.ts';
import type { Hypervisor } from '../core/hypervisor.ts';

/** Bytes of the stream in a packet: 16 pages. */
const PACKET_BYTES = 65_536;
/** Packets of data that may be under way: 1 MiB. */
const WINDOW = 16;
/**
 * After which an end that is silent is taken for dead: as long as a guest has to suspend itself,
 * and as much again. Assumed.
 */
const TIMEOUT = Ns(60e9);

const KIND = { data: 1, acknowledgement: 2, word: 3 } as const;

/** "swmg" */
const MAGIC = 0x676d_7773;

export const MIGRATION_PACKET = defineLayout('migration packet', 24, [
  { name: 'magic', width: 4, writer: 'tool stack', meaning: '"swmg"' },
  { name: 'kind', width: 2, writer: 'tool stack', meaning: '1 data, 2 acknowledgement, 3 word' },
  { name: 'version', width: 2, writer: 'tool stack', meaning: 'version of the format, 2' },
  { name: 'sequence', width: 4, writer: 'tool stack', meaning: 'number of the packet in its direction, from 0' },
  { name: 'payloadBytes', width: 4, writer: 'tool stack', meaning: 'bytes that follow the header' },
  {
    name: 'connection',
    width: 4,
    writer: 'tool stack',
    meaning: 'number of the connection: the same in both directions',
  },
  { name: 'checksum', width: 4, writer: 'tool stack', meaning: 'CRC-32C of the header up to here and of the payload' },
]);

export const MIGRATION_VERSION = 2;
const EMPTY = new Uint8Array(0);

/** What the two ends tell each other besides the stream. */
export type MigrationWord = 'complete' | 'go' | 'running' | `refused: ${string}`;

/** What a connection needs of domain 0. */
export type LinkHost = Pick<Hypervisor, 'domain0Cpu' | 'costs' | 'power' | 'simulation'>;

export class MigrationLink {
  readonly #hypervisor: LinkHost;
  readonly #nic: Nic;
  readonly #arrived = new WaitQueue('a word from the other end of a migration');
  /** The next packet of data; its payload is filled first. */
  readonly #packet = new Uint8Array(MIGRATION_PACKET.size + PACKET_BYTES);
  readonly #window = this.#packet.subarray(MIGRATION_PACKET.size);
  /** Undefined until the other end has connected. */
  #connection: number | undefined;
  #used = 0;
  #sent = 0;
  #expected = 0;
  #unacknowledged = 0;
  readonly #data: Uint8Array[] = [];
  /** How far the first packet of `#data` was taken. */
  #at = 0;
  readonly #words: string[] = [];
  #packetsHeard = 0;
  #isWatching = false;
  #problem: string | undefined;
  #bytes = 0;

  /**
   * Listens on the adapter, which has no other user, until `close`.
   * @param end whether it connects, or waits for the other end to connect
   */
  constructor(hypervisor: LinkHost, nic: Nic, end: 'connects' | 'waits') {
    this.#hypervisor = hypervisor;
    this.#nic = nic;
    // No packet is on its way for as long as this clock takes to go round: 4 s.
    if (end === 'connects') this.#connection = hypervisor.simulation.now % 2 ** 32;
    nic.open((packet) => {
      this.#receive(packet);
    });
  }

  /** Why the connection has ended; undefined while it has not. A state of it, and no outcome. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Bytes that this end has sent, headers included. */
  get bytesSent(): number {
    return this.#bytes;
  }

  close(): void {
    this.#nic.open(undefined);
    this.#end('it was closed');
  }

  /** `put`, when that need not wait; false: it must be run. */
  putNow(bytes: Uint8Array): boolean {
    const end = this.#used + bytes.length;
    if (end >= PACKET_BYTES || this.#hypervisor.domain0Cpu.isDue) return false;
    this.#window.set(bytes, this.#used);
    this.#used = end;
    return true;
  }

  /**
   * Appends to the stream; waits while the window is full. Nothing is sent any more after a
   * problem.
   */
  *put(bytes: Uint8Array): Process {
    for (let at = 0; at < bytes.length; ) {
      const count = Math.min(bytes.length - at, PACKET_BYTES - this.#used);
      this.#window.set(bytes.subarray(at, at + count), this.#used);
      this.#used += count;
      at += count;
      if (this.#used === PACKET_BYTES) yield* this.flush();
    }
    const { domain0Cpu } = this.#hypervisor;
    if (domain0Cpu.isDue) yield* domain0Cpu.settle();
  }

  /** Sends what was put and is not sent yet. */
  *flush(): Process {
    if (this.#used === 0) return;
    const packet = this.#packet.subarray(0, MIGRATION_PACKET.size + this.#used);
    this.#used = 0;
    yield* this.#hypervisor.domain0Cpu.settle();
    // An end that has something to say takes nothing any more.
    while (this.#unacknowledged >= WINDOW && this.#words.length === 0 && (yield* this.#wait()).ok);
    if (this.#problem !== undefined) return;
    this.#unacknowledged++;
    yield* this.#send(KIND.data, packet);
  }

  /** What `take` would return without waiting; undefined when it would have to. */
  takeNow(length: number): Uint8Array | undefined {
    const packet = this.#data[0];
    const end = this.#at + length;
    // A packet that is taken to its end is acknowledged.
    if (packet === undefined || end >= packet.length || this.#hypervisor.domain0Cpu.isDue) return undefined;
    const bytes = packet.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  /** The next bytes of the stream. Fails, too, when the other end says something instead. */
  *take(length: number): Process<Result<Uint8Array>> {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const packet = this.#data[0];
      if (packet === undefined) {
        // An end that says something instead sends nothing more.
        const word = this.heard();
        if (word !== undefined) this.#end(word);
        const waited = yield* this.#wait();
        if (!waited.ok) return waited;
        continue;
      }
      const count = Math.min(length - done, packet.length - this.#at);
      bytes.set(packet.subarray(this.#at, this.#at + count), done);
      this.#at += count;
      done += count;
      if (this.#at < packet.length) continue;
      this.#data.shift();
      this.#at = 0;
      yield* this.#send(KIND.acknowledgement, packetOf(EMPTY));
    }
    const { domain0Cpu } = this.#hypervisor;
    if (domain0Cpu.isDue) yield* domain0Cpu.settle();
    return ok(bytes);
  }

  /** The next `count` numbers. */
  *words(count: number): Process<Result<Uint32Array>> {
    const bytes = yield* this.take(4 * count);
    return bytes.ok ? ok(new Uint32Array(bytes.value.buffer)) : bytes;
  }

  /** Tells the other end, also when there is a problem. */
  *say(word: MigrationWord): Process {
    yield* this.#hypervisor.domain0Cpu.settle();
    yield* this.#send(KIND.word, packetOf(new TextEncoder().encode(word)));
  }

  /** Whether the other end has said a word that was not heard yet. */
  get hasWord(): boolean {
    return this.#words.length > 0;
  }

  /** The first word of the other end that was not heard yet, if there is one. */
  heard(): string | undefined {
    return this.#words.shift();
  }

  /**
   * Why the connection is of no more use: the other end's word, or the problem. Undefined while
   * there is neither.
   */
  failure(): string | undefined {
    return this.heard() ?? this.#problem;
  }

  /** Waits for a word of the other end. */
  *hear(): Process<Result<string>> {
    for (;;) {
      const word = this.heard();
      if (word !== undefined) return ok(word);
      const waited = yield* this.#wait();
      if (!waited.ok) return waited;
    }
  }

  /** Waits until a packet has arrived, while there is a connection. */
  *#wait(): Process<Result> {
    if (this.#problem === undefined) {
      this.#watch();
      yield this.#arrived;
    }
    return this.#problem === undefined ? DONE : err(this.#problem);
  }

  /** Ends the connection when nothing was heard for a whole period. */
  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const heard = this.#packetsHeard;
    this.#hypervisor.power.after(TIMEOUT, () => {
      this.#isWatching = false;
      if (this.#problem !== undefined || this.#arrived.length === 0) return;
      if (heard === this.#packetsHeard) this.#end('no answer');
      else this.#watch();
    });
  }

  /** @param packet with its payload; the header is put in front of that */
  *#send(kind: number, packet: Uint8Array): Process {
    // There is no end to be told.
    if (this.#connection === undefined) return;
    const { size, offset } = MIGRATION_PACKET;
    putField(MIGRATION_PACKET, packet, 0, 'magic', MAGIC);
    putField(MIGRATION_PACKET, packet, 0, 'kind', kind);
    putField(MIGRATION_PACKET, packet, 0, 'version', MIGRATION_VERSION);
    putField(MIGRATION_PACKET, packet, 0, 'sequence', this.#sent++);
    putField(MIGRATION_PACKET, packet, 0, 'payloadBytes', packet.length - size);
    putField(MIGRATION_PACKET, packet, 0, 'connection', this.#connection);
    putField(MIGRATION_PACKET, packet, 0, 'checksum', checksum(packet, offset.checksum));
    this.#bytes += packet.length;
    yield* this.#nic.transmit(packet);
  }

  #receive(packet: Uint8Array): void {
    const kind = this.#problem === undefined ? this.#kindOf(packet) : undefined;
    const payload = packet.subarray(MIGRATION_PACKET.size);
    if (kind === KIND.data) this.#data.push(payload);
    else if (kind === KIND.acknowledgement) this.#unacknowledged--;
    else if (kind === KIND.word) this.#words.push(new TextDecoder().decode(payload));
    this.#arrived.wakeAll();
  }

  /**
   * Undefined for a packet of another connection, or one that came before. Undefined, with a
   * problem, for one of another protocol, and for one that is damaged or out of turn.
   */
  #kindOf(packet: Uint8Array): number | undefined {
    const { size, offset } = MIGRATION_PACKET;
    const field = (name: keyof typeof offset): number => getField(MIGRATION_PACKET, packet, 0, name);
    if (
      packet.length < size ||
      field('magic') !== MAGIC ||
      field('version') !== MIGRATION_VERSION ||
      field('payloadBytes') !== packet.length - size
    )
      this.#end('a packet of another protocol');
    else if (field('checksum') !== checksum(packet, offset.checksum)) this.#end('a damaged packet');
    else {
      const sequence = field('sequence');
      if (sequence === 0) this.#connection ??= field('connection');
      if (field('connection') !== this.#connection) return undefined;
      this.#packetsHeard++;
      if (sequence < this.#expected) return undefined;
      if (sequence !== this.#expected++) this.#end('a packet is missing');
    }
    return this.#problem === undefined ? field('kind') : undefined;
  }

  #end(problem: string): void {
    this.#problem ??= problem;
    this.#arrived.wakeAll();
  }
}

/** A packet with a payload, before its header is put. */
function packetOf(payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(MIGRATION_PACKET.size + payload.length);
  packet.set(payload, MIGRATION_PACKET.size);
  return packet;
}

function checksum(packet: Uint8Array, headBytes: number): number {
  const { size } = MIGRATION_PACKET;
  return crc32c(packet, size, packet.length - size, crc32c(packet, 0, headBytes));
}
