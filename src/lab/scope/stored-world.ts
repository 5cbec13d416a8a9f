/**
 * The real parts of a small machine, and how a state is put into them and taken out again. What
 * happens between the two is in world.ts.
 */

import { assert } from '../../base/assert.ts';
import { crc32c } from '../../base/crc32c.ts';
import { DomId, Mfn, PAGE_SIZE, Pfn } from '../../base/units.ts';
import { MachineMemory } from '../../machine/memory.ts';
import { values } from '../../machine/profile.ts';
import { SERVER_2026 } from '../../machine/profiles/server-2026.ts';
import { CpuClock } from '../../sim/cpu-clock.ts';
import { Simulation } from '../../sim/simulation.ts';
import type { BootRegion } from '../../xen/domain/build.ts';
import { CacheMap } from '../../xen/frames/cache-map.ts';
import { DomainMemory } from '../../xen/frames/domain-memory.ts';
import * as record from '../../xen/frames/frame-record.ts';
import { checkWord, identityOf, ownerOfDomain, recordIsIntact } from '../../xen/frames/frame-record.ts';
import type { FrameTable } from '../../xen/frames/frame-table.ts';
import { NO_FRAME, type P2mList, P2mLists } from '../../xen/frames/p2m.ts';
import { FrameAllocator } from '../../xen/frames/page-alloc.ts';
import { RecencyTable } from '../../xen/frames/recency.ts';
import { DEFAULT_PROTECTIONS, type Protections } from '../../xen/protections.ts';
import { CacheMapBatch, noReasons } from '../../xen/public/index.ts';
import { type MemoryMap, planMemory } from '../../xen/records/layouts.ts';
import { writeRoot } from '../../xen/records/records.ts';
import type { RecoverHost } from '../../xen/toolstack/rebuild.ts';
import type { Scope } from './options.ts';
import { ALL_RULES, type Rules } from './rules.ts';
import * as s from './state.ts';
import { type Phase, StateLayout } from './state.ts';
import { ScopeTable } from './table.ts';

// Constants of this file: see hot-paths 3.
const { RECORD_WORDS, W_STATE, W_INO, W_GENERATION, W_INDEX, W_BLOCK, W_CRC, W_PFN, W_CHECK } = record;
const { S_NAMED, S_CRC } = record;
const { T_FLAGS, T_OWNER, T_NAME, T_BLOCK, T_CONTENT, T_CRC, T_BEHIND, T_GUEST, T_IO, FRAME_BYTES } = s;
const { FLAG_DAMAGED, NOBODY, FIRST, SECOND, NO_CONTENT } = s;
const { IO_BLOCK, IO_WRITE } = s;

const RECORD_FLAGS = 0x7f;
export const ARCH = 'x86_64';
export const DEVICE = 0;
export const GUEST = DomId(1);
const OTHER = DomId(2);
export const OWNERS = [record.OWNER_NOBODY, ownerOfDomain(GUEST), ownerOfDomain(OTHER)] as const;
export const FIRST_INO = 11;
/** A word of a record that is not what it should be. */
const DAMAGE = 1;
const MOST_CONTENTS = 14;

/** What can be off in a small machine. */
export interface Without {
  readonly protections?: Partial<Protections>;
  readonly rules?: Partial<Rules>;
}

/** The plan of the smallest machine with so many frames for domains. */
function smallPlan(frames: number): MemoryMap {
  for (let count = frames; ; count++) {
    const map = planMemory(count, ARCH);
    if (map !== undefined && map.frameCount - map.firstDomainMfn === frames) return map;
  }
}

export class StoredWorld {
  readonly layout: StateLayout;
  readonly scope: Scope;
  readonly protections: Protections;
  readonly rules: Rules;
  /** The law that the last action broke, and how. */
  broken: { readonly law: string; readonly what: string } | undefined;
  readonly table: ScopeTable;
  /**
   * Claims that were refused, and what else was lost, by reason: over all states that were
   * searched.
   */
  readonly refused = noReasons();
  /** The table of the hypervisor that runs: another one after a reload. */
  protected running: FrameTable;
  protected readonly memory: MachineMemory;
  protected readonly plan: MemoryMap;
  protected readonly recordWords: Uint32Array;
  protected readonly host: RecoverHost;
  protected readonly p2m: P2mList;
  protected readonly p2mMfn: Mfn;
  protected readonly otherP2m: P2mList;
  protected readonly cacheMap: CacheMap;
  protected readonly batch = new CacheMapBatch(1);
  protected readonly guestMemory: DomainMemory;
  protected readonly otherMemory: DomainMemory;
  protected readonly region: BootRegion;
  protected readonly crcs: Uint32Array;
  // What is not in machine memory.
  protected readonly io: Uint8Array;
  protected readonly behind: Uint8Array;
  /** What the model kernel uses its pages for. */
  readonly uses: Uint8Array;
  readonly disk: Uint8Array;
  readonly map: Uint8Array;
  readonly kernelMap: Uint8Array;
  readonly generations: Uint8Array;
  readonly kernelGenerations: Uint8Array;
  phase: Phase = s.Phase.running;
  rebootsLeft = 0;
  faultsLeft = 0;
  changed = false;

  constructor(scope: Scope, without: Without = {}) {
    this.scope = scope;
    this.layout = new StateLayout(scope);
    this.protections = { ...DEFAULT_PROTECTIONS, ...without.protections };
    this.rules = { ...ALL_RULES, ...without.rules };
    const { frames, ownFrames } = this.layout;
    const map = smallPlan(frames);
    this.plan = map;
    const memory = new MachineMemory(map.frameCount * PAGE_SIZE);
    this.memory = memory;
    writeRoot(memory, map);
    this.table = new ScopeTable(memory, map, this.protections, this.rules, frames);
    this.running = this.table;
    this.recordWords = memory.words(map.tableMfn, map.tableFrames);
    const costs = values(SERVER_2026.hypervisor);
    const p2mLists = new P2mLists(memory, map);
    this.host = {
      memory,
      map,
      p2mLists,
      costs,
      recency: new RecencyTable(memory, map),
      frames: this.table,
      protections: this.protections,
      allocator: new FrameAllocator(map.firstDomainMfn, map.frameCount, () => true),
    };
    const list = (pages: number): [Mfn, P2mList] => {
      const at = p2mLists.allocate(pages);
      const view = at.ok ? p2mLists.view(at.value, pages) : undefined;
      assert(at.ok && view !== undefined, 'a small machine has room for two lists');
      return [at.value, view];
    };
    [this.p2mMfn, this.p2m] = list(ownFrames);
    [, this.otherP2m] = list(frames);
    const cpu = new CpuClock(new Simulation(1));
    const memoryCosts = { trapNs: 0, windowNs: 0, sealNs: 0 };
    const seat = ({ words, stride }: P2mList) => ({
      place: { memory, frames: this.table, words, stride, memoryCosts },
      log: undefined,
    });
    this.guestMemory = new DomainMemory(seat(this.p2m), ownFrames, cpu);
    this.otherMemory = new DomainMemory(seat(this.otherP2m), frames, cpu);
    const isChanged = (): boolean => this.isChanged;
    this.cacheMap = new CacheMap(this.host, {
      domid: GUEST,
      p2m: this.p2m,
      disk: {
        number: DEVICE,
        get isChanged() {
          return isChanged();
        },
      },
      refused: this.refused,
      hasRecency: false,
    });
    this.region = {
      nrPages: ownFrames,
      bootPages: 0,
      sharedInfoPfn: Pfn(0),
      grantTablePfn: Pfn(0),
      modulePfn: Pfn(0),
      module: new Uint8Array(0),
      cmdLine: new Uint8Array(0),
    };
    this.crcs = Uint32Array.from({ length: 16 }, (_, content) => {
      const page = new Uint8Array(PAGE_SIZE);
      page[0] = content;
      return crc32c(page);
    });
    this.io = new Uint8Array(2 * frames);
    this.behind = new Uint8Array(frames).fill(NO_CONTENT);
    this.uses = new Uint8Array(frames);
    this.disk = new Uint8Array(scope.blocks);
    this.map = new Uint8Array(this.layout.places);
    this.kernelMap = new Uint8Array(this.layout.places);
    this.generations = new Uint8Array(scope.files);
    this.kernelGenerations = new Uint8Array(scope.files);
  }

  /**
   * Each block of the disk has contents of its own, the first pages are mapped, memory is blank.
   */
  initial(): Uint8Array {
    const { layout, scope } = this;
    const state = new Uint8Array(layout.size);
    for (let n = 0; n < layout.frames; n++) {
      const at = n * FRAME_BYTES;
      state[at + T_OWNER] = n < layout.ownFrames ? FIRST : SECOND;
      state[at + T_CRC] = NO_CONTENT;
      state[at + T_BEHIND] = NO_CONTENT;
    }
    for (let b = 0; b < scope.blocks; b++) state[layout.disk + b] = b + 1;
    for (let id = 0; id < Math.min(layout.places, scope.blocks - 1 || 1); id++) {
      state[layout.map + id] = id + 1;
      if (scope.guest === 'kernel') state[layout.kernelMap + id] = id + 1;
    }
    state[layout.rebootsLeft] = scope.reboots;
    state[layout.faultsLeft] = scope.faults;
    return state;
  }

  // States.

  load(state: Uint8Array): void {
    const { layout, table } = this;
    const { frames } = layout;
    this.broken = undefined;
    this.running = table;
    table.clear();
    for (let slot = 0; slot < 2 * frames; slot++) {
      const now = this.io[slot]!;
      const next = state[(slot >>> 1) * FRAME_BYTES + T_IO + (slot & 1)]!;
      if (now === next) continue;
      if (now !== 0) this.#forget(slot >>> 1, now);
      if (next !== 0) this.#recall(slot >>> 1, next);
      this.io[slot] = next;
    }
    for (let n = 0; n < frames; n++) this.#loadFrame(state, n);
    table.derive();
    for (let b = 0; b < this.disk.length; b++) this.disk[b] = state[layout.disk + b]!;
    for (let id = 0; id < layout.places; id++) {
      this.map[id] = state[layout.map + id]!;
      this.kernelMap[id] = state[layout.kernelMap + id]!;
    }
    for (let i = 0; i < this.generations.length; i++) {
      this.generations[i] = state[layout.generations + i]!;
      this.kernelGenerations[i] = state[layout.kernelGenerations + i]!;
    }
    this.phase = state[layout.phase]! as Phase;
    this.rebootsLeft = state[layout.rebootsLeft]!;
    this.faultsLeft = state[layout.faultsLeft]!;
    this.changed = state[layout.changed] !== 0;
  }

  save(state: Uint8Array): void {
    const { layout } = this;
    const { frames } = layout;
    for (let n = 0; n < frames; n++) this.#saveFrame(state, n);
    for (let b = 0; b < this.disk.length; b++) state[layout.disk + b] = this.disk[b]!;
    for (let id = 0; id < layout.places; id++) {
      state[layout.map + id] = this.map[id]!;
      state[layout.kernelMap + id] = this.kernelMap[id]!;
    }
    for (let i = 0; i < this.generations.length; i++) {
      state[layout.generations + i] = this.generations[i]!;
      state[layout.kernelGenerations + i] = this.kernelGenerations[i]!;
    }
    state[layout.phase] = this.phase;
    state[layout.rebootsLeft] = this.rebootsLeft;
    state[layout.faultsLeft] = this.faultsLeft;
    state[layout.changed] = this.changed ? 1 : 0;
  }

  /**
   * The table counts a transfer less. Nothing else changes, since nothing is known of any frame.
   */
  #forget(n: number, io: number): void {
    const block = io & IO_BLOCK;
    if ((io & IO_WRITE) !== 0) this.table.endWrite(this.mfn(n), DEVICE, block, block, false, false);
    else this.table.endRead(this.mfn(n), block, false);
  }

  #recall(n: number, io: number): void {
    const block = io & IO_BLOCK;
    if ((io & IO_WRITE) !== 0) this.table.beginWrite(this.mfn(n), DEVICE, block, block, false);
    else this.table.beginRead(this.mfn(n), DEVICE, -1);
  }

  #loadFrame(state: Uint8Array, n: number): void {
    const from = n * FRAME_BYTES;
    const words = this.recordWords;
    const mfn = this.mfn(n);
    const at = mfn * RECORD_WORDS;
    const owner = state[from + T_OWNER]!;
    const flags = state[from + T_FLAGS]!;
    const name = state[from + T_NAME]! - 1;
    this.list(n, owner, mfn);
    this.memory.writeU32(mfn, 0, state[from + T_CONTENT]!);
    this.behind[n] = state[from + T_BEHIND]!;
    this.uses[n] = state[from + T_GUEST]!;
    if (owner === NOBODY && flags === 0) return;
    const { places } = this.layout;
    const { pages } = this.scope;
    const id = name % places;
    const word = (identityOf(OWNERS[owner]!, DEVICE) | (flags & RECORD_FLAGS)) >>> 0;
    words[at + W_INO] = name < 0 ? 0 : FIRST_INO + ((id / pages) | 0);
    words[at + W_GENERATION] = name < 0 ? 0 : (name / places) | 0;
    words[at + W_INDEX] = name < 0 ? 0 : id % pages;
    words[at + W_BLOCK] = state[from + T_BLOCK]!;
    words[at + W_CRC] = (flags & S_CRC) === 0 ? 0 : this.crcs[state[from + T_CRC]!]!;
    words[at + W_PFN] = n;
    words[at + W_CHECK] = checkWord(words, at, word) + ((flags & FLAG_DAMAGED) === 0 ? 0 : DAMAGE);
    words[at + W_STATE] = word;
  }

  #saveFrame(state: Uint8Array, n: number): void {
    const to = n * FRAME_BYTES;
    const words = this.recordWords;
    const mfn = this.mfn(n);
    const at = mfn * RECORD_WORDS;
    const word = words[at + W_STATE]!;
    const { places } = this.layout;
    state[to + T_FLAGS] = (word & RECORD_FLAGS) | (recordIsIntact(words, at) ? 0 : FLAG_DAMAGED);
    state[to + T_OWNER] = this.ownerOf(n);
    const file = words[at + W_INO]! - FIRST_INO;
    const place = file * this.scope.pages + words[at + W_INDEX]!;
    state[to + T_NAME] = (word & S_NAMED) === 0 ? 0 : 1 + words[at + W_GENERATION]! * places + place;
    state[to + T_BLOCK] = words[at + W_BLOCK]!;
    const content = this.contentOf(n);
    state[to + T_CONTENT] = content;
    state[to + T_CRC] = (word & S_CRC) === 0 ? NO_CONTENT : this.crcs.indexOf(words[at + W_CRC]!);
    state[to + T_BEHIND] = this.behind[n] === content ? NO_CONTENT : this.behind[n]!;
    state[to + T_GUEST] = this.uses[n]!;
    state[to + T_IO] = this.io[2 * n]!;
    state[to + T_IO + 1] = this.io[2 * n + 1]!;
  }

  protected mfn(n: number): Mfn {
    return Mfn(this.plan.firstDomainMfn + n);
  }

  protected list(n: number, owner: number, mfn: Mfn): void {
    if (n < this.p2m.length) this.p2m.set(n, owner === FIRST ? mfn : NO_FRAME);
    this.otherP2m.set(n, owner === SECOND ? mfn : NO_FRAME);
  }

  /** As in T_OWNER. */
  ownerOf(n: number): number {
    const owner = this.table.ownerOf(this.mfn(n));
    return owner === OWNERS[FIRST] ? FIRST : owner === OWNERS[SECOND] ? SECOND : NOBODY;
  }

  /** Pages that were taken over, in all states that were searched. */
  get reused(): number {
    return this.cacheMap.stats.reused;
  }

  contentOf(n: number): number {
    return this.memory.readU32(this.mfn(n), 0);
  }

  /** A content that is nowhere yet. */
  protected freshContent(): number {
    let used = 1;
    for (const content of this.disk) used |= 1 << content;
    for (let n = 0; n < this.layout.frames; n++) {
      used |= (1 << this.contentOf(n)) | (1 << this.behind[n]!);
      const at = this.mfn(n) * RECORD_WORDS;
      if ((this.recordWords[at + W_STATE]! & S_CRC) !== 0)
        used |= 1 << this.crcs.indexOf(this.recordWords[at + W_CRC]!);
    }
    const fresh = 31 - Math.clz32(~used & (used + 1));
    assert(fresh < MOST_CONTENTS, 'there are labels for all contents');
    return fresh;
  }

  /** Whether the hypervisor knows that the disk was written to from elsewhere. */
  protected get isChanged(): boolean {
    return this.protections.deviceIdentity && this.changed;
  }
}
