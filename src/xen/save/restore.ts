/**
 * Resume from disk: a domain that save.ts wrote to a file is restored on other frames, perhaps under another hypervisor or
 * on a machine that has lost its memory, and its guest goes on.
 *
 * The header says how much memory the domain takes; pages are read into frames as they come; when everything has been
 * verified the file is marked consumed on the disk; then the guest goes on as the return from its hypercall. It connects its
 * devices anew and does again what was in flight, as after any suspension. Nothing is believed that does not verify:
 * whatever is damaged gives a problem in words, and the frames are given back.
 *
 * The guest goes on with the disk that it had, as it left it, or not at all: the header names the disk and its write generation. A
 * file that is refused for another disk is not consumed.
 *
 * The cache-mapping table comes back with the guest, except that no page is vouched for: the frames are others. Names stay, so that
 * a page which the guest reads or writes counts as before; provenance is dropped. With `vouch` the disk is asked (save/vouch.ts). What the
 * guest had registered as dirty (Rio) is registered again.
 *
 * The work is proportional to the domain's memory. Modelled after xc_linux_restore of Xen 3.0.
 */

import { checkObject } from '../../base/argument-error.ts';
import type { Arch } from '../../base/arch.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { checkBlockDevice, type BlockDevice } from '../../disk/drive/block-device.ts';
import type { Process } from '../../sim/simulation.ts';
import type { Domain } from '../domain/domain.ts';
import type { DomainDevices } from '../toolstack/domain-list.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { done, failed, type NotDone, type Outcome } from '../domain/lifecycle.ts';
import type { Parsed } from '../records/records.ts';
import {
  abandonIncoming,
  completeIncoming,
  diskProblem,
  type IncomingDomain,
  receiveDomain,
} from '../toolstack/resume.ts';
import { Reason } from '../public/reason.ts';
import { checkParts, type SaveParts } from './save.ts';
import { type BodyRest, type Problem, readPages, readRest, tellRest } from './body.ts';
import { SaveExtent } from './extent.ts';
import { bodyBlocksOf, decodeSaveHeader, encodeSaveHeader, type SaveHeader } from './format.ts';
import { SaveReader } from './stream.ts';
import { vouchFor } from './vouch.ts';
import type { Toolstack } from '../toolstack/toolstack.ts';

/** What became of a file. */
export type RestoreOutcome = Outcome<{
  readonly domain: Domain;
  readonly bytes: number;
  readonly pagesVouched: number;
}>;

export interface RestoreOptions extends DomainDevices {
  /** Compare the pages that equalled a block with what the disk has by now. */
  readonly vouch: boolean;
}

/** Restores a domain from the device, or the part of one, that it was saved to. */
export function* restoreDomain(parts: SaveParts, file: BlockDevice, options: RestoreOptions): Process<RestoreOutcome> {
  checkParts(parts);
  checkBlockDevice('file', file);
  checkObject('options', options, 'device');
  checkBlockDevice('options.device', options.device);
  const extent = yield* SaveExtent.open(parts.hypervisor, file);
  if (extent === undefined) return failed('no memory for domain 0');
  const outcome = yield* restoreFrom(extent, parts, options);
  extent.close();
  return outcome;
}

function* restoreFrom(extent: SaveExtent, parts: SaveParts, options: RestoreOptions): Process<RestoreOutcome> {
  const header = yield* readHeader(extent, parts.hypervisor.map.arch);
  if ('problem' in header) return failed(header.problem);
  const reason = parts.hypervisor.devices.verify(header.value.store, options.device);
  if (reason !== Reason.ok) return failed(diskProblem(reason));
  const incoming = yield* makeRoomFor(parts.toolstack, header.value, options);
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
  if ('problem' in body) return failed(body.problem);
  const { state, facts } = body;
  tellRest(hypervisor, incoming, body);
  const pagesVouched = vouch ? yield* vouchFor(hypervisor, device, incoming, facts) : 0;
  const isConsumed = yield* writeHeader(extent, { ...header, consumed: true });
  const domain = isConsumed
    ? yield* completeIncoming(toolstack.list, incoming, header, state)
    : failed('the device fails');
  if ('problem' in domain) {
    // No guest went on, so the file is as good as before.
    yield* writeHeader(extent, header);
    return domain;
  }
  return done({ domain, bytes: (1 + bodyBlocksOf(header)) * PAGE_SIZE, pagesVouched });
}

/** Returns whether the header is on the medium. */
function* writeHeader(extent: SaveExtent, header: SaveHeader): Process<boolean> {
  return (yield* extent.write(0, encodeSaveHeader(header))) && (yield* extent.flush());
}

function* readHeader(extent: SaveExtent, arch: Arch): Process<Parsed<SaveHeader>> {
  if (extent.blocks < 1) return { problem: 'the file is too small' };
  const block = yield* extent.read(0, 1);
  if (block === undefined) return { problem: 'the device fails' };
  const parsed = decodeSaveHeader(block, arch);
  if ('problem' in parsed) return { problem: `save header: ${parsed.problem}` };
  if (parsed.value.consumed) return { problem: 'save header: consumed already' };
  return 1 + bodyBlocksOf(parsed.value) > extent.blocks ? { problem: 'the file is too small' } : parsed;
}

/** Makes room for the domain that a header tells of. */
export function makeRoomFor(
  toolstack: Toolstack,
  { name, cmdLine, nrPages, mappedPages }: SaveHeader,
  { device, mac }: DomainDevices,
): Process<IncomingDomain | NotDone> {
  const config = { name, cmdLine, memoryBytes: nrPages * PAGE_SIZE, device, mac };
  return receiveDomain(toolstack.list, config, nrPages, mappedPages);
}

/** Reads the body into the domain's frames, and verifies all of it. */
function* readBody(
  extent: SaveExtent,
  hypervisor: Hypervisor,
  header: SaveHeader,
  incoming: IncomingDomain,
): Process<BodyRest | Problem> {
  const reader = new SaveReader(hypervisor, extent, bodyBlocksOf(header));
  if (!(yield* readPages(reader, hypervisor, incoming)))
    return { problem: reader.problem ?? 'its pages are not those of a domain' };
  const rest = yield* readRest(reader, incoming, header);
  if ('problem' in rest) return rest;
  if (!reader.isAtEnd) return { problem: 'it does not end where it should' };
  return reader.crc === header.bodyCrc ? rest : { problem: 'bad checksum' };
}
