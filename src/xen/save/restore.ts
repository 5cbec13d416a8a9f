/**
 * Resume from disk: a domain that save.ts wrote to a file is restored on other frames, and its
 * guest goes on. The hypervisor may be another one, and the machine may have lost its memory.
 *
 * The header says how much memory the domain takes. Pages are read into frames as they come. When
 * everything has been verified the file is marked consumed on the disk. Then the guest goes on as
 * the return from its hypercall. It connects its devices anew and does again what was in flight, as
 * after any suspension. Nothing is believed that does not verify: any damage gives a problem in
 * words, and the frames are given back.
 *
 * The guest goes on with the disk that it had, as it left it, or not at all. The header names the
 * disk and its write generation. A file that is refused for another disk is not consumed.
 *
 * The cache-mapping table comes back with the guest, except that no page is vouched for: the frames
 * are others. Names stay, so that a page which the guest reads or writes counts as before;
 * provenance is dropped. With `vouch` the disk is asked (save/vouch.ts). What the guest had
 * registered as dirty (Rio) is registered again.
 *
 * The work is proportional to the domain's memory. Modelled after xc_linux_restore of Xen 3.0.
 */

import { checkObject } from '../../base/argument-error.ts';
import type { Arch } from '../../base/arch.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { checkBlockDevice, type BlockDevice } from '../../disk/drive/block-device.ts';
import type { Process } from '../../sim/simulation.ts';
import type { Domain } from '../domain/domain.ts';
import type { MakerHost } from '../domain/make-domain.ts';
import type { DomainDevices } from '../toolstack/domain-entry.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { failed, type Outcome } from '../domain/lifecycle.ts';
import {
  abandonIncoming,
  completeIncoming,
  diskProblem,
  type IncomingDomain,
  receiveDomain,
} from '../toolstack/resume.ts';
import { Reason } from '../public/reason.ts';
import { checkParts, type SaveParts } from './save.ts';
import { type BodyRest, type FactHost, type PageHost, readPages, readRest, tellRest } from './body.ts';
import { type ExtentHost, SaveExtent } from './extent.ts';
import { bodyBlocksOf, decodeSaveHeader, encodeSaveHeader, type SaveHeader } from './format.ts';
import { SaveReader } from './stream.ts';
import { type VouchHost, vouchFor } from './vouch.ts';

/** What a guest that comes is taken in with, however it comes. */
export type ArrivalHost = PageHost & FactHost & VouchHost & MakerHost & Pick<Hypervisor, 'devices' | 'p2mLists'>;

const TOO_SMALL = err('the file is too small');

/** What became of a file. */
export type RestoreOutcome = Outcome<Restored>;

/** A domain that was restored. */
export interface Restored {
  /** The domain that goes on. */
  readonly domain: Domain;
  /** Bytes that were read. */
  readonly bytes: number;
  /** Pages that were found to equal their block. */
  readonly pagesVouched: number;
}

/** What a restored domain is given. */
export interface RestoreOptions extends DomainDevices {
  /** Compare the pages that equalled a block with what the disk has by now. */
  readonly vouch: boolean;
}

/** Restores a domain from the device, or the part of one, that it was saved to. */
export function* restoreDomain(
  parts: SaveParts<ArrivalHost & ExtentHost>,
  file: BlockDevice,
  options: RestoreOptions,
): Process<RestoreOutcome> {
  checkParts(parts);
  checkBlockDevice('file', file);
  checkObject('options', options, 'device');
  checkBlockDevice('options.device', options.device);
  const extent = yield* SaveExtent.open(parts.hypervisor, file);
  if (!extent.ok) return failed(extent.reason);
  const outcome = yield* restoreFrom(extent.value, parts, options);
  extent.value.close();
  return outcome;
}

function* restoreFrom(
  extent: SaveExtent,
  parts: SaveParts<ArrivalHost>,
  options: RestoreOptions,
): Process<RestoreOutcome> {
  const header = yield* readHeader(extent, parts.hypervisor.map.arch);
  if (!header.ok) return failed(header.reason);
  const reason = parts.hypervisor.devices.verify(header.value.store, options.device);
  if (reason !== Reason.ok) return failed(diskProblem(reason));
  const incoming = yield* makeRoomFor(parts, header.value, options);
  if (!incoming.ok) return incoming;
  const outcome = yield* bringBack(extent, parts, options, header.value, incoming.value);
  if (!outcome.ok) abandonIncoming(parts.hypervisor, parts.toolstack.list, incoming.value);
  return outcome;
}

function* bringBack(
  extent: SaveExtent,
  { hypervisor, toolstack }: SaveParts<ArrivalHost>,
  { device, vouch }: RestoreOptions,
  header: SaveHeader,
  incoming: IncomingDomain,
): Process<RestoreOutcome> {
  const body = yield* readBody(extent, hypervisor, header, incoming);
  if (!body.ok) return failed(body.reason);
  const { state, facts } = body.value;
  tellRest(hypervisor, incoming, body.value);
  const pagesVouched = vouch ? yield* vouchFor(hypervisor, device, incoming, facts) : 0;
  const consumed = yield* writeHeader(extent, { ...header, consumed: true });
  const domain = consumed.ok
    ? yield* completeIncoming(hypervisor, toolstack.list, incoming, header, state)
    : failed(consumed.reason);
  if (!domain.ok) {
    // No guest went on, so the file is as good as before.
    yield* writeHeader(extent, header);
    return domain;
  }
  return ok({ domain: domain.value, bytes: (1 + bodyBlocksOf(header)) * PAGE_SIZE, pagesVouched });
}

/** Done when the header is on the medium. */
function writeHeader(extent: SaveExtent, header: SaveHeader): Process<Result> {
  return extent.commit(0, encodeSaveHeader(header));
}

function* readHeader(extent: SaveExtent, arch: Arch): Process<Result<SaveHeader>> {
  if (extent.blocks < 1) return TOO_SMALL;
  const block = yield* extent.read(0, 1);
  if (!block.ok) return block;
  const parsed = decodeSaveHeader(block.value, arch);
  if (!parsed.ok) return err(`save header: ${parsed.reason}`);
  if (parsed.value.consumed) return err('save header: consumed already');
  return 1 + bodyBlocksOf(parsed.value) > extent.blocks ? TOO_SMALL : parsed;
}

/** Makes room for the domain that a header tells of. */
export function makeRoomFor(
  { hypervisor, toolstack }: SaveParts<Pick<Hypervisor, 'p2mLists'>>,
  { name, cmdLine, nrPages, mappedPages }: SaveHeader,
  { device, mac }: DomainDevices,
): Process<Outcome<IncomingDomain>> {
  const config = { name, cmdLine, memoryBytes: nrPages * PAGE_SIZE, device, mac };
  return receiveDomain(hypervisor, toolstack.list, config, nrPages, mappedPages);
}

/** Reads the body into the domain's frames, and verifies all of it. */
function* readBody(
  extent: SaveExtent,
  hypervisor: PageHost & FactHost,
  header: SaveHeader,
  incoming: IncomingDomain,
): Process<Result<BodyRest>> {
  const reader = new SaveReader(hypervisor, extent, bodyBlocksOf(header));
  const pages = yield* readPages(reader, hypervisor, incoming);
  if (!pages.ok) return pages;
  const rest = yield* readRest(reader, incoming, header);
  if (!rest.ok) return rest;
  if (!reader.isAtEnd) return err('it does not end where it should');
  return reader.crc === header.bodyCrc ? rest : err('bad checksum');
}
