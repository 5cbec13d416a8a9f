/**
 * Packets of the transport: a header, and bytes of a message.
 *
 * A packet holds up to two full segments, so that a frame lies within a page. What is paid for is
 * the segment, and the adapter cuts a packet into segments for the line.
 */

import { assert } from '../../base/assert.ts';
import { crc32c } from '../../base/crc32c.ts';
import { FRAME_HEADER_BYTES, SEGMENT_BYTES, TRANSPORT_HEADER_BYTES } from '../../base/ethernet.ts';
import { defineLayout, getU32, putU32, reservedIsZero } from '../../base/layout.ts';
import { PAGE_SIZE } from '../../base/units.ts';

export const KIND = { syn: 1, synAck: 2, request: 3, answer: 4, reset: 5 } as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

/** `last`: the message ends here. `push`: acknowledge at once. */
export const FLAG = { last: 1, push: 2 } as const;
const ALL_FLAGS = FLAG.last | FLAG.push;

/** The header of a packet; its payload follows. */
export const SEGMENT_HEADER = defineLayout('segment', TRANSPORT_HEADER_BYTES, [
  { name: 'connection', width: 4, writer: 'guest', meaning: 'number that the client gave the connection' },
  { name: 'sequence', width: 4, writer: 'guest', meaning: 'which request of the connection, from 1; else 0' },
  { name: 'offset', width: 4, writer: 'guest', meaning: 'where in its message the payload begins' },
  {
    name: 'acknowledged',
    width: 4,
    writer: 'guest',
    meaning: 'bytes of the other message that have come without a gap; 1 more when its end has',
  },
  { name: 'payloadBytes', width: 4, writer: 'guest', meaning: 'bytes that follow the header' },
  { name: 'kind', width: 1, writer: 'guest', meaning: '1 open, 2 opened, 3 of a request, 4 of an answer, 5 reset' },
  { name: 'flags', width: 1, writer: 'guest', meaning: '1 the message ends here, 2 acknowledge at once' },
  { name: 'reserved', width: 1, count: 2, meaning: 'for later versions', reserved: true },
  { name: 'checksum', width: 4, writer: 'guest', meaning: 'CRC-32C of the header up to here and of the payload' },
]);

const AT = SEGMENT_HEADER.offset;

/** Payload of a packet at most. */
export const PACKET_BYTES = 2 * SEGMENT_BYTES;
assert(FRAME_HEADER_BYTES + PACKET_BYTES <= PAGE_SIZE, 'a frame lies within a page');

/** Bytes of a message at most: offsets have 32 bits, and the end of a message counts as one. */
export const MAX_MESSAGE = 2 ** 31 - 1;

export interface Segment {
  readonly connection: number;
  readonly sequence: number;
  readonly offset: number;
  readonly acknowledged: number;
  readonly kind: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

/** What the header says beside the length. */
export type SegmentFields = Omit<Segment, 'payload' | 'kind'> & { readonly kind: Kind };

function checksum(packet: Uint8Array): number {
  const header = crc32c(packet, 0, SEGMENT_HEADER.offset.checksum);
  return crc32c(packet, SEGMENT_HEADER.size, packet.length - SEGMENT_HEADER.size, header);
}

/** Puts the header in front of a payload that is in its place. */
export function encode(packet: Uint8Array, fields: SegmentFields): Uint8Array {
  putU32(packet, AT.connection, fields.connection);
  putU32(packet, AT.sequence, fields.sequence);
  putU32(packet, AT.offset, fields.offset);
  putU32(packet, AT.acknowledged, fields.acknowledged);
  putU32(packet, AT.payloadBytes, packet.length - SEGMENT_HEADER.size);
  packet[AT.kind] = fields.kind;
  packet[AT.flags] = fields.flags;
  putU32(packet, AT.checksum, checksum(packet));
  return packet;
}

/** A packet that opens, opens back or resets a connection. */
export function encodeControl(connection: number, kind: Kind): Uint8Array {
  const fields = { connection, sequence: 0, offset: 0, acknowledged: 0, kind, flags: 0 };
  return encode(new Uint8Array(SEGMENT_HEADER.size), fields);
}

/** Undefined for a packet that is damaged. The payload is a view. */
export function decode(packet: Uint8Array): Segment | undefined {
  if (packet.length < SEGMENT_HEADER.size) return undefined;
  const payloadBytes = getU32(packet, AT.payloadBytes);
  const offset = getU32(packet, AT.offset);
  const flags = packet[AT.flags]!;
  if (payloadBytes !== packet.length - SEGMENT_HEADER.size) return undefined;
  if (getU32(packet, AT.checksum) !== checksum(packet)) return undefined;
  if (!reservedIsZero(SEGMENT_HEADER, packet, 0) || (flags & ~ALL_FLAGS) !== 0) return undefined;
  if (offset + payloadBytes > MAX_MESSAGE) return undefined;
  return {
    connection: getU32(packet, AT.connection),
    sequence: getU32(packet, AT.sequence),
    offset,
    acknowledged: getU32(packet, AT.acknowledged),
    kind: packet[AT.kind]!,
    flags,
    payload: packet.subarray(SEGMENT_HEADER.size),
  };
}

/**
 * The connection that a packet says it is of; undefined for what is shorter than a header. Whether
 * it is, its receiver looks.
 */
export function connectionOf(packet: Uint8Array): number | undefined {
  return packet.length < SEGMENT_HEADER.size ? undefined : getU32(packet, AT.connection);
}

/** What a machine that does not know the connection of a packet answers to it, if anything. */
export function refusal(packet: Uint8Array): Uint8Array | undefined {
  const segment = decode(packet);
  if (segment === undefined || segment.kind === KIND.reset) return undefined;
  return encodeControl(segment.connection, KIND.reset);
}
