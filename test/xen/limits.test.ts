/**
 * Bounds of tables, names, messages and times: the last that is allowed, and the first that is not.
 */

import { afterEach, describe, expect, it, vi } from 'vitest';
import { encodeFrame, EtherType, xenMac } from '../../src/base/ethernet.ts';
import { ARCHS, DOM0, DomId, GrantRef, Mfn, Ns, PAGE_SIZE, Pfn } from '../../src/base/index.ts';
import { Nic } from '../../src/machine/nic.ts';
import { values } from '../../src/machine/profile.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import type { Process } from '../../src/sim/index.ts';
import { domainOf, inspectMemory, Reason } from '../../src/xen/index.ts';
import { BlkifOp, BlkifStatus, CacheMapBatch, Gtf, RING_HEADER } from '../../src/xen/public/index.ts';
import { BackRing } from '../../src/xen/devices/back-ring.ts';
import { planMemory } from '../../src/xen/records/layouts.ts';
import { rankOf } from '../../src/xen/public/recency.ts';
import { decodeSaveHeader, encodeSaveHeader } from '../../src/xen/save/format.ts';
import { bootMachine, LEAST_PAGES, restartGuest, startGuest, type TestMachine } from '../support/machine.ts';
import { startNetGuest } from '../support/net-guest.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a message to the store', () => {
  const { simulation, hypervisor, ...machine } = bootMachine();
  const { domain } = startGuest({ simulation, hypervisor, ...machine });
  const { xenstore } = domain.environment;
  const home = `/local/domain/${domain.domid}/`;
  const isTaken = (process: Process<unknown>): boolean => {
    try {
      simulation.runProcess('asks', process);
      return true;
    } catch (error) {
      expect(String(error)).toMatch(/EINVAL: a (message|path) that the store does not take/);
      return false;
    }
  };

  it('a message to the store is 4096 bytes at most: of the path and of what is written there', () => {
    for (const path of ['device/x', `device/${'y'.repeat(2000)}`])
      for (const [length, taken] of [
        [4095, true],
        [4096, true],
        [4097, false],
      ] as const) {
        const value = 'v'.repeat(length - home.length - path.length);
        expect([length, isTaken(xenstore.write(path, value))]).toEqual([length, taken]);
        if (taken) expect(hypervisor.xenstore.read(home + path)).toBe(value);
      }
  });

  it.each(['read', 'watch'] as const)('the path of a message to the store to %s is of 4096 bytes at most', (what) => {
    const ask = (path: string) => (what === 'read' ? xenstore.read(path) : xenstore.watch(path, () => undefined));
    const taken = [4095, 4096, 4097].map((length) => isTaken(ask(home + 'z'.repeat(length - home.length))));
    expect(taken).toEqual([true, true, false]);
  });
});

describe('a name of 31 bytes and a command line of 1023', () => {
  it.each([
    ['letters', 'n'.repeat(31), 'c'.repeat(1023)],
    ['characters of two bytes', 'é'.repeat(15) + 'n', 'é'.repeat(511) + 'c'],
  ])('a name of 31 bytes and a command line of 1023 are taken, whole, in %s, and not one more', (_, name, cmdLine) => {
    const machine = bootMachine();
    const { simulation, toolstack, disk } = machine;
    const create = (config: object) =>
      simulation.runProcess(
        'create',
        domainOf(
          toolstack.createDomain({ name, cmdLine, memoryBytes: LEAST_PAGES * PAGE_SIZE, device: disk, ...config }),
        ),
      );
    expect(() => create({ name: `${name}x` })).toThrow(/^name: /);
    expect(() => create({ cmdLine: `${cmdLine}x` })).toThrow(/^cmdLine: /);
    expect(create({}).name).toBe(name);
    expect(inspectMemory(machine.memory).domains.map((domain) => domain.name)).toEqual([name]);
    for (const arch of ARCHS) {
      const numbers = { arch, consumed: false, bodyCrc: 0, nrPages: 9, mappedPages: 9, factCount: 0, bootPages: 9 };
      const store = { identity: 'disk', firstBlock: 0, sectorCount: 8, generation: 1 };
      const header = { ...numbers, boots: 1, name, cmdLine, store };
      expect(decodeSaveHeader(encodeSaveHeader(header), arch)).toEqual({ ok: true, value: header });
      for (const one of [{ name: `${name}x` }, { cmdLine: `${cmdLine}x` }])
        expect(() => encodeSaveHeader({ ...header, ...one })).toThrow('a configuration that fits');
    }
  });
});

it.each(ARCHS)('a save file of %s is of less than 2^28 pages', (arch) => {
  const header = (nrPages: number) =>
    encodeSaveHeader({
      ...{ arch, consumed: false, bodyCrc: 0, nrPages, mappedPages: 9, factCount: 0, bootPages: 9, boots: 1 },
      ...{ name: 'a', cmdLine: '', store: { identity: 'disk', firstBlock: 0, sectorCount: 8, generation: 1 } },
    });
  expect(decodeSaveHeader(header(2 ** 28 - 1), arch)).toHaveProperty('value.nrPages', 2 ** 28 - 1);
  expect(decodeSaveHeader(header(2 ** 28), arch)).toEqual({ ok: false, reason: 'numbers of pages that cannot be' });
});

describe('the last of a table', () => {
  it('the last of a table of grants is entry 2047', () => {
    const guest = startGuest(bootMachine());
    const { grants } = guest.domain;
    const pins = grants.pinCount;
    for (const ref of [511, 512, 2046, 2047]) {
      guest.grant(ref, 100 + (ref % 7), Gtf.permitAccess);
      expect(grants.map(GrantRef(ref), DOM0, true)).toBe(guest.domain.frameOf(Pfn(100 + (ref % 7))));
      grants.unmap(GrantRef(ref), true);
    }
    // What lies behind the table, and looks like an entry, is none.
    guest.grant(2048, 100, Gtf.permitAccess);
    expect([grants.map(GrantRef(2048), DOM0, true), grants.pinCount]).toEqual([undefined, pins]);
  });

  it('the last of a table of domains that an event channel may be for is 65535', () => {
    const { events } = startGuest(bootMachine()).domain;
    expect(events.status(events.allocUnbound(DomId(0xffff)))).toEqual({ state: 'unbound', remote: 0xffff });
    expect(() => events.allocUnbound(0x1_0000 as DomId)).toThrow(/^EINVAL/);
  });

  it('the last of a table of segments of a request is the 11th', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    const segments = Array.from({ length: 11 }, (_, i) => ({ pfn: 100 + i }));
    const id = guest.request(BlkifOp.read, 8 * 20, segments);
    machine.simulation.run();
    expect(guest.responses.get(id)).toBe(BlkifStatus.ok);
    segments.forEach(({ pfn }, i) => expect(guest.page(pfn)).toEqual(machine.disk.block(20 + i)));
  });

  it('the last of a table of recency is rank 16383, of lists that are longer too', () => {
    for (const length of [16_382, 16_383])
      expect([0, 1, length - 1].map((at) => rankOf(at, length))).toEqual([1, 2, length]);
    // Of 16384 pages two share a rank: the oldest two.
    expect([0, 1, 2, 16_383].map((at) => rankOf(at, 16_384))).toEqual([1, 1, 2, 16_383]);
  });

  it.each([511, 512, 513])(
    'the last of a table of a batch of %i entries is performed, and the one behind it is none',
    (count) => {
      const machine = bootMachine();
      const guest = startGuest(machine);
      const { hypercalls } = guest.domain.environment;
      const batch = new CacheMapBatch(count);
      for (let i = 0; i < count; i++) batch.tellRecency(Pfn(20 + i), 1 + i);
      hypercalls.cacheMapOp(batch);
      expect(Array.from({ length: count }, (_, i) => batch.result(i))).toEqual(new Array(count).fill(Reason.ok));
      const { recency } = machine.hypervisor;
      const told = (pfn: number): number => recency.get(guest.domain.frameOf(Pfn(pfn)));
      expect([19, 20, 19 + count, 20 + count].map(told)).toEqual([0, 1, count, 0]);
      vi.spyOn(batch, 'count', 'get').mockReturnValue(count + 1);
      expect(() => hypercalls.cacheMapOp(batch)).toThrow(/^EFAULT/);
    },
  );
});

it.each([32, 256])('a ring of %i slots is taken from when it is full, and not at all with one more', (slots) => {
  for (const asked of [slots - 1, slots, slots + 1]) {
    const { hypervisor } = bootMachine();
    const { memory, allocator } = hypervisor;
    const into = new Uint32Array(1);
    allocator.allocate(into);
    const mfn = Mfn(into[0]!);
    // Both indexes are about to go round.
    const ring = new BackRing(hypervisor, mfn, slots, 12);
    for (let n = 0; n < slots; n++) memory.writeU32(mfn, 64 + 12 * n, 100 + n);
    memory.writeU32(mfn, RING_HEADER.offset.reqProd, asked);
    const request = new Uint8Array(12);
    const taken: number[] = [];
    while (ring.take(request)) taken.push(request[0]! | (request[1]! << 8));
    expect(taken).toEqual(asked > slots ? [] : Array.from({ length: asked }, (_, n) => 100 + n));
  }
});

describe('frames for a guest', () => {
  const A = xenMac(1);
  const frame = (length: number, salt: number): Uint8Array => {
    const payload = new Uint8Array(length - 14).map((_, i) => i + salt);
    return encodeFrame({ destination: A, source: xenMac(3), type: EtherType.transport, payload });
  };
  function network(netbackPacketNs: number) {
    const machine: TestMachine = bootMachine(1, {}, 16 << 20, { netbackPacketNs });
    const [nic, host] = Nic.connect(machine.simulation, values(SERVER_2026.nic.constants));
    machine.hypervisor.network.plug(nic);
    const guest = startNetGuest(machine, A);
    machine.simulation.run();
    return { machine, host, guest };
  }

  it.each([256, 257, 258, 300])(
    'frames for a guest wait for the processor, of %i that come at once, up to 256 behind the first',
    (count) => {
      // What is not dropped is worked on, whether there is an empty page for it or not; the first
      // while the adapter has the others.
      const { machine, host } = network(1_000_000);
      const { domain0Cpu } = machine.hypervisor;
      const before = domain0Cpu.busy;
      for (let n = 0; n < count; n++) expect(host.send(frame(60, n))).toBe(true);
      machine.simulation.run();
      expect(Math.floor((domain0Cpu.busy - before) / 1_000_000)).toBe(1 + Math.min(256, count - 1));
    },
  );

  it('frames for a guest are a page long at most', () => {
    const { machine, host, guest } = network(100);
    for (const length of [4095, 4096, 4097, 60]) host.send(frame(length, 5));
    machine.simulation.run();
    expect(guest.received.map(({ payload }) => 14 + payload.length)).toEqual([4095, 4096, 60]);
  });
});

it.each([
  [9_999_999, 1],
  [10_000_000, 1],
  [10_000_001, 2],
  [20_000_000, 2],
  [20_000_001, 3],
])('a guest that computes for %i ns has a processor %i times', (ns, turns) => {
  const { simulation, hypervisor, ...machine } = bootMachine();
  const { domain } = startGuest({ simulation, hypervisor, ...machine });
  simulation.run();
  const next = vi.spyOn(hypervisor, 'nextProcessor');
  const begin = simulation.now;
  simulation.runProcess('compute', domain.environment.compute(Ns(ns)));
  expect([next.mock.calls.length, simulation.now - begin]).toEqual([turns, ns]);
});

describe('a report on a machine’s memory', () => {
  it.each([99, 100, 101])(
    'a report on a machine’s memory has the first 100 of %i problems, and counts all',
    (count) => {
      const machine = bootMachine();
      const { memory, hypervisor } = machine;
      // The last frames of the machine, which are free: a word of the record of each.
      const first = hypervisor.map.frameCount - count;
      const words = memory.words(hypervisor.map.tableMfn, hypervisor.map.tableFrames);
      const each = (words.length * PAGE_SIZE) / PAGE_SIZE / hypervisor.map.tableFrames / 128;
      expect(Number.isInteger(each)).toBe(true);
      for (let mfn = first; mfn < first + count; mfn++) words[mfn * each] = (words[mfn * each]! ^ 0x100) >>> 0;
      const { problems, problemCount, frames } = inspectMemory(memory);
      expect([problemCount, frames.damaged]).toEqual([count, count]);
      expect(problems).toEqual(
        Array.from({ length: Math.min(100, count) }, (_, i) => `frame ${first + i}: check word does not match`),
      );
    },
  );
});

describe('pages of a domain that is rebuilt, 64 at a time', () => {
  it.each([1087, 1088, 1089])(
    'pages of a domain that is rebuilt are kept at both ends of each 64, of %i pages; a name that two have is kept once',
    (nrPages) => {
      const machine = bootMachine();
      const guest = startGuest(machine, 'guest', nrPages);
      const pages = [63, 64, 127, 128, 191, 192, 1023, 1024, 1085].filter((pfn) => pfn < nrPages - 1);
      pages.forEach((pfn, i) => {
        guest.read(pfn, i);
        machine.simulation.run();
        expect(guest.insert(pfn, 12, i)).toBe(Reason.ok);
      });
      // In the same 64, in the next and far away.
      for (const [pfn, block] of [
        [65, 1],
        [129, 2],
        [1086 - 1 - 1, 0],
      ] as const) {
        guest.read(pfn, block);
        machine.simulation.run();
        guest.insert(pfn, 12, block);
      }
      // The last page of all, as if a block had been read into it: the guest's ring is there.
      const { frames } = machine.hypervisor;
      const last = guest.domain.frameOf(Pfn(nrPages - 1));
      frames.beginRead(last, 0, 20);
      frames.endRead(last, 20, true);
      expect(guest.insert(nrPages - 1, 12, 20)).toBe(Reason.ok);
      const next = restartGuest(machine, guest);
      expect([next.domain.stats.preserved, next.domain.stats.refused.duplicate]).toEqual([pages.length + 1, 3]);
      pages.forEach((pfn, i) => expect(next.claim(12, i, i)).toEqual({ result: Reason.ok, pfn }));
      machine.toolstack.list.checkInvariants();
    },
  );
});

it('tables that lie in the first GiB are planned, and none with a frame more', () => {
  // The root, 32 bytes a frame, domain records, P2M lists, recency, states, handover, boxes. The
  // lists have 9 bytes a frame, and a frame for each of 96 domains.
  const pages = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE);
  const tables = (n: number): number => 1 + pages(32 * n) + 6 + pages(9 * n) + 96 + pages(2 * n) + 2 * 96 + 1 + 2 * 96;
  let [fits, none] = [1 << 16, 1 << 26];
  while (none - fits > 1) {
    const middle = (fits + none) >>> 1;
    if (tables(middle) > 2 ** 18) none = middle;
    else fits = middle;
  }
  for (const n of [fits - 500, fits - 1, fits]) expect(planMemory(n, 'x86_64')?.firstDomainMfn).toBe(tables(n));
  expect([planMemory(none, 'x86_64'), none - fits]).toEqual([undefined, 1]);
});
