import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARCHS, DomId, EvtchnPort, Mfn, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import {
  decodeDomainState,
  type DomainStateRecord,
  encodeDomainState,
  eraseDomainState,
  parseDomainState,
  writeDomainState,
} from '../../../src/xen/records/domain-state.ts';
import {
  DOMAIN_STATE,
  planMemory,
  STATE_FRAMES_EACH,
  STATE_MAGIC,
  STATE_VERSION,
} from '../../../src/xen/records/layouts.ts';
import { NR_REGISTERS } from '../../../src/xen/public/index.ts';
import { seal } from '../../../src/xen/records/records.ts';
import type { EvtchnStatus, Virq } from '../../../src/xen/public/event-channel.ts';
import { property } from '../../support/property.ts';

const FRAMES = 2048;
const map = planMemory(FRAMES, 'x86_64')!;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const STATE: DomainStateRecord = {
  domid: DomId(3),
  sharedInfoPfn: Pfn(2),
  grantTablePfn: Pfn(5),
  hasRecency: true,
  program: [0x01020304, 0x05060708],
  registers: Uint32Array.from({ length: NR_REGISTERS }, (_, i) => 0x1000_0000 + i),
  ports: [
    { state: 'free' },
    { state: 'unbound', remote: DomId(0) },
    { state: 'interdomain', remote: DomId(9), remotePort: EvtchnPort(1023) },
    { state: 'virq', virq: 4 },
    { state: 'ipi' },
  ],
};

const port: fc.Arbitrary<EvtchnStatus> = fc.oneof(
  fc.constant<EvtchnStatus>({ state: 'free' }),
  fc.constant<EvtchnStatus>({ state: 'ipi' }),
  fc.nat(7).map((virq): EvtchnStatus => ({ state: 'virq', virq: virq as Virq })),
  fc.nat(0xffff).map((domid): EvtchnStatus => ({ state: 'unbound', remote: DomId(domid) })),
  fc
    .tuple(fc.nat(0xffff), fc.nat(1023))
    .map(([domid, n]): EvtchnStatus => ({ state: 'interdomain', remote: DomId(domid), remotePort: EvtchnPort(n) })),
);

describe('domain state', () => {
  it.each([
    [
      'x86_64' as const,
      '737773746174310002000000800000000300000001000000020000000000000005000000000000000403020108070605000000100100001002000010030000100400001005000010060000100700001008000010090000100a0000100b0000100c0000100d0000100e0000100f000010177a488300000000000000007cbce85d',
    ],
    [
      'x86_32' as const,
      '73777374617431000200000080000000030000000100000002000000050000000403020108070605000000100100001002000010030000100400001005000010060000100700001008000010090000100a0000100b0000100c0000100d0000100e0000100f000010177a48830000000000000000000000000000000033ae5b0b',
    ],
  ])('domain state has the bytes of the reference page on %s', (arch, golden) => {
    const bytes = encodeDomainState(STATE, arch);
    expect(hex(bytes.subarray(0, DOMAIN_STATE[arch].size))).toBe(golden);
    expect(hex(bytes.subarray(PAGE_SIZE, PAGE_SIZE + 20))).toBe('0000000001000000c2ff09002300000004000000');
  });

  property(
    'a domain state is what was written, in the slot of its domain, until it is erased',
    fc.constantFrom(...ARCHS),
    fc.record({
      domid: fc.integer({ min: 1, max: 94 }).map(DomId),
      sharedInfoPfn: fc.nat(0xffff_ffff).map(Pfn),
      grantTablePfn: fc.nat(0xffff_ffff).map(Pfn),
      hasRecency: fc.boolean(),
      program: fc.tuple(fc.nat(0xffff_ffff), fc.nat(0xffff_ffff)),
      registers: fc
        .array(fc.nat(0xffff_ffff), { minLength: NR_REGISTERS, maxLength: NR_REGISTERS })
        .map((words) => Uint32Array.from(words)),
      ports: fc
        .array(port, { maxLength: 1024 })
        .map((ports) => ports.slice(0, ports.findLastIndex(({ state }) => state !== 'free') + 1)),
    }),
    (arch, state) => {
      const map = planMemory(FRAMES, arch)!;
      const memory = new MachineMemory(FRAMES * PAGE_SIZE);
      const { domid } = state;
      const neighbours = [domid - 1, domid + 1].map((near) => ({ ...state, domid: DomId(near) }));
      for (const each of [state, ...neighbours]) writeDomainState(memory, map, each);
      expect(parseDomainState(memory, map, domid)).toEqual({ ok: true, value: state });
      eraseDomainState(memory, map, domid);
      expect(parseDomainState(memory, map, domid)).toEqual({ ok: false, reason: 'bad magic' });
      for (const each of neighbours)
        expect(parseDomainState(memory, map, each.domid)).toEqual({ ok: true, value: each });
      const slot = memory.bytes(Mfn(map.stateMfn + STATE_FRAMES_EACH * domid), STATE_FRAMES_EACH);
      expect(slot.some((byte) => byte !== 0)).toBe(false);
    },
  );

  property(
    'a domain state with any byte changed is a problem',
    fc.constantFrom(...ARCHS),
    fc.nat(2 * PAGE_SIZE - 1),
    fc.integer({ min: 1, max: 255 }),
    (arch, at, flip) => {
      const bytes = encodeDomainState(STATE, arch);
      bytes[at]! ^= flip;
      expect(decodeDomainState(bytes, arch)).toHaveProperty('reason');
    },
  );

  it('domain state with a page of more than 32 bits, and a checksum that fits, is a problem', () => {
    for (const name of ['sharedInfoPfn', 'grantTablePfn'] as const) {
      const bytes = encodeDomainState(STATE, 'x86_64');
      const layout = DOMAIN_STATE.x86_64;
      bytes[layout.offset[name] + 4] = 1;
      seal(layout, bytes, STATE_MAGIC, STATE_VERSION);
      expect(decodeDomainState(bytes, 'x86_64')).toEqual({ ok: false, reason: `${name} has more than 32 bits` });
    }
  });

  it('domain state of the other architecture is a problem', () => {
    expect(decodeDomainState(encodeDomainState(STATE, 'x86_32'), 'x86_64')).toHaveProperty('reason');
    expect(decodeDomainState(encodeDomainState(STATE, 'x86_64'), 'x86_32')).toHaveProperty('reason');
  });

  it('a domain state in the slot of another domain is a problem', () => {
    const memory = new MachineMemory(FRAMES * PAGE_SIZE);
    writeDomainState(memory, { ...map, stateMfn: (map.stateMfn + 2) as never }, STATE);
    expect(parseDomainState(memory, map, DomId(4))).toEqual({ ok: false, reason: 'state of another domain' });
  });
});
