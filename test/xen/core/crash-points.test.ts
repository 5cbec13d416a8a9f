/**
 * Every single store of every record that a hypervisor leaves in memory, and what is found when it
 * is the last one. That is the state before, the state after, or nothing, with a reason.
 * Enumerated: the k-th store of 32 bits for every k.
 */

import { describe, expect, it } from 'vitest';
import { ARCHS, type Arch, DomId, err, EvtchnPort, Mfn, Ns, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import {
  type DomainStateRecord,
  eraseDomainState,
  parseDomainState,
  writeDomainState,
} from '../../../src/xen/records/domain-state.ts';
import * as record from '../../../src/xen/frames/frame-record.ts';
import {
  consumeHandover,
  eraseHandover,
  type HandoverEntry,
  writeHandover,
} from '../../../src/xen/records/handover.ts';
import { handOver, Hypervisor, shutdownDomain0, suspendDomains } from '../../../src/xen/index.ts';
import { BOX_FRAMES_EACH, DOMAIN_SLOTS, type MemoryMap, planMemory } from '../../../src/xen/records/layouts.ts';
import { NR_REGISTERS, SHARED_INFO, Virq } from '../../../src/xen/public/index.ts';
import {
  consumeDomainRecord,
  type DomainRecord,
  eraseDomainRecord,
  parseDomainRecord,
  parseRoot,
  sealRecency,
  setP2mCrc,
  writeDomainRecord,
  writeRoot,
} from '../../../src/xen/records/records.ts';
import { RecoveryBox } from '../../../src/xen/records/recovery-box.ts';
import { decodeSaveHeader, encodeSaveHeader, type SaveHeader } from '../../../src/xen/save/format.ts';
import type { Process } from '../../../src/sim/index.ts';
import { casesOf } from '../../support/product.ts';
import { bootMachine, cacheBlocks, COSTS, type MiniGuest, REGISTERS, startGuest } from '../../support/machine.ts';

const FRAMES = 2048;

class Cut extends Error {}

/**
 * Memory of which the k-th store of 32 bits is the last. Ranges are stored upwards, word by word.
 */
class StoreByStore extends MachineMemory {
  /** Stores until the cut. */
  left = Infinity;
  /** Whether each store so far changed anything. */
  readonly changes: boolean[] = [];

  override writeU32(mfn: Mfn, offset: number, value: number): void {
    this.#store(mfn, offset, () => super.writeU32(mfn, offset, value));
  }

  override copyIn(mfn: Mfn, offset: number, src: Uint8Array, srcOffset: number, length: number): void {
    for (let at = 0; at < length; at += 4)
      this.#store(mfn, offset + at, () => {
        super.copyIn(mfn, offset + at, src, srcOffset + at, Math.min(4, length - at));
      });
  }

  override zero(mfn: Mfn, offset = 0, length = PAGE_SIZE): void {
    const zeros = new Uint8Array(length);
    this.copyIn(mfn, offset, zeros, 0, length);
  }

  #store(mfn: Mfn, offset: number, store: () => void): void {
    if (this.left === 0) throw new Cut();
    this.left--;
    const before = this.readU32(mfn, offset & ~3);
    store();
    this.changes.push(this.readU32(mfn, offset & ~3) !== before);
  }
}

/** Memory that is read: reading may store, a record is consumed. */
const looked = new MachineMemory(FRAMES * PAGE_SIZE);

interface Change {
  /** What was there before. */
  readonly before: (memory: MachineMemory) => void;
  readonly change: (memory: MachineMemory) => void;
  /** Everything that the next hypervisor reads of it; a problem is a result with a reason. */
  readonly read: (memory: MachineMemory) => unknown;
  /** Whether a state between is nothing with a reason; else it must be one of the two. */
  readonly mayBeLost?: boolean;
}

const isProblem = (value: unknown): boolean => typeof value === 'object' && value !== null && 'reason' in value;

/** Cuts a change after each store; returns how often each outcome was seen. */
function cutEverywhere({ before, change, read, mayBeLost = true }: Change): Record<'old' | 'lost' | 'new', number> {
  const memory = new StoreByStore(FRAMES * PAGE_SIZE);
  before(memory);
  const base = snapshot(memory);
  const look = (): unknown => {
    restore(looked, snapshot(memory));
    return read(looked);
  };
  const old = look();
  memory.changes.length = 0;
  change(memory);
  const changes = [...memory.changes];
  const fresh = look();
  expect(fresh).not.toEqual(old);
  const seen = { old: 0, lost: 0, new: 0 };
  let outcome: keyof typeof seen = 'old';
  for (let k = 0; k <= changes.length; k++) {
    // A store of what is there already leaves everything as it was.
    if (k > 0 && changes[k - 1] === true) {
      restore(memory, base);
      memory.left = k;
      try {
        change(memory);
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
      }
      memory.left = Infinity;
      const found = look();
      if (equals(found, fresh)) outcome = 'new';
      else if (equals(found, old)) outcome = 'old';
      else if (mayBeLost && isProblem(found)) outcome = 'lost';
      else throw new Error(`after ${k} of ${changes.length} stores: ${JSON.stringify(found)}`);
    }
    seen[outcome]++;
  }
  expect(seen.old).toBeGreaterThan(0);
  expect(seen.new).toBeGreaterThan(0);
  return seen;
}

const equals = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The frames with something in them: all that is looked at lies in front of the domains. */
function snapshot(memory: MachineMemory): Map<number, Uint8Array> {
  const frames = new Map<number, Uint8Array>();
  for (let n = 0; n < 600; n++) if (memory.isTouched(Mfn(n))) frames.set(n, memory.frame(Mfn(n)).slice());
  return frames;
}

function restore(memory: MachineMemory, frames: ReadonlyMap<number, Uint8Array>): void {
  for (let n = 0; n < 600; n++) {
    const bytes = frames.get(n);
    if (bytes !== undefined) memory.restore(Mfn(n), 0, bytes);
    else if (memory.isTouched(Mfn(n))) memory.restore(Mfn(n), 0, new Uint8Array(4096));
  }
}

const maps = Object.fromEntries(ARCHS.map((arch) => [arch, planMemory(FRAMES, arch)!])) as Record<Arch, MemoryMap>;

describe.each(ARCHS)('on %s, cut after each store', (arch) => {
  const map = maps[arch];

  it('the root record is none, or whole, when it is cut after a store', () => {
    const nothing = cutEverywhere({
      before: () => undefined,
      change: (memory) => writeRoot(memory, map),
      read: (memory) => parseRoot(memory),
    });
    // 128 bytes: the last of 32 stores is the commit.
    expect(nothing).toEqual({ old: expect.any(Number) as number, lost: expect.any(Number) as number, new: 1 });
    expect(nothing.old + nothing.lost).toBe(32);
    const other = maps[arch === 'x86_64' ? 'x86_32' : 'x86_64'];
    cutEverywhere({
      before: (memory) => writeRoot(memory, other),
      change: (memory) => writeRoot(memory, map),
      read: (memory) => parseRoot(memory),
    });
  });

  const A: DomainRecord = {
    domid: DomId(3),
    device: 1,
    nrPages: 1030,
    bootPages: 6,
    p2mMfn: Mfn(200),
    p2mCrc: 0xdeadbeef,
    consumed: false,
    name: 'eins',
    recencyCrc: undefined,
    boots: 2,
    store: { identity: 'a disk', firstBlock: 16, sectorCount: 8 * 2000, generation: 9 },
  };
  const B: DomainRecord = {
    ...A,
    device: 2,
    store: { identity: 'another disk', firstBlock: 0, sectorCount: 2 ** 33, generation: 5 + 2 ** 34 },
    nrPages: 1040,
    bootPages: 7,
    p2mMfn: Mfn(201),
    p2mCrc: 0x1234,
    name: 'a longer name of zwei',
    recencyCrc: 0xfeedface,
    boots: 3,
  };
  const neighbours = [2, 4].map((domid): DomainRecord => ({ ...A, domid: DomId(domid), name: `of ${domid}` }));
  const domain = (change: Change['change'], records: readonly DomainRecord[] = [A]): Change => ({
    before: (memory) => {
      for (const each of [...neighbours, ...records]) writeDomainRecord(memory, map, each);
    },
    change,
    read: (memory) => {
      for (const each of neighbours)
        expect(parseDomainRecord(memory, map, each.domid)).toEqual({ ok: true, value: each });
      return parseDomainRecord(memory, map, A.domid) ?? err('none');
    },
  });

  it('a domain record is the old one, the new one, or has a flaw; its neighbours are as they were', () => {
    const first = cutEverywhere(domain((memory) => writeDomainRecord(memory, map, A), []));
    expect(first.new).toBe(1);
    expect(first.old + first.lost).toBe(64);
    expect(cutEverywhere(domain((memory) => writeDomainRecord(memory, map, B))).new).toBe(1);
    expect(cutEverywhere(domain((memory) => setP2mCrc(memory, map, A.domid, 7))).new).toBe(1);
    expect(cutEverywhere(domain((memory) => sealRecency(memory, map, A.domid, 9))).new).toBe(1);
    cutEverywhere(domain((memory) => eraseDomainRecord(memory, map, A.domid)));
  });

  it('a domain record that is taken is there, or is consumed', () => {
    const seen = cutEverywhere({
      ...domain((memory) => void consumeDomainRecord(memory, map, A.domid)),
      read: (memory) => consumeDomainRecord(memory, map, A.domid),
    });
    // One store.
    expect(seen).toEqual({ old: 1, lost: 0, new: 1 });
  });

  const state = (salt: number): DomainStateRecord => ({
    domid: DomId(3),
    sharedInfoPfn: Pfn(2 + salt),
    grantTablePfn: Pfn(5 + salt),
    hasRecency: salt > 0,
    program: [0x01020304 + salt, 0x05060708 + salt],
    registers: Uint32Array.from({ length: NR_REGISTERS }, (_, i) => 0x1000_0000 + i + salt),
    ports: Array.from({ length: 4 + salt }, (_, i) =>
      i === 0
        ? ({ state: 'free' } as const)
        : ({ state: 'interdomain', remote: DomId(9), remotePort: EvtchnPort(1000 + i + salt) } as const),
    ),
  });
  const flat = (memory: MachineMemory): unknown => {
    const parsed = parseDomainState(memory, map, DomId(3));
    return 'value' in parsed ? { ...parsed.value, registers: [...parsed.value.registers] } : parsed;
  };

  it('the state of a domain is the old one, the new one, or has a flaw', () => {
    const first = cutEverywhere({
      before: () => undefined,
      change: (memory) => writeDomainState(memory, map, state(0)),
      read: flat,
    });
    // The state's own checksum is the commit; behind it there are zeros up to the end of the frame.
    expect(first.old + first.lost).toBe(1024 + 32);
    cutEverywhere({
      before: (memory) => writeDomainState(memory, map, state(0)),
      change: (memory) => writeDomainState(memory, map, state(1)),
      read: flat,
    });
    cutEverywhere({
      before: (memory) => writeDomainState(memory, map, state(0)),
      change: (memory) => eraseDomainState(memory, map, DomId(3)),
      read: flat,
    });
  });

  const entries = (count: number, salt = 0): HandoverEntry[] =>
    Array.from({ length: count }, (_, n) => ({
      domid: DomId(n + 1),
      suspended: (n + salt) % 2 === 0,
      recordChecksum: 0x1111_0000 + n + salt,
    }));
  const handover = (from: HandoverEntry[] | undefined, change: Change['change']): Change => ({
    before: (memory) => {
      if (from !== undefined) writeHandover(memory, map, from);
    },
    change,
    read: (memory) => consumeHandover(memory, map),
  });

  it.each([1, 2, DOMAIN_SLOTS - 1])(
    'the handover record of %i domains is none, or whole, and is taken once',
    (count) => {
      const written = cutEverywhere(handover(undefined, (memory) => writeHandover(memory, map, entries(count))));
      expect(written.new).toBe(1);
      cutEverywhere(handover(entries(count), (memory) => writeHandover(memory, map, entries(count, 1))));
      expect(cutEverywhere(handover(entries(count), (memory) => void consumeHandover(memory, map)))).toEqual({
        old: 1,
        lost: 0,
        new: 1,
      });
      cutEverywhere(handover(entries(count), (memory) => eraseHandover(memory, map)));
    },
  );

  const box = (memory: MachineMemory): RecoveryBox => new RecoveryBox(memory, map, DomId(3));
  const item = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);
  const BOXES: readonly (readonly [
    string,
    readonly (readonly [number, Uint8Array])[],
    (box: RecoveryBox) => unknown,
  ])[] = [
    ['is begun', [], (it) => it.put(1, item(20, 1))],
    ['gets one more', [[1, item(20, 1)]], (it) => it.put(2, item(100, 2))],
    [
      'has one replaced',
      [
        [1, item(20, 1)],
        [2, item(8, 2)],
      ],
      (it) => it.put(1, item(20, 3)),
    ],
    ['has one replaced by an empty one', [[1, item(20, 1)]], (it) => it.put(1, item(0, 0))],
    [
      'loses one',
      [
        [1, item(20, 1)],
        [2, item(8, 2)],
      ],
      (it) => it.remove(1),
    ],
    [
      'moves to its other half',
      [
        [1, item(1500, 1)],
        [2, item(1500, 2)],
      ],
      (it) => it.put(1, item(1400, 3)),
    ],
    ['is filled to its last byte', [[1, item(20, 1)]], (it) => it.put(1, item(PAGE_SIZE - 32 - 16, 4))],
  ];
  it.each(BOXES)('a recovery box that %s has each item as it was, or as it became', (_, from, change) => {
    cutEverywhere({
      before: (memory) => {
        for (const [key, bytes] of from) expect(box(memory).put(key, bytes)).toBe(true);
      },
      change: (memory) => change(box(memory)),
      read: (memory) => {
        expect(box(memory).damaged).toBe(0);
        return box(memory)
          .keys()
          .sort((a, b) => a - b)
          .map((key) => [key, Buffer.from(box(memory).get(key)!).toString('hex')]);
      },
      mayBeLost: false,
    });
  });

  it('the writer stores nothing outside of its place', () => {
    const memory = new StoreByStore(FRAMES * PAGE_SIZE);
    box(memory).put(1, item(100, 1));
    const touched = Array.from({ length: FRAMES }, (_, n) => n).filter((n) => memory.isTouched(Mfn(n)));
    const first = map.boxMfn + 3 * BOX_FRAMES_EACH;
    expect(touched.every((n) => n >= first && n < first + BOX_FRAMES_EACH)).toBe(true);
  });

  it('the header of a save file is the old one, the new one, or has a flaw', () => {
    const header = (salt: number): SaveHeader => ({
      arch,
      consumed: false,
      bodyCrc: 0xdeadbeef + salt,
      nrPages: 1030 + salt,
      mappedPages: 1027 + salt,
      factCount: 5 + salt,
      bootPages: 6 + salt,
      boots: 2 + salt,
      name: salt === 0 ? 'eins' : 'and a longer one',
      cmdLine: salt === 0 ? 'cachemap=all' : '',
      store: { identity: `disk ${salt}`, firstBlock: salt, sectorCount: 8 * (100 + salt), generation: 7 * salt },
    });
    const blocks = [
      new Uint8Array(PAGE_SIZE),
      encodeSaveHeader(header(0)),
      encodeSaveHeader(header(1)),
      encodeSaveHeader({ ...header(1), consumed: true }),
    ];
    const read = (bytes: Uint8Array): unknown => decodeSaveHeader(bytes, arch);
    for (const [n, old] of blocks.entries())
      for (const [m, fresh] of blocks.entries()) {
        if (n === m) continue;
        const states = [read(old), read(fresh)];
        // Upwards, as a drive may that loses power, and downwards.
        for (let k = 0; k <= PAGE_SIZE; k += 4)
          for (const bytes of [
            Buffer.concat([fresh.subarray(0, k), old.subarray(k)]),
            Buffer.concat([old.subarray(0, k), fresh.subarray(k)]),
          ]) {
            const found = read(new Uint8Array(bytes));
            if (!isProblem(found) && !states.some((each) => equals(each, found)))
              throw new Error(`header ${n} to ${m}, ${k} bytes: ${JSON.stringify(found)}`);
          }
      }
  });
});

describe('a frame record, cut after each store', () => {
  const { S_CRC, S_DIRTY, S_NAMED, S_PRESERVED, S_PROTECTED, W_BLOCK, W_CHECK, W_CRC, W_PFN, W_STATE } = record;
  const own = record.identityOf(2, 1);
  /** Every kind of record that a table keeps; names and blocks of two kinds. */
  const kinds: (readonly [string, number, number, number])[] = [['free', 0, 0, 0]];
  for (const [provenance, name] of [
    [0, 'none'],
    [1, 'reading'],
    [2, 'clean'],
    [3, 'writing'],
  ] as const)
    for (const named of [0, S_NAMED, S_NAMED | S_PRESERVED])
      for (const dirty of provenance === 0 || provenance === 3 ? [0, S_DIRTY] : [0])
        for (const crc of dirty !== 0 || provenance === 2 ? [0, S_CRC] : [0])
          for (const salt of [0, 1]) {
            const guarded = provenance !== 0 || dirty !== 0 ? S_PROTECTED : 0;
            const state = (own | provenance | named | dirty | crc | guarded) >>> 0;
            kinds.push([
              `${name} ${named} ${dirty} ${crc} ${salt}`,
              state,
              provenance !== 0 || dirty !== 0 ? 1 : 0,
              salt,
            ]);
          }
  const wordsOf = ([, state, hasBlock, salt]: (typeof kinds)[number]): Uint32Array => {
    const named = (state & S_NAMED) !== 0;
    const words = Uint32Array.of(
      state,
      named ? 12 + salt : 0,
      named ? 7 + salt : 0,
      named ? 30 + salt : 0,
      hasBlock !== 0 ? 500 + salt : 0,
      (state & S_CRC) !== 0 ? 0xabc + salt : 0,
      state === 0 ? 0 : 77,
      0,
    );
    words[W_CHECK] = record.checkWord(words, 0, state);
    return words;
  };
  const stored = kinds.map(wordsOf);

  /** What a reader learns who does not look at the check word: the name, and the block. */
  function claims(words: Uint32Array): string[] {
    const state = words[W_STATE]!;
    const block = words[W_BLOCK]!;
    const said: string[] = [];
    if ((state & S_NAMED) !== 0) said.push(`name ${[...words.subarray(1, 4)].join()}`);
    if ((state & 3) !== 0) said.push(`${state & 3} of block ${block}`);
    if ((state & S_DIRTY) !== 0) said.push(`newer than block ${block}`);
    return said;
  }

  const sealed = (words: Uint32Array): Uint32Array => {
    words[W_CHECK] = record.checkWord(words, 0, words[W_STATE]!);
    return words;
  };
  const KEPT = record.S_IDENTITY | S_NAMED | S_PRESERVED;
  const stateOf = (before: Uint32Array, from: Uint32Array): number =>
    ((before[W_STATE]! & KEPT) | (from[W_STATE]! & ~KEPT)) >>> 0;
  const identity = (from: Uint32Array): number => (from[W_STATE]! & record.S_IDENTITY) >>> 0;
  /** Writers of a record, which take something from another, and what they make of it. */
  const writers = [
    {
      name: 'of another owner',
      write: (words: Uint32Array, from: Uint32Array) => {
        record.publishBlank(words, 0, identity(from), from[W_PFN]!);
      },
      made: (_: Uint32Array, from: Uint32Array) =>
        sealed(Uint32Array.of(identity(from), 0, 0, 0, 0, 0, from[W_PFN]!, 0)),
    },
    {
      name: 'of another provenance',
      write: (words: Uint32Array, from: Uint32Array) => {
        record.writeProvenance(words, 0, stateOf(words, from), from[W_BLOCK]!, from[W_CRC]!);
      },
      made: (before: Uint32Array, from: Uint32Array) => {
        const words = before.slice();
        words[W_STATE] = stateOf(before, from);
        words[W_BLOCK] = from[W_BLOCK]!;
        words[W_CRC] = from[W_CRC]!;
        return sealed(words);
      },
    },
  ];

  it.each(writers)(
    `a frame record that becomes one $name and is cut is old, new or invalid, and never claims what was true neither before nor after: ${kinds.length}² changes`,
    ({ write, made }) => {
      let cuts = 0;
      let invalid = 0;
      for (const before of stored)
        for (const from of stored) {
          const after = made(before, from);
          const true_ = new Set([...claims(before), ...claims(after)]);
          const [old, fresh] = [before.join(), after.join()];
          let isDone = false;
          for (let k = 0; !isDone; k++) {
            const words = before.slice();
            let left = k;
            const guarded = new Proxy(words, {
              get: (target, key) => Reflect.get(target, key) as unknown,
              set: (target, key, value) => {
                if (left-- === 0) throw new Cut();
                return Reflect.set(target, key, value);
              },
            });
            try {
              write(guarded, from);
              isDone = true;
            } catch (error) {
              if (!(error instanceof Cut)) throw error;
            }
            cuts++;
            const now = words.join();
            if (isDone) {
              if (now !== fresh) throw new Error(`${old} → ${fresh}: ended as ${now}`);
            } else if (record.recordIsIntact(words, 0)) {
              if (now !== old && now !== fresh) throw new Error(`${old} → ${fresh}: intact after ${k} stores: ${now}`);
            } else invalid++;
            for (const claim of claims(words))
              if (!true_.has(claim)) throw new Error(`${old} → ${fresh}: after ${k} stores it claims ${claim}`);
          }
        }
      // Four stores at least, and as many moments before each.
      expect(cuts).toBeGreaterThan(5 * stored.length ** 2 - 1);
      expect(invalid).toBeGreaterThan(stored.length ** 2);
    },
  );
});

/** Suspends itself when Xen asks it to. */
function suspends({ domain, sharedInfo }: MiniGuest): void {
  const { memory, hypercalls } = domain.environment;
  const port = hypercalls.eventChannels.bindVirq(Virq.suspend);
  const { mask } = SHARED_INFO.offset;
  memory.writeU32(sharedInfo, mask, memory.readU32(sharedInfo, mask) & ~(1 << port));
  domain.environment.spawn(
    'suspends',
    (function* (): Process {
      while ((memory.readU32(sharedInfo, SHARED_INFO.offset.pending) & (1 << port)) === 0) yield Ns(10);
      yield* hypercalls.suspend(REGISTERS);
    })(),
  );
}

describe('a handover to the next hypervisor, cut after each store', () => {
  it('a handover that is cut leaves both domains, whole, or none and a reason', () => {
    // One machine for all: its memory is brought back to what it was.
    const machine = bootMachine(1);
    const guests = ['a', 'b'].map((name) => startGuest(machine, name));
    for (const guest of guests) cacheBlocks(machine, guest, [3, 9], 100);
    // From here on they ask every so often: the simulation does not run dry any more.
    for (const guest of guests) suspends(guest);
    const { simulation, hypervisor, toolstack, memory } = machine;
    simulation.runProcess('domain 0 goes', shutdownDomain0(hypervisor, toolstack));
    expect(simulation.runProcess('suspend', suspendDomains(hypervisor, toolstack))).toEqual([]);
    const bytes: [number, number, Uint8Array][] = [];
    const copyIn = memory.copyIn.bind(memory);
    memory.copyIn = (mfn, offset, src, srcOffset, length) => {
      bytes.push([mfn, offset, src.slice(srcOffset, srcOffset + length)]);
    };
    simulation.runProcess('hand over', handOver(hypervisor, toolstack));
    memory.copyIn = copyIn;
    hypervisor.halt();
    // The stores, in order: two domain records of 64 words, two states of two frames each, and the
    // record.
    const stores = bytes.flatMap(([mfn, offset, src]) =>
      Array.from({ length: Math.ceil(src.length / 4) }, (_, i) => ({ mfn, offset: offset + 4 * i, src, at: 4 * i })),
    );
    expect(stores.length).toBe(2 * 64 + 2 * 2 * 1024 + bytes.at(-1)![2].length / 4);
    const base = Array.from({ length: memory.frameCount }, (_, n) => memory.frame(Mfn(n)).slice());
    const outcomes = { none: 0, both: 0 };
    // All about the record's own stores and the ends of frames; else a sample.
    const isNear = (k: number): boolean => (k <= 128 && k % 16 < 2) || (k - 128) % 1024 < 3 || k > stores.length - 4;
    const others = Array.from({ length: stores.length + 1 }, (_, k) => k).filter((k) => !isNear(k));
    const played = new Set(casesOf('a hand-over cut at a store', '', others, { sample: 20 }));
    for (let k = 0; k <= stores.length; k++) {
      if (!isNear(k) && !played.has(k)) continue;
      for (let n = 0; n < memory.frameCount; n++)
        if (Buffer.compare(memory.frame(Mfn(n)), base[n]!) !== 0) memory.restore(Mfn(n), 0, base[n]!);
      for (const { mfn, offset, src, at } of stores.slice(0, k)) memory.copyIn(Mfn(mfn), offset, src, at, 4);
      const found = Hypervisor.reload(simulation, memory, COSTS, { kernelPages: 2 });
      const left = found.hypervisor.left.map(({ record: { name }, state }) => [name, state !== undefined]);
      if (found.problem !== undefined) {
        expect([left, found.lost]).toEqual([[], []]);
        expect(found.problem).toMatch(/^handover record: (none|bad|unknown)/);
        outcomes.none++;
      } else {
        expect([left, found.lost]).toEqual([
          [
            ['a', true],
            ['b', true],
          ],
          [],
        ]);
        outcomes.both++;
      }
      found.hypervisor.halt();
    }
    // The record's last store is the commit.
    expect(outcomes.both).toBe(1);
    expect(outcomes.none).toBeGreaterThan(50);
  });
});
