/** What every writer of frame records makes of a record that was damaged before. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DomId, Ino, Lba, Mfn, PAGE_SIZE, PageIndex, Pfn } from '../../../src/base/index.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { CpuClock } from '../../../src/sim/cpu-clock.ts';
import { Simulation } from '../../../src/sim/simulation.ts';
import { CacheMap } from '../../../src/xen/frames/cache-map.ts';
import { DomainMemory } from '../../../src/xen/frames/domain-memory.ts';
import { ownerOfDomain, RECORD_WORDS, recordIsIntact, W_STATE } from '../../../src/xen/frames/frame-record.ts';
import { FrameTable } from '../../../src/xen/frames/frame-table.ts';
import { P2mLists } from '../../../src/xen/frames/p2m.ts';
import { RecencyTable } from '../../../src/xen/frames/recency.ts';
import { DEFAULT_PROTECTIONS, type Protections } from '../../../src/xen/protections.ts';
import { CacheMapBatch, noReasons, Reason } from '../../../src/xen/public/index.ts';
import { planMemory } from '../../../src/xen/records/layouts.ts';
import { property } from '../../support/property.ts';

const GUEST = DomId(1);
const OWNER = ownerOfDomain(GUEST);
const DEVICE = 0;
/** The page that is damaged, and another one. */
const [PAGE, OTHER] = [Pfn(0), Pfn(1)];
const BLOCK = 5;

/** Two pages of a guest, and all that writes to their records. */
class Rig {
  readonly table: FrameTable;
  readonly refused = noReasons();
  readonly map: CacheMap;
  readonly batch = new CacheMapBatch(1);
  readonly guest: DomainMemory;
  readonly words: Uint32Array;
  readonly at: number;
  readonly #first: number;
  /** Ends of the transfers in flight. */
  readonly #ends: ((ok: boolean) => void)[] = [];
  readonly #list;

  constructor(given: Partial<Protections>) {
    let count = 2;
    let map = planMemory(count, 'x86_64');
    while (map === undefined || map.frameCount - map.firstDomainMfn < 2) map = planMemory(++count, 'x86_64');
    const memory = new MachineMemory(map.frameCount * PAGE_SIZE);
    const protections = { ...DEFAULT_PROTECTIONS, dirtyProtection: true, ...given };
    const devices = { placeOf: (device: number, block: number) => device * 2 ** 32 + block };
    this.table = new FrameTable(memory, map, protections, devices, undefined);
    this.words = memory.words(map.tableMfn, map.tableFrames);
    this.#first = map.firstDomainMfn;
    this.at = this.#first * RECORD_WORDS;
    const lists = new P2mLists(memory, map);
    const mfn = lists.allocate(2);
    const p2m = mfn.ok ? lists.view(mfn.value, 2) : undefined;
    if (p2m === undefined) throw new Error('no room for a list');
    this.#list = p2m;
    for (const pfn of [PAGE, OTHER]) p2m.set(pfn, this.mfn(pfn));
    const costs = new Proxy({}, { get: () => 0 }) as ConstructorParameters<typeof CacheMap>[0]['costs'];
    this.map = new CacheMap(
      { frames: this.table, protections, costs, recency: new RecencyTable(memory, map) },
      { domid: GUEST, p2m, disk: { number: DEVICE, isChanged: false }, refused: this.refused, hasRecency: false },
    );
    const memoryCosts = { trapNs: 0, windowNs: 0, sealNs: 0 };
    const place = { memory, frames: this.table, words: p2m.words, stride: p2m.stride, memoryCosts };
    this.guest = new DomainMemory({ place, log: undefined }, 2, new CpuClock(new Simulation(1)));
  }

  mfn(pfn: Pfn): Mfn {
    return Mfn(this.#first + pfn);
  }

  /** Nothing is known of either page, and nothing is in flight. */
  reset(): void {
    while (this.#ends.length > 0) this.end(true);
    for (const pfn of [PAGE, OTHER]) this.table.assign(this.mfn(pfn), OWNER, pfn, DEVICE);
    Object.assign(this.refused, noReasons());
  }

  read(pfn: Pfn, block: number): void {
    const mfn = this.mfn(pfn);
    this.table.beginRead(mfn, DEVICE, block);
    this.#ends.push((ok) => this.table.endRead(mfn, block, ok));
  }

  write(pfn: Pfn, block: number, whole: boolean): void {
    const mfn = this.mfn(pfn);
    this.table.beginWrite(mfn, DEVICE, block, block, whole);
    this.#ends.push((ok) => this.table.endWrite(mfn, DEVICE, block, block, whole, ok));
  }

  /** The transfer that was begun first ends, if there is one. */
  end(ok: boolean): void {
    this.#ends.shift()?.(ok);
  }

  /** Performs one entry; returns its result. */
  ask(fill: (batch: CacheMapBatch) => void): number {
    this.batch.reset();
    fill(this.batch);
    this.map.perform(this.batch);
    return this.batch.result(0);
  }

  preserve(): void {
    this.table.setPreserved(this.mfn(PAGE), true);
    this.table.unlinkAll(Uint32Array.of(this.mfn(PAGE)), 0, 1);
    this.table.index(Uint32Array.of(this.mfn(PAGE)), 0, 1, Uint8Array.of(1), 1, 2);
  }

  distrust(): void {
    if (!this.table.isInFlight(this.mfn(PAGE)) && !this.table.isInFlight(this.mfn(OTHER)))
      this.table.distrust(this.#list);
  }

  forgetDevice(): void {
    if (!this.table.isInFlight(this.mfn(PAGE)) && !this.table.isInFlight(this.mfn(OTHER)))
      this.table.forgetDevice(DEVICE);
  }

  get isIntact(): boolean {
    return recordIsIntact(this.words, this.at);
  }
}

const claim = (rig: Rig): void => {
  if (rig.ask((batch) => batch.claim(Ino(12), 1, PageIndex(3), Lba(BLOCK))) === Reason.ok)
    throw new Error('a page is taken over');
};
const name = (rig: Rig): void => {
  rig.ask((batch) => batch.insert(PAGE, Ino(12), 1, PageIndex(3)));
};
const dirty = (rig: Rig): void => {
  rig.ask((batch) => batch.dirty(PAGE, Lba(BLOCK)));
};

/** Everything that writes to the records of frames that have an owner. */
const WRITERS: Readonly<Record<string, (rig: Rig) => void>> = {
  'a read': (rig) => rig.read(PAGE, BLOCK),
  'a read of another block': (rig) => rig.read(PAGE, BLOCK + 1),
  'a read of less than a block': (rig) => rig.read(PAGE, -1),
  'a write': (rig) => rig.write(PAGE, BLOCK, true),
  'a write of less than a block': (rig) => rig.write(PAGE, BLOCK, false),
  'a write of another page': (rig) => rig.write(OTHER, BLOCK, true),
  'a transfer that ends': (rig) => rig.end(true),
  'a transfer that fails': (rig) => rig.end(false),
  'a write from elsewhere': ({ table }) => {
    table.beginElsewhere(DEVICE, BLOCK);
    table.endElsewhere(DEVICE, BLOCK);
  },
  'a name': name,
  'another name': (rig) => rig.ask((batch) => batch.insert(PAGE, Ino(13), 2, PageIndex(4))),
  'an erased name': (rig) => rig.ask((batch) => batch.erase(PAGE)),
  'a page that is dirty': dirty,
  'a store': ({ guest }) => guest.writeU32(PAGE, 0, 7),
  'a store of the hypervisor': (rig) => rig.table.stored(rig.mfn(PAGE)),
  'a window': ({ guest }) => {
    guest.open(PAGE);
    guest.writeU32(PAGE, 0, 8);
    guest.close(PAGE);
  },
  'a store of a program': ({ guest }) => guest.expose(PAGE),
  'a claim': claim,
  'a page given back': (rig) => rig.ask((batch) => batch.release(PAGE)),
  'a block that is freed': (rig) => rig.ask((batch) => batch.discard(Lba(BLOCK))),
  'a disk that is not trusted': (rig) => rig.distrust(),
  'a device that is gone': (rig) => rig.forgetDevice(),
};

const read = (rig: Rig): void => rig.read(PAGE, BLOCK);
const end = (rig: Rig): void => rig.end(true);
const write = (rig: Rig): void => rig.write(PAGE, BLOCK, true);

/** How a page comes to be what it is when its record is damaged. */
const BEFORE: Readonly<Record<string, readonly ((rig: Rig) => void)[]>> = {
  blank: [],
  named: [name],
  'being read': [name, read],
  clean: [read, end, name],
  'clean without a name': [read, end],
  'being written': [name, write],
  dirty: [name, dirty],
  'dirty, and being written': [name, dirty, write],
  'dirty, and stored to by a program': [name, dirty, (rig) => rig.guest.expose(PAGE)],
  preserved: [read, end, name, (rig) => rig.preserve()],
};

/** Every bit of the state, and of each other word its lowest, its highest and all. */
const DAMAGES = Array.from({ length: RECORD_WORDS }, (_, word) =>
  (word === W_STATE ? Array.from({ length: 32 }, (__, bit) => 1 << bit) : [1, 1 << 31, -1]).map(
    (bits) => [word, bits] as const,
  ),
).flat();

const RIGS = [new Rig({}), new Rig({ checksum: true }), new Rig({ dirtyProtection: false })];

/** @throws Error where the record is believed again, or an exception comes out of a writer */
function play(rig: Rig, before: string, [word, bits]: readonly [number, number], writers: readonly string[]): void {
  rig.reset();
  for (const step of BEFORE[before]!) step(rig);
  if (!rig.isIntact) throw new Error('it is damaged too early');
  rig.words[rig.at + word]! ^= bits;
  if (rig.isIntact) throw new Error('the damage is not noticed');
  for (const writer of writers) {
    WRITERS[writer]!(rig);
    // What was refused for its record is blank from then on, and was counted.
    if (rig.refused.corruptRecord > 0 && rig.isIntact) return;
    if (rig.isIntact) throw new Error(`${before}, word ${word} ^ ${bits}: ${writers.join(', ')}: believed again`);
  }
  const reason = rig.table.whyNotReused(rig.mfn(PAGE), 1, BLOCK);
  if (reason !== Reason.corruptRecord) throw new Error(`${before}: not refused as a corrupt record`);
}

describe('a damaged record', () => {
  it('a damaged record stays damaged whatever one writer does, and no writer ends in an exception', () => {
    let cases = 0;
    for (const rig of RIGS)
      for (const before of Object.keys(BEFORE))
        for (const damage of DAMAGES)
          for (const writer of Object.keys(WRITERS)) {
            play(rig, before, damage, [writer]);
            cases++;
          }
    expect(cases).toBe(3 * 10 * 53 * 22);
  });

  property(
    'a damaged record stays damaged whatever many writers do, and none ends in an exception',
    fc.constantFrom(...RIGS),
    fc.constantFrom(...Object.keys(BEFORE)),
    fc.constantFrom(...DAMAGES),
    fc.array(fc.constantFrom(...Object.keys(WRITERS)), { minLength: 2, maxLength: 8 }),
    play,
    { numRuns: 3000, lawRuns: 300_000 },
  );

  it('a record that is damaged in the middle of a read is no exception at the next one, and is lost with a reason', () => {
    const [rig] = RIGS as [Rig];
    rig.reset();
    read(rig);
    name(rig);
    rig.words[rig.at + 4]! ^= 1;
    end(rig);
    read(rig);
    end(rig);
    expect(rig.isIntact).toBe(false);
    expect(rig.table.whyNotReused(rig.mfn(PAGE), 1, BLOCK)).toBe(Reason.corruptRecord);
  });

  it('a page whose block was damaged before it was named is not handed over as that block', () => {
    const [rig] = RIGS as [Rig];
    rig.reset();
    rig.read(PAGE, BLOCK ^ 1);
    end(rig);
    rig.words[rig.at + 4]! ^= 1;
    name(rig);
    rig.preserve();
    expect(rig.ask((batch) => batch.claim(Ino(12), 1, PageIndex(3), Lba(BLOCK)))).toBe(Reason.corruptRecord);
    expect(rig.isIntact).toBe(true);
  });

  it('a page that is still named is not taken for one set aside, whatever bit of its record changes', () => {
    const [rig] = RIGS as [Rig];
    rig.reset();
    for (const step of BEFORE['clean']!) step(rig);
    rig.words[rig.at + W_STATE]! ^= 0x10;
    expect(rig.table.isPreserved(rig.mfn(PAGE))).toBe(true);
    expect(rig.ask((batch) => batch.discard(Lba(BLOCK)))).toBe(Reason.absent);
    expect(rig.ask((batch) => batch.release(PAGE))).toBe(Reason.absent);
    expect(rig.refused).toMatchObject({ corruptRecord: 0, released: 0 });
  });

  it('a preserved page whose record hides that it is, is not handed out, and is counted once', () => {
    const [rig] = RIGS as [Rig];
    rig.reset();
    for (const step of BEFORE['preserved']!) step(rig);
    rig.words[rig.at + W_STATE]! ^= 0x10;
    claim(rig);
    claim(rig);
    expect(rig.batch.result(0)).toBe(Reason.absent);
    expect(rig.refused).toMatchObject({ corruptRecord: 1, absent: 1 });
  });
});
