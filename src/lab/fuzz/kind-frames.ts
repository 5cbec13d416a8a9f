/**
 * Ethernet frames with segments of the transport, damaged on the cable between a client and a
 * server. What is damaged is ignored, and sent again. What an enemy forges, checksum and
 * all, may break the connection. Without that the client gets its answer, and the right one.
 */

import { decodeFrame, encodeFrame, ETHERNET_HEADER, EtherType, type MacAddress } from '../../base/ethernet.ts';
import { crc32c } from '../../base/crc32c.ts';
import { defineLayout, equalBytes, getField, Ns } from '../../base/index.ts';
import { Listener } from '../../kernel/net/listener.ts';
import { decode, SEGMENT_HEADER } from '../../kernel/net/segment.ts';
import { Connection } from '../../kernel/net/transport.ts';
import { Simulation } from '../../sim/index.ts';
import { drawBytes, editedBytes, putNumber, type Specimen, type Structure } from './bytes.ts';
import { type FuzzCase, type Kind, must, once, refusedFor, runBounded, TAKEN, type Verdict } from './kind.ts';
import { pattern } from './specimens.ts';

const MOST_EVENTS = 20_000;
const FRAMES = 12;
/** Room of a frame in a specimen: its length, then its bytes. */
const SLOT_BYTES = 3072;
const LENGTH = defineLayout('frame', 4, [{ name: 'bytes', width: 4, meaning: 'bytes of the frame that follows' }]);
const DELAY = Ns(100_000);
const ANSWER = pattern(9000, 3);
const REQUEST = pattern(4000, 5);
const HEAD = { destination: 2 as MacAddress, source: 1 as MacAddress, type: EtherType.transport } as const;
const CLIENT = 1;

/** What reads a frame. A test gives one with a mistake in it. */
export type Unpack = typeof decodeFrame;

/** What comes out of the cable for the n-th frame of a direction. */
type OnCable = (toServer: boolean, n: number, bytes: Uint8Array) => Uint8Array;

/** A client that asks a server twice over a cable. */
class Talk {
  readonly simulation = new Simulation(1);
  readonly #frames: { readonly toServer: boolean; readonly bytes: Uint8Array }[] = [];
  readonly #listener: Listener<number>;
  readonly #client: Connection;
  readonly #unpack: Unpack;
  readonly #onCable: OnCable;
  readonly #sent = { toServer: 0, toClient: 0 };

  constructor(unpack: Unpack, onCable: OnCable) {
    this.#unpack = unpack;
    this.#onCable = onCable;
    const { simulation } = this;
    this.#listener = new Listener(
      simulation,
      (_, packets) => {
        this.#send(false, packets);
      },
      (request) => {
        request.finish(ANSWER);
      },
    );
    this.#client = new Connection(
      simulation,
      (packets) => {
        this.#send(true, packets);
      },
      1,
    );
  }

  /** All frames that were sent. */
  get frames(): readonly { readonly toServer: boolean; readonly bytes: Uint8Array }[] {
    return this.#frames;
  }

  #arrive(toServer: boolean, bytes: Uint8Array): void {
    const frame = this.#unpack(bytes);
    if (frame === undefined || frame.type !== EtherType.transport) return;
    if (toServer) this.#listener.receive(CLIENT, frame.payload);
    else this.#client.receive(frame.payload);
  }

  /** How the client fared. */
  run(): string | undefined {
    const client = this.#client;
    return runBounded(
      this.simulation,
      (function* () {
        const broken = yield* client.open();
        if (broken !== undefined) return broken;
        for (let n = 0; n < 2; n++) {
          const answer = yield* client.request(REQUEST);
          if (typeof answer === 'string') return answer;
          const isRight = answer.length === ANSWER.length && equalBytes(answer, 0, ANSWER, 0, ANSWER.length);
          if (!isRight) return 'a wrong answer';
        }
        return undefined;
      })(),
      MOST_EVENTS,
    );
  }

  #send(toServer: boolean, packets: readonly Uint8Array[]): void {
    for (const payload of packets) {
      const bytes = encodeFrame({ ...HEAD, payload });
      this.#frames.push({ toServer, bytes });
      const arriving = this.#onCable(toServer, this.#sent[toServer ? 'toServer' : 'toClient']++, bytes);
      this.simulation.after(DELAY, () => {
        this.#arrive(toServer, arriving);
      });
    }
  }
}

/** The frames of a talk, each in its room. */
function specimenOf(frames: readonly Uint8Array[]): Specimen {
  const bytes = new Uint8Array(FRAMES * SLOT_BYTES);
  const structures: Structure[] = [];
  const segment = ETHERNET_HEADER.size + LENGTH.size;
  for (let n = 0; n < FRAMES; n++) {
    const frame = frames[n % frames.length]!;
    const at = n * SLOT_BYTES;
    putNumber(bytes, at, 4, frame.length, false);
    bytes.set(frame, at + LENGTH.size);
    structures.push({ layout: ETHERNET_HEADER, at: at + LENGTH.size });
    for (let again = 0; again < 3; again++) structures.push({ layout: SEGMENT_HEADER, at: at + segment, seal });
    structures.push({ layout: LENGTH, at });
  }
  return { bytes, structures, numbers: [SEGMENT_HEADER.size, ETHERNET_HEADER.size, ANSWER.length, 2 ** 31 - 1] };

  /** Makes the checksum of a segment right, over as many bytes as its frame says it has. */
  function seal(changed: Uint8Array, at: number): void {
    const end = Math.min(at - segment + LENGTH.size + lengthOf(changed, at - segment), changed.length);
    const header = crc32c(changed, at, SEGMENT_HEADER.offset.checksum);
    const payload = Math.max(0, end - at - SEGMENT_HEADER.size);
    putNumber(
      changed,
      at + SEGMENT_HEADER.offset.checksum,
      4,
      crc32c(changed, at + SEGMENT_HEADER.size, payload, header),
      false,
    );
  }
}

const lengthOf = (bytes: Uint8Array, slot: number): number =>
  Math.min(getField(LENGTH, bytes, slot, 'bytes'), SLOT_BYTES - LENGTH.size);

/** @param unpack that of every receiver by default */
export function framesKind(unpack: Unpack = decodeFrame): Kind {
  const specimensOf = once(() => {
    const talk = new Talk(decodeFrame, (_toServer, _n, bytes) => bytes);
    talk.run();
    return [true, false].map((toServer) =>
      specimenOf(talk.frames.filter((frame) => frame.toServer === toServer).map(({ bytes }) => bytes)),
    );
  });
  return {
    name: 'frames',
    cases: 2000,
    reasons: ['a damaged segment', 'reset'],
    draw: (random) => drawBytes(random, specimensOf()),
    play: (fuzzCase) => playFrames(unpack, fuzzCase, specimensOf()),
  };
}

function playFrames(unpack: Unpack, fuzzCase: FuzzCase, specimens: readonly Specimen[]): Verdict {
  const bytes = editedBytes(fuzzCase, specimens);
  const sound = specimens[fuzzCase.specimen % specimens.length]!.bytes;
  let isDamaged = false;
  const talk = new Talk(unpack, (toServer, n, sent) => {
    if (n >= FRAMES || toServer !== (fuzzCase.specimen % 2 === 0)) return sent;
    const slot = n * SLOT_BYTES;
    if (equalBytes(bytes, slot, sound, slot, SLOT_BYTES)) return sent;
    const frame = bytes.slice(slot + LENGTH.size, slot + LENGTH.size + lengthOf(bytes, slot));
    if (decode(frame.subarray(ETHERNET_HEADER.size)) === undefined) isDamaged = true;
    return frame;
  });
  const outcome = talk.run();
  const events = talk.simulation.eventCount;
  if (!fuzzCase.repair) {
    must('damage changes no answer', outcome !== 'a wrong answer', () => 'the answer is not the one that was sent');
  }
  if (outcome !== undefined) return refusedFor(outcome, events);
  return isDamaged ? refusedFor('a damaged segment', events) : { ...TAKEN, events };
}
