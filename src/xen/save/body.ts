/**
 * The body of the save format (save/format.ts) as a stream. It is written from a domain's frames,
 * and read into frames for which room was made. The stream is a file (save/stream.ts) or a
 * connection to another machine (migration-link.ts).
 *
 * Batches of pages come first. When no page changes any more, the rest follows: the pages without a
 * frame, the domain's state and what the hypervisor knew of the frames. A page that comes again
 * replaces what came before, as it does while a running guest is sent. When the body has been read,
 * each page of the domain has come, or is known to have no frame.
 *
 * Nothing is believed that does not verify. What is read is charged to domain 0's processor by the
 * page.
 */

import { type Arch, FRAME_NUMBER_BYTES } from '../../base/arch.ts';
import { isZero } from '../../base/bytes.ts';
import { DONE, err, ok, type Result } from '../../base/result.ts';
import { Mfn, PAGE_SIZE, Pfn } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { Process } from '../../sim/simulation.ts';
import type { Domain } from '../domain/domain.ts';
import { decodeDomainState, encodeDomainState, type DomainStateRecord, sharedPages } from '../records/domain-state.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { STATE_FRAMES_EACH } from '../records/layouts.ts';
import { NO_FRAME, type P2mList } from '../frames/p2m.ts';
import { Provenance } from '../frames/provenance.ts';
import { RecoveryBox } from '../records/recovery-box.ts';
import type { IncomingDomain } from '../toolstack/resume.ts';
import { BATCH_PAGES, decodeFact, encodeFact, FRAME_FACT_BYTES, type FrameFact, type SaveHeader } from './format.ts';

/** Where a body goes. It knows itself what becomes of it when it fails. */
export interface ByteSink {
  put(bytes: Uint8Array): Process;
  /** `put`, when that need not wait; false: it must be run (see hot-paths 6). */
  putNow(bytes: Uint8Array): boolean;
}

/** Where a body comes from. */
export interface ByteSource {
  /** The next bytes, which are not changed by what follows. */
  take(length: number): Process<Result<Uint8Array>>;
  /** What `take` would return without waiting; undefined when it would have to. */
  takeNow(length: number): Uint8Array | undefined;
  words(count: number): Process<Result<Uint32Array>>;
}

/** Where pages are, and who pays for them. */
export type PageHost = Pick<Hypervisor, 'memory' | 'map' | 'domain0Cpu' | 'costs'>;
/** What the hypervisor knows of frames. */
export type FactHost = Pick<Hypervisor, 'frames' | 'recency'>;

/** Everything of a domain except its pages. */
export interface BodyRest {
  readonly unmapped: readonly number[];
  readonly state: DomainStateRecord;
  readonly facts: readonly FrameFact[];
  /** Of its recovery box the frame that counts. */
  readonly box: Uint8Array;
}

type Counts = Pick<SaveHeader, 'arch' | 'nrPages' | 'mappedPages' | 'factCount'>;

const ZEROS = new Uint8Array(PAGE_SIZE);
const NOT_ITS_PAGES = err('its pages are not those of a domain');

/** Pages of the domain that have a frame, and those that have none, ascending. */
export function mappedPages(domain: Domain): { readonly mapped: number[]; readonly unmapped: number[] } {
  const mapped: number[] = [];
  const unmapped: number[] = [];
  for (let pfn = 0; pfn < domain.nrPages; pfn++) (domain.hasFrame(Pfn(pfn)) ? mapped : unmapped).push(pfn);
  return { mapped, unmapped };
}

/** Writes pages, each as it is when its turn comes. @param pages have a frame */
export function* writePages(
  sink: ByteSink,
  { memory, domain0Cpu, costs, map }: PageHost,
  domain: Domain,
  pages: readonly number[],
): Process {
  for (let at = 0; at < pages.length; at += BATCH_PAGES) {
    const batch = pages.slice(at, at + BATCH_PAGES);
    yield* sink.put(batchHead(batch, map.arch));
    for (const pfn of batch) {
      domain0Cpu.charge(costs.savePageNs);
      const page = pageOf(memory, domain.frameOf(Pfn(pfn)));
      if (!sink.putNow(page)) yield* sink.put(page);
    }
  }
}

/** Bytes of a batch of so many pages, on any architecture. */
export const batchBytes = (pages: number): number => 4 + pages * (8 + PAGE_SIZE);

/**
 * A batch of pages, as they are at this instant: their guest may run.
 * @param room for the batch, of `batchBytes`
 * @returns the part of `room` that it takes
 */
export function encodeBatch(
  { memory, map }: Pick<PageHost, 'memory' | 'map'>,
  domain: Domain,
  pages: readonly number[],
  room: Uint8Array,
): Uint8Array {
  const head = batchHead(pages, map.arch);
  room.set(head);
  let at = head.length;
  for (const pfn of pages) {
    room.set(pageOf(memory, domain.frameOf(Pfn(pfn))), at);
    at += PAGE_SIZE;
  }
  return room.subarray(0, at);
}

/** The bytes of a frame. Where nothing was stored, no page of the host's is looked at. */
function pageOf(memory: MachineMemory, mfn: Mfn): Uint8Array {
  return memory.isTouched(mfn) ? memory.peek(mfn) : ZEROS;
}

/** Ends the batches. */
export function* endPages(sink: ByteSink): Process {
  yield* sink.put(bytesOf(Uint32Array.of(0)));
}

/** Everything of a suspended domain except its pages. */
export function restOf(hypervisor: FactHost, domain: Domain): BodyRest {
  const { mapped, unmapped } = mappedPages(domain);
  const isTrusted = !domain.disk.isChanged;
  const facts = mapped.flatMap((pfn) => factOf(hypervisor, domain, Pfn(pfn), isTrusted) ?? []);
  return { unmapped, state: domain.freeze(), facts, box: domain.recoveryBox.toPage() };
}

export function* writeRest(sink: ByteSink, arch: Arch, { unmapped, state, facts, box }: BodyRest): Process {
  yield* sink.put(bytesOf(wordsOf(unmapped, arch)));
  yield* sink.put(encodeDomainState(state, arch));
  for (const fact of facts) {
    const bytes = encodeFact(fact, arch);
    if (!sink.putNow(bytes)) yield* sink.put(bytes);
  }
  yield* sink.put(box);
}

/** Reads batches into the domain's frames up to their end. */
export function* readPages(
  source: ByteSource,
  { memory, frames, recency, domain0Cpu, costs, map }: PageHost & FactHost,
  { p2m, frames: free, owner, disk }: IncomingDomain,
): Process<Result> {
  let used = 0;
  for (;;) {
    const words = yield* source.words(1);
    if (!words.ok) return words;
    const count = words.value[0]!;
    if (count === 0) return DONE;
    if (count > BATCH_PAGES) return NOT_ITS_PAGES;
    const pfns = yield* readNumbers(source, map.arch, count);
    if (!pfns.ok) return pfns;
    for (const pfn of pfns.value) {
      let page = source.takeNow(PAGE_SIZE);
      if (page === undefined) {
        const taken = yield* source.take(PAGE_SIZE);
        if (!taken.ok) return taken;
        page = taken.value;
      }
      // A type other than 0 makes it a page that no domain has.
      if (!(pfn < p2m.length) || (p2m.at(pfn) === NO_FRAME && used === free.length)) return NOT_ITS_PAGES;
      if (p2m.at(pfn) === NO_FRAME) {
        p2m.set(pfn, free[used++]!);
        frames.assign(Mfn(p2m.at(pfn)), owner, Pfn(pfn), disk.number);
        recency.set(Mfn(p2m.at(pfn)), 0);
      }
      const mfn = Mfn(p2m.at(pfn));
      // Frames come scrubbed: a page of zeros costs the host no memory, as long as it is not stored
      // to.
      if (!isZero(page, 0, PAGE_SIZE) || (memory.isTouched(mfn) && !isZero(memory.peek(mfn), 0, PAGE_SIZE)))
        memory.copyIn(mfn, 0, page, 0, PAGE_SIZE);
      domain0Cpu.charge(costs.restorePageNs + costs.frameAllocNs);
    }
  }
}

/**
 * Reads the rest, and verifies it and that all pages are there. Frames that are not needed are left
 * in the domain's `frames`.
 */
export function* readRest(source: ByteSource, { p2m }: IncomingDomain, counts: Counts): Process<Result<BodyRest>> {
  const { arch } = counts;
  const unmapped = yield* readNumbers(source, arch, counts.nrPages - counts.mappedPages);
  if (!unmapped.ok) return unmapped;
  if (!unmapped.value.every((pfn, i, all) => pfn < p2m.length && !(pfn <= all[i - 1]!)))
    return err('its unmapped pages are none of its own');
  for (const pfn of unmapped.value) p2m.set(pfn, NO_FRAME);
  if (p2m.length - p2m.holes !== counts.mappedPages) return err('its pages are not all there');
  const bytes = yield* source.take(STATE_FRAMES_EACH * PAGE_SIZE);
  if (!bytes.ok) return bytes;
  const state = decodeDomainState(bytes.value, arch);
  if (!state.ok) return err(`domain state: ${state.reason}`);
  if (sharedPages(state.value).some((pfn) => p2m.at(pfn) === NO_FRAME)) return err('domain state: no such pages');
  const facts = yield* readFacts(source, counts, p2m);
  if (!facts.ok) return facts;
  const box = yield* source.take(PAGE_SIZE);
  if (!box.ok) return box;
  return ok({ unmapped: [...unmapped.value], state: state.value, facts: facts.value, box: box.value });
}

function* readFacts(source: ByteSource, { arch, factCount }: Counts, p2m: P2mList): Process<Result<FrameFact[]>> {
  const facts: FrameFact[] = [];
  for (let i = 0; i < factCount; i++) {
    let bytes = source.takeNow(FRAME_FACT_BYTES);
    if (bytes === undefined) {
      const taken = yield* source.take(FRAME_FACT_BYTES);
      if (!taken.ok) return taken;
      bytes = taken.value;
    }
    const fact = decodeFact(bytes, arch);
    if (fact === undefined || p2m.at(fact.pfn) === NO_FRAME || fact.pfn <= (facts.at(-1)?.pfn ?? -1))
      return err('its facts are not those of its frames');
    facts.push(fact);
  }
  return ok(facts);
}

function factOf({ frames, recency }: FactHost, domain: Domain, pfn: Pfn, isTrusted: boolean): FrameFact | undefined {
  const mfn = domain.frameOf(pfn);
  if (!frames.isIntact(mfn)) return undefined;
  const name = frames.nameOf(mfn);
  const block = isTrusted && frames.provenanceOf(mfn) === Provenance.clean ? frames.blockOf(mfn) : undefined;
  const dirty = frames.isDirty(mfn) ? { block: frames.blockOf(mfn), isOpen: frames.isOpen(mfn) } : undefined;
  if (name === undefined && block === undefined && dirty === undefined) return undefined;
  return { pfn, name, preserved: frames.isPreserved(mfn), recency: recency.get(mfn), block, dirty };
}

/**
 * Names and preserves pages, and registers them as dirty, as they were; the recovery box has what
 * it had.
 */
export function tellRest(
  { frames, recency, memory, map }: Pick<PageHost, 'memory' | 'map'> & FactHost,
  { domid, p2m }: IncomingDomain,
  { facts, box }: BodyRest,
): void {
  new RecoveryBox(memory, map, domid).takePage(box);
  const preserved: number[] = [];
  for (const { pfn, name, preserved: isPreserved, recency: told, dirty } of facts) {
    const mfn = Mfn(p2m.at(pfn));
    if (name !== undefined) frames.setName(mfn, name.ino, name.generation, name.index);
    if (dirty !== undefined) frames.markDirty(mfn, dirty.block);
    if (dirty?.isOpen === true) frames.exposed(mfn);
    if (!isPreserved) continue;
    frames.setPreserved(mfn, true);
    recency.set(mfn, told);
    preserved.push(mfn);
  }
  const verdicts = new Uint8Array(preserved.length);
  frames.index(Uint32Array.from(preserved), 0, preserved.length, verdicts, 0, 1);
  preserved.forEach((mfn, i) => {
    if (verdicts[i] !== 0) frames.eraseName(Mfn(mfn));
  });
}

/** How many pages come, and which. */
function batchHead(pages: readonly number[], arch: Arch): Uint8Array {
  const numbers = wordsOf(pages, arch);
  const words = new Uint32Array(1 + numbers.length);
  words[0] = pages.length;
  words.set(numbers, 1);
  return bytesOf(words);
}

/** Numbers of pages as the architecture has them. */
function wordsOf(pages: readonly number[], arch: Arch): Uint32Array {
  const each = FRAME_NUMBER_BYTES[arch] / 4;
  const words = new Uint32Array(pages.length * each);
  for (const [i, pfn] of pages.entries()) words[i * each] = pfn;
  return words;
}

/**
 * Reads `count` of them. A number with more than 32 bits, its type included, is read as that of a
 * page that no domain has.
 */
function* readNumbers(source: ByteSource, arch: Arch, count: number): Process<Result<Uint32Array>> {
  const each = FRAME_NUMBER_BYTES[arch] / 4;
  const words = yield* source.words(count * each);
  if (!words.ok || each === 1) return words;
  const { value } = words;
  return ok(Uint32Array.from({ length: count }, (_, i) => (value[2 * i + 1] === 0 ? value[2 * i]! : NO_FRAME)));
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer);
}
