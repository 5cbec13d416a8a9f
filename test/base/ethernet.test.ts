import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeFrame,
  encodeFrame,
  ETHERNET_HEADER,
  macText,
  parseMac,
  xenMac,
  type MacAddress,
} from '../../src/base/ethernet.ts';
import { property } from '../support/property.ts';

const mac = fc.nat(2 ** 48 - 1).map((n) => n as MacAddress);

describe('an Ethernet frame', () => {
  property(
    'an Ethernet frame is decoded as it was encoded, addresses first byte first',
    fc.record({ destination: mac, source: mac, type: fc.nat(0xffff), payload: fc.uint8Array({ maxLength: 100 }) }),
    (frame) => {
      const bytes = encodeFrame(frame);
      expect(decodeFrame(bytes)).toEqual(frame);
      const text = Buffer.from(bytes.subarray(0, 6)).toString('hex').match(/../g)!.join(':');
      expect(macText(frame.destination)).toBe(text);
      expect(parseMac(text)).toBe(frame.destination);
    },
  );

  it('an Ethernet frame has a header', () => {
    for (let length = 0; length < ETHERNET_HEADER.size; length++)
      expect(decodeFrame(new Uint8Array(length))).toBeUndefined();
  });
});

describe('a hardware address', () => {
  it('a hardware address of a virtual interface is one of Xen’s', () => {
    expect(macText(xenMac(0x1234))).toBe('00:16:3e:00:12:34');
    for (const n of [-1, 0.5, 2 ** 24]) expect(() => xenMac(n)).toThrow('24 bits');
  });

  it.each(['', '00:16:3e:00:12', '00:16:3e:00:12:3g', '00:16:3e:00:12:34:56', '0:16:3e:00:12:34'])(
    'a hardware address is not "%s"',
    (text) => {
      expect(parseMac(text)).toBeUndefined();
    },
  );
});
