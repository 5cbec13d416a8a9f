// A client and a server of one connection on a cable, each packet in a frame, and what they send.
import { decodeFrame, encodeFrame, EtherType, type MacAddress } from '../../../src/base/ethernet.ts';
import { Listener, type ServedRequest } from '../../../src/kernel/net/listener.ts';
import { decode, type Segment } from '../../../src/kernel/net/segment.ts';
import { Connection } from '../../../src/kernel/net/transport.ts';
import { Nic } from '../../../src/machine/nic.ts';
import { values } from '../../../src/machine/profile.ts';
import { PENTIUM4_2006 } from '../../../src/machine/profiles/pentium4-2006.ts';
import { Simulation } from '../../../src/sim/index.ts';

export const NIC = values(PENTIUM4_2006.nic.constants);

export type End = 'client' | 'server';

/** A burst that an end has sent. */
export interface Burst {
  readonly from: End;
  readonly atNs: number;
  readonly packets: readonly Segment[];
}

/** Packets that arrive in place of the n-th that an end has sent: none when it is lost. */
export type Fate = (packet: Uint8Array, from: End, n: number) => readonly Uint8Array[];

/** What message `n` consists of. */
export const message = (length: number, n = 0): Uint8Array =>
  new Uint8Array(length).map((_, at) => at * 31 + (at >>> 8) * 7 + n);

export class Wire {
  readonly simulation = new Simulation(1);
  readonly bursts: Burst[] = [];
  readonly served: ServedRequest[] = [];
  readonly connection: Connection;
  readonly #nics: Readonly<Record<End, Nic>>;
  readonly #sent = { client: 0, server: 0 };
  readonly #serve: (request: ServedRequest, wire: Wire) => void;
  /** May be changed while it runs. */
  fate: Fate;
  /** Packets that the queue of the server's device takes; it may be changed while it runs. */
  room = Infinity;
  listener: Listener<number>;

  constructor(serve: (request: ServedRequest, wire: Wire) => void, fate: Fate = (packet) => [packet]) {
    this.#serve = serve;
    this.fate = fate;
    const [client, server] = Nic.connect(this.simulation, NIC);
    this.#nics = { client, server };
    this.listener = this.boot();
    this.connection = new Connection(this.simulation, (packets) => this.#send('client', packets), 7);
    this.#open('server', 'client', (packet) => this.listener.receive(1, packet));
    this.#open('client', 'server', (packet) => this.connection.receive(packet));
  }

  /** Another server in place of the one that is there, which knows of no connection. */
  boot(): Listener<number> {
    return (this.listener = new Listener<number>(
      this.simulation,
      (_, packets) => this.#send('server', packets),
      (request) => {
        this.served.push(request);
        this.#serve(request, this);
      },
      () => true,
      () => this.room,
    ));
  }

  /** Bursts of an end with bytes of a message or its end, as segments a burst. */
  segments(from: End): number[] {
    const data = this.bursts.filter((burst) => burst.from === from).map(({ packets }) => packets.filter(isData));
    return data
      .map((packets) => packets.reduce((sum, { payload }) => sum + Math.max(1, Math.ceil(payload.length / 1448)), 0))
      .filter((segments) => segments > 0);
  }

  /** Packets of an end that only acknowledge. */
  acknowledgements(from: End): number {
    const all = this.bursts.filter((burst) => burst.from === from).flatMap(({ packets }) => packets);
    return all.filter((segment) => !isData(segment) && (segment.kind === 3 || segment.kind === 4)).length;
  }

  #send(from: End, packets: readonly Uint8Array[]): void {
    this.bursts.push({ from, atNs: this.simulation.now, packets: packets.map((packet) => decode(packet)!) });
    const head = { destination: 2 as MacAddress, source: 1 as MacAddress, type: EtherType.transport };
    this.#nics[from].sendFrames(packets.map((payload) => encodeFrame({ ...head, payload })));
  }

  #open(at: End, from: End, receive: (packet: Uint8Array) => void): void {
    this.#nics[at].open((frame) => {
      for (const packet of this.fate(decodeFrame(frame)!.payload, from, this.#sent[from]++)) receive(packet);
    });
  }
}

const isData = ({ payload, flags }: Segment): boolean => payload.length > 0 || (flags & 1) !== 0;
