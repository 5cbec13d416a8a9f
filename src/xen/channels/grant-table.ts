/**
 * The hypervisor's side of a domain's grant table: which of its entries are mapped, how often, and
 * which frame each one pins.
 *
 * The entry in the guest's memory says what is allowed, and is looked at when it is mapped. What is
 * mapped is known here, so that a guest that changes an entry in use changes nothing. Reading and
 * writing are set in the entry before the frame is used, and taken away with the last mapping. That
 * is how the guest knows that it may revoke.
 *
 * A frame that is pinned keeps its owner: the tool stack frees the frames of a dead domain when
 * nothing pins them (`released`). After `revoke` the table's own pages may have another owner:
 * mappings end without a trace in memory.
 *
 * Modelled after Xen 3.0 (common/grant_table.c): active entries with pin counts. Differs in that
 * the frame is named by pfn.
 */

import { assert } from '../../base/assert.ts';
import { type DomId, type GrantRef, Mfn, PAGE_SIZE, type Pfn } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import { type Process, WaitQueue } from '../../sim/simulation.ts';
import type { FrameTable } from '../frames/frame-table.ts';
import { NO_FRAME, type P2mList } from '../frames/p2m.ts';
import { GRANT_ENTRY, Gtf, NR_GRANT_ENTRIES } from '../public/grant-table.ts';

const ENTRIES_PER_FRAME = PAGE_SIZE / GRANT_ENTRY.size;
const { flags: FLAGS, domid: DOMID, frame: FRAME } = GRANT_ENTRY.offset;

export class GrantTable {
  readonly #memory: MachineMemory;
  readonly #frames: Pick<FrameTable, 'stored'>;
  readonly #p2m: P2mList;
  readonly #first: Pfn;
  /** By entry: mappings, those of them that are writable, who maps, and the frame. */
  readonly #pins = new Uint16Array(NR_GRANT_ENTRIES);
  readonly #writablePins = new Uint16Array(NR_GRANT_ENTRIES);
  readonly #mappers = new Uint16Array(NR_GRANT_ENTRIES);
  readonly #mfns = new Uint32Array(NR_GRANT_ENTRIES);
  readonly #unpinned = new WaitQueue('grants to be unmapped');
  #pinCount = 0;
  #revoked = false;

  /** @param first the page of the domain in which the table begins */
  constructor(memory: MachineMemory, frames: Pick<FrameTable, 'stored'>, p2m: P2mList, first: Pfn) {
    this.#memory = memory;
    this.#frames = frames;
    this.#p2m = p2m;
    this.#first = first;
  }

  /** Mappings that exist. */
  get pinCount(): number {
    return this.#pinCount;
  }

  /** Maps the page of a grant for `mapper`; undefined when the grant does not allow it. */
  map(ref: GrantRef, mapper: DomId, writable: boolean): Mfn | undefined {
    if (this.#revoked || !(ref >= 0 && ref < NR_GRANT_ENTRIES)) return undefined;
    const pinned = this.#pins[ref]! > 0;
    if (pinned && this.#mappers[ref] !== mapper) return undefined;
    if (!pinned || (writable && this.#writablePins[ref] === 0)) {
      const [mfn, at] = this.#entryAt(ref);
      const flags = this.#memory.readU16(mfn, at + FLAGS);
      if ((flags & Gtf.typeMask) !== Gtf.permitAccess || this.#memory.readU16(mfn, at + DOMID) !== mapper)
        return undefined;
      if (writable && (flags & Gtf.readonly) !== 0) return undefined;
      if (!pinned) {
        const frame = this.#p2m.at(this.#memory.readU32(mfn, at + FRAME));
        if (frame === NO_FRAME) return undefined;
        this.#mfns[ref] = frame;
        this.#mappers[ref] = mapper;
      }
      this.#storeFlags(mfn, at, flags | Gtf.reading | (writable ? Gtf.writing : 0));
    }
    this.#pins[ref]!++;
    if (writable) this.#writablePins[ref]!++;
    this.#pinCount++;
    return Mfn(this.#mfns[ref]!);
  }

  /** Ends one mapping, made with the same `writable`. */
  unmap(ref: GrantRef, writable: boolean): void {
    assert(this.#pins[ref]! > 0 && (!writable || this.#writablePins[ref]! > 0), 'a grant is unmapped once');
    this.#pins[ref]!--;
    if (writable) this.#writablePins[ref]!--;
    this.#pinCount--;
    if (!this.#revoked) {
      const done = (this.#pins[ref] === 0 ? Gtf.reading : 0) | (this.#writablePins[ref] === 0 ? Gtf.writing : 0);
      const [mfn, at] = this.#entryAt(ref);
      if (done !== 0) this.#storeFlags(mfn, at, this.#memory.readU16(mfn, at + FLAGS) & ~done);
    }
    if (this.#pinCount === 0) this.#unpinned.wakeAll();
  }

  /** The frames that are mapped through some grant. */
  pinnedFrames(): Set<number> {
    const pinned = new Set<number>();
    if (this.#pinCount > 0)
      this.#pins.forEach((pins, ref) => {
        if (pins > 0) pinned.add(this.#mfns[ref]!);
      });
    return pinned;
  }

  /** The guest is gone: nothing more is mapped, and its entries are not written any more. */
  revoke(): void {
    this.#revoked = true;
  }

  /** Waits until no frame is pinned. */
  *released(): Process {
    while (this.#pinCount > 0) yield this.#unpinned;
  }

  #entryAt(ref: GrantRef): [Mfn, number] {
    const mfn = Mfn(this.#p2m.at(this.#first + Math.floor(ref / ENTRIES_PER_FRAME)));
    return [mfn, (ref % ENTRIES_PER_FRAME) * GRANT_ENTRY.size];
  }

  /**
   * A store of the hypervisor into the guest's page: it does not trap, so the provenance is told
   * here.
   */
  #storeFlags(mfn: Mfn, at: number, flags: number): void {
    this.#frames.stored(mfn);
    this.#memory.writeU16(mfn, at + FLAGS, flags);
  }
}
