/**
 * Suspend to disk: a domain is saved to a file of domain 0 and taken down. restore.ts brings it
 * back.
 *
 * The tool stack asks the guest through the store to suspend itself. What the guest had in flight
 * ends under its grants. The file is written through domain 0 (save/format.ts says what, and in
 * which order). Then the domain is destroyed and its frames are scrubbed. A guest whose save fails
 * goes on where it is. The save holds the domain from beginning to end (lifecycle.ts), so its
 * frames get no other owner before it is over.
 *
 * The work is proportional to the domain's memory. Modelled after xc_linux_save of Xen 3.0.
 */

import { checkObject } from '../../base/argument-error.ts';
import { type Err, err, ok, type Result } from '../../base/result.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { checkBlockDevice, type BlockDevice } from '../../disk/drive/block-device.ts';
import type { Process } from '../../sim/simulation.ts';
import type { Domain } from '../domain/domain.ts';
import type { MakerHost } from '../domain/make-domain.ts';
import type { DomainConfig } from '../toolstack/domain-entry.ts';
import type { DomainList } from '../toolstack/domain-list.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { failed, type NotDone, type Operation, type Outcome, refused } from '../domain/lifecycle.ts';
import { isSuspendedInTime } from '../toolstack/on-memory-suspend.ts';
import { type DomainRecord, parseDomainRecord } from '../records/records.ts';
import { continueDomain } from '../toolstack/resume.ts';
import { type ExtentHost, SaveExtent, transferAll } from './extent.ts';
import { endPages, type FactHost, mappedPages, type PageHost, restOf, writePages, writeRest } from './body.ts';
import { bodyBlocksOf, encodeSaveHeader, type SaveHeader } from './format.ts';
import { SaveWriter } from './stream.ts';
import type { Toolstack } from '../toolstack/toolstack.ts';
import { shutdownNodeOf } from '../channels/xenstore.ts';

/** Why a domain has not left. */
export interface Stayed extends NotDone {
  /** Where the guest goes on; undefined when it does not go on here. */
  readonly domain: Domain | undefined;
}

/** What became of a domain that was to be saved. */
export type SaveOutcome = Outcome<Saved, Stayed>;

/** A domain that was saved. */
export interface Saved {
  /** Bytes that were written. */
  readonly bytes: number;
}

/** What domain 0 works with; each operation says what it needs of the hypervisor. */
export interface SaveParts<Host = object> {
  /** The hypervisor. */
  readonly hypervisor: Host;
  /** Its tool stack. */
  readonly toolstack: Pick<Toolstack, 'list' | 'removeDomain'>;
}

/** What a guest is brought to a stand with. */
export type StandHost = Pick<Hypervisor, 'xenstore' | 'power' | 'domain0Cpu' | 'costs'>;

/** The shares of a save. Its guest may have to go on here, in a domain that is made for it. */
type SaveHost = StandHost & ExtentHost & PageHost & FactHost & MakerHost;

/** @throws ArgumentError */
export function checkParts(parts: SaveParts): void {
  checkObject('parts', parts, 'hypervisor', 'toolstack');
  checkObject('parts.hypervisor', parts.hypervisor, 'map', 'frames');
  checkObject('parts.toolstack', parts.toolstack, 'list');
}

/** The part of its configuration that goes with a domain. */
export type SavedConfig = Pick<DomainConfig, 'device' | 'cmdLine'>;

/**
 * Saves a running domain and takes it down.
 * @param config its configuration
 * @param file a device, or a part of one, that holds nothing else
 */
export function* saveDomain(
  parts: SaveParts<SaveHost>,
  domain: Domain,
  config: SavedConfig,
  file: BlockDevice,
): Process<SaveOutcome> {
  checkParts(parts);
  checkObject('domain', domain, 'isPaused', 'begin');
  checkObject('config', config, 'device');
  checkBlockDevice('config.device', config.device);
  checkBlockDevice('file', file);
  const record = beginLeaving(parts.hypervisor, domain, 'save');
  if (!record.ok) return record;
  const extent = yield* SaveExtent.open(parts.hypervisor, file);
  if (!extent.ok) return giveUp(domain, failed(extent.reason));
  const outcome = yield* saveTo(extent.value, parts, domain, record.value, config);
  extent.value.close();
  return outcome;
}

/** @internal A domain is about to be saved or migrated: what is known of it, or why it is not. */
export function beginLeaving(
  { memory, map }: Pick<Hypervisor, 'memory' | 'map'>,
  domain: Domain,
  operation: Operation & ('save' | 'migrate'),
): Outcome<DomainRecord, Stayed> {
  const begun = domain.isPaused ? refused('it does not run') : domain.begin(operation);
  if (!begun.ok) return stays(begun, runningOf(domain));
  const record = parseDomainRecord(memory, map, domain.domid);
  if (record?.ok) return record;
  domain.end();
  return stays(refused(`domain record: ${record?.reason ?? 'none'}`), runningOf(domain));
}

/** A domain is neither saved nor migrated, after all; another operation may begin. */
export function giveUp(domain: Domain, why: Err<NotDone>): Err<Stayed> {
  domain.end();
  return stays(why, runningOf(domain));
}

/** A domain that was to leave and stands still goes on where it is. */
export function* goOnHere(hypervisor: MakerHost, list: DomainList, domain: Domain, why: string): Process<Err<Stayed>> {
  const next = yield* continueDomain(hypervisor, list, domain);
  return stays(failed(why), next.ok ? next.value : undefined);
}

const stays = ({ reason }: Err<NotDone>, domain: Domain | undefined): Err<Stayed> => err({ ...reason, domain });

const runningOf = (domain: Domain): Domain | undefined => (domain.isRunning ? domain : undefined);

/**
 * The guest suspends itself, and nothing reaches its pages any more. What it knows to be written is
 * on the medium: it will not notice that power was lost, or that another machine reads the disk.
 */
export function* standStill(hypervisor: StandHost, domain: Domain): Process<Result> {
  const { xenstore, power } = hypervisor;
  const request = shutdownNodeOf(domain.domid);
  xenstore.transact([request, 'suspend']);
  const isInTime = yield* isSuspendedInTime(power, domain);
  // A guest that has taken the request will suspend itself, even if it is given up here.
  const isTaken = !isInTime && domain.isRunning && xenstore.read(request) !== 'suspend';
  if (!isInTime && !(isTaken && (yield* isSuspendedInTime(power, domain)))) {
    xenstore.remove(request);
    return err('it does not suspend itself');
  }
  yield* domain.released();
  return yield* transferAll(hypervisor, domain.disk, [{ op: 'flush', sector: 0, segments: [] }]);
}

function* saveTo(
  extent: SaveExtent,
  { hypervisor, toolstack }: SaveParts<SaveHost>,
  domain: Domain,
  record: DomainRecord,
  { cmdLine = '' }: SavedConfig,
): Process<SaveOutcome> {
  const { nrPages, bootPages, boots, name } = record;
  const { arch } = hypervisor.map;
  const most = bodyBlocksOf({ arch, nrPages, mappedPages: nrPages, factCount: nrPages });
  if (1 + most > extent.blocks) return giveUp(domain, failed('the file is too small'));
  const stood = yield* standStill(hypervisor, domain);
  if (!stood.ok && domain.state !== 'suspended') return giveUp(domain, failed(stood.reason));
  const configuration = { arch, nrPages, bootPages, boots, name, cmdLine };
  const blocks = stood.ok ? yield* writeFile(extent, hypervisor, domain, configuration) : stood;
  if (!blocks.ok) return yield* goOnHere(hypervisor, toolstack.list, domain, blocks.reason);
  yield* toolstack.removeDomain(domain);
  return ok({ bytes: blocks.value * PAGE_SIZE });
}

type Configuration = Pick<SaveHeader, 'arch' | 'nrPages' | 'bootPages' | 'boots' | 'name' | 'cmdLine'>;

/** Writes the file of a suspended domain; returns its blocks. */
function* writeFile(
  extent: SaveExtent,
  hypervisor: PageHost & FactHost,
  domain: Domain,
  configuration: Configuration,
): Process<Result<number>> {
  const { mapped } = mappedPages(domain);
  const rest = restOf(hypervisor, domain);
  // What lay there before is no file from here on.
  const cleared = yield* extent.write(0, new Uint8Array(PAGE_SIZE));
  if (!cleared.ok) return cleared;
  const writer = new SaveWriter(hypervisor, extent);
  yield* writePages(writer, hypervisor, domain, mapped);
  yield* endPages(writer);
  yield* writeRest(writer, hypervisor.map.arch, rest);
  const written = yield* writer.end();
  if (!written.ok) return written;
  const header = {
    ...configuration,
    store: domain.disk.record,
    consumed: false,
    bodyCrc: writer.crc,
    mappedPages: mapped.length,
    factCount: rest.facts.length,
  };
  // The commit point.
  const committed = yield* extent.commit(0, encodeSaveHeader(header));
  return committed.ok ? ok(1 + bodyBlocksOf(header)) : committed;
}
