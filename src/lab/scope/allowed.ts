/**
 * Which actions a state allows.
 *
 * Two guests stand for all. Guest `any` reads, writes, stores, names and erases whatever it likes,
 * right or wrong. Guest `kernel` keeps a page cache by the rules of cache_map_op. Those can be
 * taken away one by one, which shows what each is for. Both claim by the map of the disk.
 */

import { S_PRESERVED, S_PROTECTED, S_PROVENANCE } from '../../xen/frames/frame-record.ts';
import { Provenance } from '../../xen/frames/provenance.ts';
import { ActionKind, codeOf } from './actions.ts';
import type { ScopeEvent } from './options.ts';
import * as s from './state.ts';
import type { World } from './world.ts';

const { T_FLAGS, T_OWNER, T_NAME, T_CONTENT, T_BEHIND, T_GUEST, T_IO, FRAME_BYTES } = s;
const { FIRST, SECOND, NOBODY, NO_CONTENT, Phase } = s;
const { IO_MOVED, G_PAGE, G_UP_TO_DATE, G_TOLD, G_DIRTY, G_ERASING } = s;
const K = ActionKind;

/** Stores of a record before its last one: `state`, block, checksum, check word. */
const RECORD_STORES = 4;

/** Which actions a state allows. */
export class Allowed {
  /** What the state allows, after `list`: the first `count`. */
  readonly codes = new Uint32Array(1024);
  count = 0;
  readonly #world: World;
  readonly #events: ReadonlySet<ScopeEvent>;
  readonly #symmetry: boolean;
  #state: Uint8Array = new Uint8Array(0);
  #transfers = 0;

  constructor(world: World, symmetry: boolean) {
    this.#world = world;
    this.#events = new Set(world.scope.events);
    this.#symmetry = symmetry;
  }

  list(state: Uint8Array): void {
    const { layout, scope, rules } = this.#world;
    this.#state = state;
    this.count = 0;
    this.#transfers = 0;
    for (let n = 0; n < layout.frames; n++)
      for (let slot = 0; slot < 2; slot++) if (this.#io(n, slot) !== 0) this.#transfers++;
    const phase = state[layout.phase]!;
    const isReset = phase === Phase.left;
    if (!isReset) {
      this.#listDevice();
      if (scope.writers > 1) this.#listOther();
    }
    this.#listFaults(phase);
    if (phase === Phase.running) {
      this.#listRunning();
      return;
    }
    if (phase === Phase.dead && (!rules.drain || this.#isDrained()) && this.#hasItsFrames()) this.#addInOrder(K.retire);
    if (phase === Phase.gap) this.#addInOrder(K.rebuild);
    if (isReset) this.#listReload();
    if (phase !== Phase.dead && !rules.revokeFirst)
      for (let n = 0; n < layout.ownFrames; n++) this.#add(K.lateStore, n);
  }

  #listRunning(): void {
    const { layout, scope, rules } = this.#world;
    const state = this.#state;
    if (scope.guest === 'any') this.#listAny();
    else this.#listKernel();
    this.#listMap();
    this.#listClaims();
    if (state[layout.rebootsLeft] === 0) return;
    this.#add(K.crash);
    const isAllDrained = this.#transfers === 0;
    if (this.#events.has('reload') && (!rules.drain || isAllDrained) && this.#hasItsFrames()) this.#addInOrder(K.leave);
  }

  #listDevice(): void {
    const { layout } = this.#world;
    const fails = this.#events.has('io-error') && this.#state[layout.faultsLeft] !== 0;
    for (let n = 0; n < layout.frames; n++) {
      if (this.#isTwin(n)) continue;
      for (let slot = 0; slot < 2; slot++) {
        const io = this.#io(n, slot);
        if (io === 0 || (slot === 1 && io === this.#io(n, 0))) continue;
        if ((io & IO_MOVED) !== 0) this.#add(K.end, n, slot);
        else {
          this.#add(K.move, n, slot);
          if (fails) this.#add(K.fail, n, slot);
        }
      }
    }
  }

  /**
   * The other guest writes from its own frame, and from what it is handed. It stores to the frame
   * first, since what it writes matters only where it differs from what was on the disk.
   */
  #listOther(): void {
    const { layout, scope } = this.#world;
    for (let n = 0; n < layout.frames; n++) {
      const owner = this.#of(n, T_OWNER);
      if (this.#isTwin(n) || owner === FIRST) continue;
      if (owner === SECOND) {
        if (this.#transfers < scope.transfers && this.#io(n, 1) === 0)
          for (let block = 0; block < scope.blocks; block++) this.#add(K.write, n, block);
        if (n < layout.ownFrames && !this.#isBusy(n)) this.#add(K.release, n);
      } else if (this.#events.has('hand-over')) this.#add(K.take, n, SECOND);
    }
  }

  #listTransfers(n: number): void {
    const { scope } = this.#world;
    if (this.#transfers >= scope.transfers || this.#io(n, 1) !== 0) return;
    for (let block = 0; block < scope.blocks; block++) {
      this.#add(K.read, n, block);
      this.#add(K.write, n, block);
    }
  }

  /** A second store of unknown bytes changes nothing. */
  #listStore(n: number): void {
    if (this.#events.has('store') && (!this.#isPrivate(n) || this.#isProtected(n))) this.#add(K.store, n);
  }

  #listAny(): void {
    const { layout, rules } = this.#world;
    for (let n = 0; n < layout.ownFrames; n++) {
      if (this.#isTwin(n)) continue;
      const owner = this.#of(n, T_OWNER);
      if (owner === NOBODY && this.#events.has('hand-over')) this.#add(K.take, n, FIRST);
      if (owner !== FIRST) continue;
      this.#listTransfers(n);
      this.#listStore(n);
      const name = this.#of(n, T_NAME);
      const isPreserved = (this.#of(n, T_FLAGS) & S_PRESERVED) !== 0;
      for (let id = 0; id < layout.places; id++) if (isPreserved || name !== this.#nameOf(id)) this.#add(K.name, n, id);
      if (name !== 0) this.#add(K.erase, n);
      if (this.#events.has('hand-over') && (!this.#isBusy(n) || !rules.drain)) this.#add(K.release, n);
    }
  }

  #listKernel(): void {
    const { layout, rules, scope } = this.#world;
    const state = this.#state;
    let isErasing = false;
    for (let n = 0; n < layout.ownFrames; n++) {
      const use = this.#of(n, T_GUEST);
      if (use === G_ERASING) isErasing = true;
      if (this.#isTwin(n) || this.#of(n, T_OWNER) !== FIRST) continue;
      if ((use & G_PAGE) === 0) {
        const isPreserved = (this.#of(n, T_FLAGS) & S_PRESERVED) !== 0;
        if ((use === G_ERASING && rules.flushBeforeReuse) || (isPreserved && rules.setAside)) continue;
        if (this.#transfers < scope.transfers && !this.#isBusy(n))
          for (let id = 0; id < layout.places; id++)
            if (state[layout.kernelMap + id] !== 0 && !this.#isCached(id) && this.#preservedOf(id) < 0)
              this.#add(K.fill, n, id);
        if (this.#events.has('store') && (!this.#isPrivate(n) || this.#isProtected(n))) this.#add(K.reuse, n);
        continue;
      }
      const isUpToDate = (use & G_UP_TO_DATE) !== 0;
      if ((use & G_TOLD) === 0 && (isUpToDate || !rules.nameUpToDate)) this.#add(K.tell, n);
      if (!isUpToDate) continue;
      if (this.#events.has('store')) this.#add(K.change, n);
      if (this.#isBusy(n)) continue;
      if ((use & G_DIRTY) === 0) this.#add(K.evict, n);
      else if (this.#transfers < scope.transfers && state[layout.kernelMap + (use & G_PAGE) - 1] !== 0)
        this.#add(K.writeBack, n);
    }
    if (isErasing) this.#add(K.flush);
  }

  #listMap(): void {
    const { layout, scope } = this.#world;
    const state = this.#state;
    const isKernel = scope.guest === 'kernel';
    const map = isKernel ? layout.kernelMap : layout.map;
    const generations = isKernel ? layout.kernelGenerations : layout.generations;
    const isAnyMap = this.#events.has('map');
    if (isAnyMap || this.#events.has('grow')) {
      let used = 0;
      for (let id = 0; id < layout.places; id++) used |= 1 << state[map + id]!;
      for (let id = 0; id < layout.places; id++) {
        if (isKernel && this.#isCachedAndBusy(id)) continue;
        if (state[map + id] !== 0) {
          if (isAnyMap) this.#add(K.map, id, 0);
        } else
          for (let block = 0; block < scope.blocks; block++)
            if (((used >>> (block + 1)) & 1) === 0) this.#add(K.map, id, block + 1);
      }
    }
    // A kernel whose unlink a crash has lost gives the same generation out again.
    if (this.#events.has('unlink') && !(isKernel && state[layout.rebootsLeft] !== scope.reboots))
      for (let file = 0; file < scope.files; file++)
        if (state[generations + file] === 0 && !(isKernel && this.#isFileBusy(file))) this.#add(K.unlink, file);
    if (!isKernel) return;
    if (this.#isUnsynced()) this.#add(K.sync);
  }

  /** The kernel has changed a map or a generation that is not on the disk yet. */
  #isUnsynced(): boolean {
    const { layout, scope } = this.#world;
    const state = this.#state;
    for (let id = 0; id < layout.places; id++) if (state[layout.map + id] !== state[layout.kernelMap + id]) return true;
    for (let i = 0; i < scope.files; i++)
      if (state[layout.generations + i] !== state[layout.kernelGenerations + i]) return true;
    return false;
  }

  #listClaims(): void {
    const { layout, rules, scope } = this.#world;
    const state = this.#state;
    const map = scope.guest === 'kernel' ? layout.kernelMap : layout.map;
    for (let id = 0; id < layout.places; id++) {
      const lies = state[map + id]!;
      const found = this.#preservedOf(id);
      if (lies === 0 || found < 0) continue;
      const block = rules.freshMap ? lies - 1 : state[found * FRAME_BYTES + s.T_BLOCK]!;
      const isOne = !this.#symmetry || this.#preservedOf(id, found + 1) < 0;
      for (let front = 0; front < (isOne ? 1 : layout.ownFrames); front++) this.#add(K.claim, id, front, block);
    }
  }

  #listFaults(phase: number): void {
    const { layout, scope } = this.#world;
    if (this.#state[layout.faultsLeft] === 0) return;
    if (this.#events.has('elsewhere')) for (let block = 0; block < scope.blocks; block++) this.#add(K.elsewhere, block);
    const isGap = phase === Phase.gap || phase === Phase.left;
    for (let n = 0; n < layout.ownFrames; n++) {
      if (this.#isTwin(n)) continue;
      if (isGap && this.#events.has('flip')) this.#add(K.flip, n);
      if (phase === Phase.running && this.#events.has('cut') && this.#of(n, T_OWNER) === FIRST && !this.#isBusy(n))
        for (let block = 0; block < scope.blocks; block++)
          for (let stores = 0; stores <= RECORD_STORES; stores++) this.#add(K.cut, n, block, stores);
      const isKnown = (this.#of(n, T_FLAGS) & S_PROVENANCE) !== Provenance.none;
      if (this.#events.has('early-damage') || (isKnown && isGap && this.#events.has('damage')))
        for (let block = 0; block < scope.blocks; block++)
          if (block !== this.#of(n, s.T_BLOCK)) this.#add(K.damage, n, block);
    }
  }

  #listReload(): void {
    const { layout, protections } = this.#world;
    let lines = 0;
    if (!protections.cpuCacheFlush)
      for (let n = 0; n < layout.frames; n++) if (this.#of(n, T_BEHIND) !== NO_CONTENT) lines |= 1 << n;
    const isOne = !this.#symmetry || !this.#hasDuplicates();
    // Every subset of the lines, the empty one last.
    for (let lost = lines; ; lost = (lost - 1) & lines) {
      for (let front = 0; front < (isOne ? 1 : layout.ownFrames); front++) this.#add(K.reload, lost, front);
      if (lost === 0) return;
    }
  }

  /**
   * An action that goes through the frames in their order, and for which of two frames of one name
   * the first is the better one. With symmetry each frame comes first once.
   */
  #addInOrder(kind: ActionKind): void {
    const { layout } = this.#world;
    const isOne = !this.#symmetry || !this.#hasDuplicates();
    for (let front = 0; front < (isOne ? 1 : layout.ownFrames); front++) this.#add(kind, front);
  }

  #hasDuplicates(): boolean {
    const { layout } = this.#world;
    for (let n = 1; n < layout.ownFrames; n++)
      for (let m = 0; m < n; m++) if (this.#of(n, T_NAME) !== 0 && this.#placeOf(n) === this.#placeOf(m)) return true;
    return false;
  }

  #add(kind: ActionKind, x = 0, y = 0, z = 0): void {
    this.codes[this.count++] = codeOf(kind, x, y, z);
  }

  #of(n: number, field: number): number {
    return this.#state[n * FRAME_BYTES + field]!;
  }

  #io(n: number, slot: number): number {
    return this.#state[n * FRAME_BYTES + T_IO + slot]!;
  }

  #isBusy(n: number): boolean {
    return (this.#io(n, 0) | this.#io(n, 1)) !== 0;
  }

  #isTwin(n: number): boolean {
    return this.#symmetry && this.#world.layout.isTwin(this.#state, n);
  }

  #isProtected(n: number): boolean {
    return (this.#of(n, T_FLAGS) & S_PROTECTED) !== 0;
  }

  /** Whether nothing else has the bytes of the frame, so that other bytes are no other state. */
  #isPrivate(n: number): boolean {
    const { layout } = this.#world;
    const content = this.#of(n, T_CONTENT);
    if (content === 0) return false;
    for (let at = layout.disk; at < layout.disk + layout.blocks; at++) if (this.#state[at] === content) return false;
    for (let m = 0; m < layout.frames; m++)
      for (let field = T_CONTENT; field <= T_BEHIND; field++)
        if ((m !== n || field !== T_CONTENT) && this.#of(m, field) === content) return false;
    return this.#world.protections.cpuCacheFlush;
  }

  #nameOf(id: number): number {
    const { layout, scope } = this.#world;
    return 1 + this.#state[layout.generations + Math.floor(id / scope.pages)]! * layout.places + id;
  }

  /** Page of a file that a frame is named as, whatever the generation; -1: none. */
  #placeOf(n: number): number {
    const name = this.#of(n, T_NAME);
    return name === 0 ? -1 : (name - 1) % this.#world.layout.places;
  }

  /** The first preserved frame of a name, whatever the generation, or -1. */
  #preservedOf(id: number, from = 0): number {
    const { layout } = this.#world;
    for (let n = from; n < layout.ownFrames; n++)
      if ((this.#of(n, T_FLAGS) & S_PRESERVED) !== 0 && this.#placeOf(n) === id) return n;
    return -1;
  }

  #isCached(id: number): boolean {
    const { layout } = this.#world;
    for (let n = 0; n < layout.ownFrames; n++) if ((this.#of(n, T_GUEST) & G_PAGE) === id + 1) return true;
    return false;
  }

  #isCachedAndBusy(id: number): boolean {
    const { layout } = this.#world;
    for (let n = 0; n < layout.ownFrames; n++)
      if ((this.#of(n, T_GUEST) & G_PAGE) === id + 1 && this.#isBusy(n)) return true;
    return false;
  }

  #isFileBusy(file: number): boolean {
    const { pages } = this.#world.scope;
    for (let id = file * pages; id < (file + 1) * pages; id++) if (this.#isCachedAndBusy(id)) return true;
    return false;
  }

  /** No transfer of the guest that reboots is in flight. */
  #isDrained(): boolean {
    const { layout } = this.#world;
    for (let n = 0; n < layout.ownFrames; n++) if (this.#of(n, T_OWNER) === FIRST && this.#isBusy(n)) return false;
    return true;
  }

  /** No page of the guest that reboots is in the hands of the other: its list can be made whole. */
  #hasItsFrames(): boolean {
    const { layout } = this.#world;
    for (let n = 0; n < layout.ownFrames; n++) if (this.#of(n, T_OWNER) === SECOND) return false;
    return true;
  }
}
