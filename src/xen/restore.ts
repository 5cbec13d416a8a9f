/**
 * Resume from disk: a domain that save.ts wrote to a file is restored on other frames, perhaps under another hypervisor or
 * on a machine that has lost its memory, and its guest goes on.
 *
 * The header says how much memory the domain takes; pages are read into frames as they come; when everything has been
 * verified the file is marked consumed on the disk; then the guest goes on as the return from its hypercall. It connects its
 * devices anew and does again what was in flight, as after any suspension. Nothing is believed that does not verify:
 * whatever is damaged gives a problem in words, and the frames are given back.
 *
 * The cache-mapping table comes back with the guest, except that no page is vouched for: what was written to its disk while
 * the guest was away, nobody here knows. Names stay, so that a page which the guest reads or writes counts as before;
 * provenance is dropped. With `vouch` the disk is asked (save-vouch.ts).
 *
 * The work is proportional to the domain's memory. Modelled after xc_linux_restore of Xen 3.0.
 */

import { Buffer } from 'node:buffer';
import { Mfn, PAGE_SIZE, Pfn } from '../base/units.ts';
import { ModelError } from '../base/errno.ts';
import { UserError } from '../base/user-error.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import type { Process } from '../sim/simulation.ts';
import type { Domain } from './domain.ts';
import { DomainEnvironment } from './domain-environment.ts';
import { decodeDomainState, type DomainStateRecord } from './domain-state.ts';
import type { Hypervisor } from './hypervisor.ts';
import { STATE_FRAMES_EACH } from './layouts.ts';
import { NO_FRAME } from './p2m.ts';
import { NR_GRANT_FRAMES } from './public/grant-table.ts';
import type { Parsed } from './records.ts';
import { abandonIncoming, completeIncoming, type IncomingDomain, receiveDomain } from './resume.ts';
import type { SaveParts } from './save.ts';
import { SaveExtent } from './save-extent.ts';
import {
  BATCH_PAGES,
  bodyBlocksOf,
  decodeFact,
  decodeSaveHeader,
  encodeSaveHeader,
  FRAME_FACT,
  type FrameFact,
  type SaveHeader,
} from './save-format.ts';
import { SaveReader } from './save-stream.ts';
import { vouchFor } from './save-vouch.ts';
import type { Toolstack } from './toolstack.ts';

/** What became of a file. */
export type RestoreOutcome =
  | { readonly domain: Domain; readonly bytes: number; readonly pagesVouched: number }
  | { readonly problem: string };

export interface RestoreOptions {
  /** The guest's block device. */
  readonly device: BlockDevice;
  /** Compare the pages that equalled a block with what the disk has by now. */
  readonly vouch: boolean;
}

const ZEROS = Buffer.alloc(PAGE_SIZE);

interface Problem {
  readonly problem: string;
}

/** What a body holds besides pages. */
interface Body {
  readonly state: DomainStateRecord;
  readonly facts: readonly FrameFact[];
}

/** Restores a domain from the device, or the part of one, that it was saved to. */
export function* restoreDomain(parts: SaveParts, file: BlockDevice, options: RestoreOptions): Process<RestoreOutcome> {
  const extent = yield* SaveExtent.open(parts.hypervisor, file);
  if (extent === undefined) return { problem: 'no memory for domain 0' };
  const outcome = yield* restoreFrom(extent, parts, options);
  extent.close();
  return outcome;
}

function* restoreFrom(extent: SaveExtent, parts: SaveParts, options: RestoreOptions): Process<RestoreOutcome> {
  const header = yield* readHeader(extent);
  if ('problem' in header) return header;
  const incoming = yield* receive(parts.toolstack, header.value, options.device);
  if ('problem' in incoming) return incoming;
  const outcome = yield* bringBack(extent, parts, options, header.value, incoming);
  if ('problem' in outcome) abandonIncoming(parts.toolstack.list, incoming);
  return outcome;
}

function* bringBack(
  extent: SaveExtent,
  { hypervisor, toolstack }: SaveParts,
  { device, vouch }: RestoreOptions,
  header: SaveHeader,
  incoming: IncomingDomain,
): Process<RestoreOutcome> {
  const body = yield* readBody(extent, hypervisor, header, incoming);
  if ('problem' in body) return body;
  const { state, facts } = body;
  tellFacts(hypervisor, incoming, facts);
  const pagesVouched = vouch ? yield* vouchFor(hypervisor, device, incoming, facts) : 0;
  const consumed = encodeSaveHeader({ ...header, consumed: true });
  if (!((yield* extent.write(0, consumed)) && (yield* extent.flush()))) return { problem: 'the device fails' };
  const guest = hypervisor.simulation.frozen.thaw(state.program);
  if (!(guest instanceof DomainEnvironment) || guest.nrPages !== header.nrPages)
    return { problem: 'its program is not where its registers say' };
  const domain = yield* completeIncoming(toolstack.list, incoming, header, state, guest);
  return { domain, bytes: (1 + bodyBlocksOf(header)) * PAGE_SIZE, pagesVouched };
}

function* readHeader(extent: SaveExtent): Process<Parsed<SaveHeader>> {
  if (extent.blocks < 1) return { problem: 'the file is too small' };
  const block = yield* extent.read(0, 1);
  if (block === undefined) return { problem: 'the device fails' };
  const parsed = decodeSaveHeader(block);
  if ('problem' in parsed) return { problem: `save header: ${parsed.problem}` };
  if (parsed.value.consumed) return { problem: 'save header: consumed already' };
  return 1 + bodyBlocksOf(parsed.value) > extent.blocks ? { problem: 'the file is too small' } : parsed;
}

function* receive(
  toolstack: Toolstack,
  { name, cmdLine, nrPages, mappedPages }: SaveHeader,
  device: BlockDevice,
): Process<IncomingDomain | Problem> {
  try {
    const config = { name, cmdLine, memoryBytes: nrPages * PAGE_SIZE, device };
    return yield* receiveDomain(toolstack.list, config, nrPages, mappedPages);
  } catch (error) {
    if (!(error instanceof ModelError || error instanceof UserError)) throw error;
    return { problem: error.message };
  }
}

/** Reads the body into the domain's frames, and verifies all of it. */
function* readBody(
  extent: SaveExtent,
  hypervisor: Hypervisor,
  header: SaveHeader,
  incoming: IncomingDomain,
): Process<Body | Problem> {
  const reader = new SaveReader(hypervisor, extent, bodyBlocksOf(header));
  const bad = (problem: string): Problem => ({ problem: reader.problem ?? problem });
  if (!(yield* readPages(reader, hypervisor, incoming))) return bad('its pages are not those of a domain');
  const unmapped = yield* reader.words(header.nrPages - header.mappedPages);
  if (
    unmapped === undefined ||
    !unmapped.every((pfn, i) => incoming.p2m[pfn] === NO_FRAME && !(pfn <= unmapped[i - 1]!))
  )
    return bad('its unmapped pages are mapped');
  const bytes = yield* reader.take(STATE_FRAMES_EACH * PAGE_SIZE);
  const state = bytes && decodeDomainState(bytes);
  if (state === undefined || 'problem' in state) return bad(`domain state: ${state?.problem}`);
  const facts = yield* readFacts(reader, header.factCount, incoming.p2m);
  if (facts === undefined) return bad('its facts are not those of its frames');
  if (!reader.isAtEnd) return bad('it does not end where it should');
  if (reader.crc !== header.bodyCrc) return bad('bad checksum');
  const { sharedInfoPfn, grantTablePfn } = state.value;
  const shared = [sharedInfoPfn, ...Array.from({ length: NR_GRANT_FRAMES }, (_, i) => grantTablePfn + i)];
  if (shared.some((pfn) => (incoming.p2m[pfn] ?? NO_FRAME) === NO_FRAME)) return bad('domain state: no such pages');
  return { state: state.value, facts };
}

/** Reads all batches; returns false when they do not give each frame one page. */
function* readPages(
  reader: SaveReader,
  { memory, frames, recency, domain0Cpu, costs }: Hypervisor,
  { p2m, frames: free, owner, device }: IncomingDomain,
): Process<boolean> {
  let used = 0;
  for (;;) {
    const count = (yield* reader.words(1))?.[0];
    if (count === 0) return used === free.length;
    if (count === undefined || count > BATCH_PAGES || used + count > free.length) return false;
    const words = yield* reader.words(count);
    if (words === undefined) return false;
    for (const pfn of words) {
      // A type other than 0 makes it a page that no domain has.
      if (p2m[pfn] !== NO_FRAME) return false;
      const page = yield* reader.take(PAGE_SIZE);
      if (page === undefined) return false;
      const mfn = Mfn(free[used++]!);
      frames.assign(mfn, owner, Pfn(pfn), device);
      recency.set(mfn, 0);
      // Frames come scrubbed: a page of zeros costs the host no memory, as long as nobody stores to it.
      if (ZEROS.compare(page) !== 0 || ZEROS.compare(memory.frame(mfn)) !== 0)
        memory.copyIn(mfn, 0, page, 0, PAGE_SIZE);
      p2m[pfn] = mfn;
      domain0Cpu.charge(costs.restorePageNs + costs.frameAllocNs);
    }
  }
}

function* readFacts(reader: SaveReader, count: number, p2m: Uint32Array): Process<FrameFact[] | undefined> {
  const facts: FrameFact[] = [];
  for (let i = 0; i < count; i++) {
    const bytes = yield* reader.take(FRAME_FACT.size);
    const fact = bytes && decodeFact(bytes);
    if (fact === undefined || (p2m[fact.pfn] ?? NO_FRAME) === NO_FRAME || fact.pfn <= (facts.at(-1)?.pfn ?? -1))
      return undefined;
    facts.push(fact);
  }
  return facts;
}

/** Names and preserves pages as they were. */
function tellFacts({ frames, recency }: Hypervisor, { p2m }: IncomingDomain, facts: readonly FrameFact[]): void {
  const preserved: number[] = [];
  for (const { pfn, name, preserved: isPreserved, recency: told } of facts) {
    if (name === undefined) continue;
    const mfn = Mfn(p2m[pfn]!);
    frames.setName(mfn, name.ino, name.generation, name.index);
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
