/**
 * The faults: they strike a dying guest, or what it leaves in memory for the next one. Each names
 * the protections that guard against it. Any one of them is enough; without all of them a page is
 * reused wrongly.
 *
 * A fault at death uses only what a guest has: its memory and its hypercalls. A fault between
 * guests changes machine memory as hardware does, past all page tables. A seeded stream says where
 * faults strike.
 */

import { GuestPanic } from '../../base/errno.ts';
import { PAGE_SIZE, PageIndex, Pfn, SECTORS_PER_PAGE, type Ino, type Mfn } from '../../base/units.ts';
import type { RandomStream } from '../../sim/index.ts';
import {
  checkWord,
  RECORD_WORDS,
  S_CRC,
  W_BLOCK,
  W_CHECK,
  W_GENERATION,
  W_INDEX,
  W_INO,
  W_PFN,
  W_STATE,
} from '../../xen/frames/frame-record.ts';
import { type Protections } from '../../xen/index.ts';
import { CacheMapBatch } from '../../xen/public/index.ts';
import { DOMAIN_RECORD_BYTES } from '../../xen/records/layouts.ts';
import type { Guest, Testbed } from '../../experiment/host/testbed.ts';

export const FAULTS = [
  'crash',
  'wild-store',
  'forged-name',
  'duplicate-name',
  'old-generation',
  'bit-flip',
  'stray-dma',
  'torn-record',
  'forged-record',
  'damaged-table',
  'dirty-wild-store',
  'dirty-bit-flip',
  'dirty-record',
] as const;
export type FaultName = (typeof FAULTS)[number];

/** Where a fault strikes. */
export interface FaultScene {
  readonly testbed: Testbed;
  /** The dying guest; between guests it is gone. */
  readonly guest: Guest;
  /**
   * Named frames; between guests the preserved ones; for faults of dirty pages the frames of dirty
   * pages.
   */
  readonly frames: readonly Mfn[];
  readonly random: RandomStream;
}

export interface Fault {
  /** One line, for the help and the documents. */
  readonly meaning: string;
  readonly guards: readonly (keyof Protections)[];
  /**
   * It strikes dirty pages that are to survive the crash (Rio); the question is which of them are
   * written home.
   */
  readonly isOfDirtyPages?: true;
  /** Returns how many faults were injected. Undefined: the guest just dies. */
  readonly atDeath?: ((scene: FaultScene) => number) | undefined;
  readonly betweenGuests?: ((scene: FaultScene) => number) | undefined;
}

/**
 * Faults a run, for faults of single pages: enough to hit, few enough to leave most pages alone.
 */
const STRIKES = 24;
/**
 * Stores of a guest that goes wild; they strike anywhere in its memory, 3,072 pages.
 */
const WILD_STORES = 256;

export const FAULT: Readonly<Record<FaultName, Fault>> = {
  crash: {
    meaning: 'nothing but the crash itself: dirty pages, requests in flight',
    guards: ['provenance', 'checksum'],
  },
  'wild-store': {
    meaning: 'the dying guest stores to pages at random',
    guards: ['writeProtection', 'checksum'],
    atDeath: wildStores,
  },
  'forged-name': {
    meaning: 'the dying guest exchanges the names of two pages',
    guards: ['blockCheck'],
    atDeath: (scene) =>
      rename(scene, ([a, b]) => [
        { ...b, pfn: a.pfn },
        { ...a, pfn: b.pfn },
      ]),
  },
  'duplicate-name': {
    meaning: 'the dying guest gives a page the name that another has',
    guards: ['blockCheck'],
    atDeath: (scene) => rename(scene, ([a, b]) => [{ ...b, pfn: a.pfn }]),
  },
  'old-generation': {
    meaning: 'a page of a deleted file keeps its name, and the inode is used again',
    guards: ['generation', 'blockCheck'],
    atDeath: (scene) => rename(scene, ([a, b]) => [{ ...b, pfn: a.pfn, generation: b.generation - 1 }, { pfn: b.pfn }]),
  },
  'bit-flip': {
    meaning: 'a bit of a preserved page flips',
    guards: ['checksum'],
    betweenGuests: (scene) => strike(scene, STRIKES, flipBit),
  },
  'stray-dma': {
    meaning: 'a device writes a block into a preserved page',
    guards: ['checksum'],
    betweenGuests: (scene) => strike(scene, STRIKES, strayDma),
  },
  'torn-record': {
    meaning: 'a frame record is overwritten by the first words of another, and no more',
    guards: ['recordCheck'],
    betweenGuests: (scene) => strike(scene, STRIKES, tearRecord),
  },
  'forged-record': {
    meaning: 'a frame record says what another says, and its check word is right',
    guards: ['checksum'],
    betweenGuests: (scene) => strike(scene, STRIKES, forgeRecord),
  },
  'damaged-table': {
    meaning: "a byte of the domain's record or P2M list changes: the table as a whole is not believed",
    guards: [],
    betweenGuests: damageTable,
  },
  'dirty-wild-store': {
    meaning: 'the dying guest stores to dirty pages at random',
    guards: ['dirtyProtection', 'checksum'],
    isOfDirtyPages: true,
    atDeath: (scene) => strike(scene, STRIKES, wildStoreToDirty),
  },
  'dirty-bit-flip': {
    meaning: 'a bit of a dirty page flips',
    guards: ['checksum'],
    isOfDirtyPages: true,
    atDeath: (scene) => strike(scene, STRIKES, flipBit),
  },
  'dirty-record': {
    meaning: "the block in a dirty page's record changes",
    guards: ['recordCheck'],
    isOfDirtyPages: true,
    atDeath: (scene) => strike(scene, STRIKES, damageBlock),
  },
};

function pick<T>(random: RandomStream, items: readonly T[]): T {
  return items[random.below(items.length)]!;
}

function strike(scene: FaultScene, times: number, once: (scene: FaultScene) => void): number {
  if (scene.frames.length < 2) return 0;
  for (let i = 0; i < times; i++) once(scene);
  return times;
}

function wildStores({ guest, random }: FaultScene): number {
  const { memory } = guest.domain.environment;
  for (let i = 0; i < WILD_STORES; i++)
    memory.writeU32(Pfn(random.below(memory.nrPages)), 4 * random.below(PAGE_SIZE / 4), random.u32());
  return WILD_STORES;
}

/** An entry that the guest tells: a page and its name, or a page without a name. */
interface Told {
  readonly pfn: number;
  readonly ino?: number;
  readonly generation?: number;
  readonly index?: number;
}

function rename(scene: FaultScene, forge: (pair: [Required<Told>, Required<Told>]) => readonly Told[]): number {
  const { hypercalls } = scene.guest.domain.environment;
  return strike(scene, STRIKES, ({ testbed, frames, random }) => {
    const told = (): Required<Told> => {
      const words = wordsOf(testbed);
      const at = pick(random, frames) * RECORD_WORDS;
      return {
        pfn: words[at + W_PFN]!,
        ino: words[at + W_INO]!,
        generation: words[at + W_GENERATION]!,
        index: words[at + W_INDEX]!,
      };
    };
    const batch = new CacheMapBatch(2);
    for (const { pfn, ino, generation, index } of forge([told(), told()]))
      if (ino === undefined) batch.erase(Pfn(pfn));
      else batch.insert(Pfn(pfn), ino as Ino, generation! >>> 0, PageIndex(index!));
    hypercalls.cacheMapOp(batch);
  });
}

function wildStoreToDirty({ testbed, guest, frames, random }: FaultScene): void {
  const pfn = testbed.hypervisor.frames.pfnOf(pick(random, frames));
  try {
    guest.domain.environment.memory.writeU32(pfn, 4 * random.below(PAGE_SIZE / 4), random.u32());
  } catch (error) {
    // Refused, because a kernel would die of the first one.
    if (!(error instanceof GuestPanic)) throw error;
  }
}

function damageBlock({ testbed, frames, random }: FaultScene): void {
  const blocks = Math.floor(testbed.drive.sectorCount / SECTORS_PER_PAGE);
  wordsOf(testbed)[pick(random, frames) * RECORD_WORDS + W_BLOCK] = random.below(blocks);
}

function flipBit({ testbed, frames, random }: FaultScene): void {
  const { memory } = testbed.hypervisor;
  const [mfn, at] = [pick(random, frames), random.below(PAGE_SIZE)];
  memory.writeU8(mfn, at, memory.readU8(mfn, at) ^ (1 << random.below(8)));
}

function strayDma({ testbed, frames, random }: FaultScene): void {
  const { drive } = testbed;
  const block = random.below(Math.floor(drive.sectorCount / SECTORS_PER_PAGE));
  const segments = [{ mfn: pick(random, frames), offset: 0, length: PAGE_SIZE }];
  drive.submit({ op: 'read', sector: block * SECTORS_PER_PAGE, segments, done: () => undefined });
}

function tearRecord({ testbed, frames, random }: FaultScene): void {
  const words = wordsOf(testbed);
  const [to, from] = [pick(random, frames) * RECORD_WORDS, pick(random, frames) * RECORD_WORDS];
  words.copyWithin(to, from, from + 1 + random.below(RECORD_WORDS - 1));
}

/**
 * The record is intact and has another record's contents; half of the time it claims no checksum.
 */
function forgeRecord({ testbed, frames, random }: FaultScene): void {
  const words = wordsOf(testbed);
  const [to, from] = [pick(random, frames) * RECORD_WORDS, pick(random, frames) * RECORD_WORDS];
  words.copyWithin(to, from, from + W_PFN);
  if (random.below(2) === 0) words[to + W_STATE]! &= ~S_CRC;
  words[to + W_CHECK] = checkWord(words, to, words[to + W_STATE]!);
}

function damageTable({ testbed, guest, random }: FaultScene): number {
  const { memory, map } = testbed.hypervisor;
  // The domain's record; or its P2M list, which begins with the first frame of the lists.
  const [mfn, at] =
    random.below(2) === 0
      ? [map.domainTableMfn, guest.domain.domid * DOMAIN_RECORD_BYTES + random.below(DOMAIN_RECORD_BYTES)]
      : [map.p2mMfn, random.below(PAGE_SIZE)];
  memory.writeU8(mfn, at, memory.readU8(mfn, at) ^ (1 + random.below(255)));
  return 1;
}

function wordsOf({ hypervisor }: Testbed): Uint32Array {
  return hypervisor.memory.words(hypervisor.map.tableMfn, hypervisor.map.tableFrames);
}
