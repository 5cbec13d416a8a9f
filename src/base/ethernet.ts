/**
 * Ethernet frames: the header that every frame on a network begins with, and hardware addresses.
 */

import { assert } from './assert.ts';
import { defineLayout, getU16, putU16 } from './layout.ts';

declare const brand: unique symbol;
/** Hardware address of an interface, 48 bits, its first byte the highest. */
export type MacAddress = number & {
  /** Tells it from other numbers. */
  readonly [brand]: 'MacAddress';
};

export const BROADCAST = 0xffff_ffff_ffff as MacAddress;

/** The n-th address of Xen's virtual interfaces, from 00:16:3e:00:00:00 on; n is 0 … 2^24 - 1. */
export function xenMac(n: number): MacAddress {
  assert(Number.isInteger(n) && n >= 0 && n < 2 ** 24, 'an address of a virtual interface has 24 bits of its own');
  return (0x0016_3e00_0000 + n) as MacAddress;
}

/** The address as it is written, `00:16:3e:00:00:01`. */
export const macText = (mac: MacAddress): string =>
  mac
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?=.)/g, '$&:');

/** The address in a text of that form; undefined for any other text. */
export function parseMac(text: string): MacAddress | undefined {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(text)
    ? (parseInt(text.replaceAll(':', ''), 16) as MacAddress)
    : undefined;
}

export const ETHERNET_HEADER = defineLayout('Ethernet header', 14, [
  { name: 'destination', width: 1, count: 6, writer: 'guest', meaning: 'hardware address; all ones: every interface' },
  { name: 'source', width: 1, count: 6, writer: 'guest', meaning: 'hardware address of the sender' },
  { name: 'type', width: 2, writer: 'guest', meaning: 'protocol of the payload' },
]);

/**
 * Protocols: that of the guest's transport, and the announcement of an address, which has no
 * payload.
 */
export const EtherType = { transport: 0x88b5, announcement: 0x88b6 } as const;

/** Payload of a full segment: an MTU of 1500 bytes less 20 of IP and 32 of TCP with time stamps. */
export const SEGMENT_BYTES = 1448;

/** Header of the guest's transport (kernel/net/segment.ts), behind that of Ethernet. */
export const TRANSPORT_HEADER_BYTES = 28;

/** Headers of a frame. Each segment on the line has its own, however many a frame is cut into. */
export const FRAME_HEADER_BYTES = ETHERNET_HEADER.size + TRANSPORT_HEADER_BYTES;

/** Segments of a frame of so many bytes: what a driver or a protocol stack works on. */
export function segmentsOf(frameBytes: number): number {
  return Math.max(1, Math.ceil((frameBytes - FRAME_HEADER_BYTES) / SEGMENT_BYTES));
}

export interface EthernetFrame {
  readonly destination: MacAddress;
  readonly source: MacAddress;
  readonly type: number;
  readonly payload: Uint8Array;
}

export function encodeFrame({ destination, source, type, payload }: EthernetFrame): Uint8Array {
  const bytes = new Uint8Array(ETHERNET_HEADER.size + payload.length);
  putAddress(bytes, ETHERNET_HEADER.offset.destination, destination);
  putAddress(bytes, ETHERNET_HEADER.offset.source, source);
  putU16(bytes, ETHERNET_HEADER.offset.type, type);
  bytes.set(payload, ETHERNET_HEADER.size);
  return bytes;
}

/** Undefined for fewer bytes than a header. The payload is a view. */
export function decodeFrame(bytes: Uint8Array): EthernetFrame | undefined {
  if (bytes.length < ETHERNET_HEADER.size) return undefined;
  return {
    destination: destinationOf(bytes),
    source: sourceOf(bytes),
    type: getU16(bytes, ETHERNET_HEADER.offset.type),
    payload: bytes.subarray(ETHERNET_HEADER.size),
  };
}

/** The destination of a frame that has a whole header. */
export const destinationOf = (bytes: Uint8Array): MacAddress => addressAt(bytes, ETHERNET_HEADER.offset.destination);

/** The source of a frame that has a whole header. */
export const sourceOf = (bytes: Uint8Array): MacAddress => addressAt(bytes, ETHERNET_HEADER.offset.source);

function putAddress(bytes: Uint8Array, at: number, mac: MacAddress): void {
  const high = Math.floor(mac / 2 ** 32);
  bytes[at] = high >>> 8;
  bytes[at + 1] = high;
  for (let i = 0; i < 4; i++) bytes[at + 2 + i] = mac >>> (24 - 8 * i);
}

function addressAt(bytes: Uint8Array, at: number): MacAddress {
  const high = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
  const low = (bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!;
  return (high * 2 ** 24 + low) as MacAddress;
}
