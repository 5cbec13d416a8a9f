/**
 * Suspend to disk: a domain is saved to a file of domain 0 and taken down. restore.ts brings it back.
 *
 * The tool stack asks the guest through the store to suspend itself; what it had in flight ends under its grants; the file
 * is written through domain 0 (save/format.ts says what, and in which order); then the domain is destroyed and its frames
 * are scrubbed. A guest whose save fails goes on where it is. The save holds the domain from beginning to end (lifecycle.ts), so its
 * frames are nobody else's before it is over.
 *
 * The work is proportional to the domain's memory. Modelled after xc_linux_save of Xen 3.0.
 */

import { checkObject } from '../../base/argument-error.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { checkBlockDevice, type BlockDevice } from '../../disk/drive/block-device.ts';
import type { Process } from '../../sim/simulation.ts';
import { Domain } from '../domain/domain.ts';
import type { DomainConfig } from '../toolstack/domain-list.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { type Done, done, failed, type NotDone, type Operation, refused } from '../domain/lifecycle.ts';
import { isSuspendedInTime } from '../toolstack/on-memory-suspend.ts';
import { type DomainRecord, parseDomainRecord } from '../records/records.ts';
import { continueDomain } from '../toolstack/resume.ts';
import { SaveExtent, transferAll } from './extent.ts';
import { endPages, mappedPages, restOf, writePages, writeRest } from './body.ts';
import { bodyBlocksOf, encodeSaveHeader, type SaveHeader } from './format.ts';
import { SaveWriter } from './stream.ts';
import type { Toolstack } from '../toolstack/toolstack.ts';
import { shutdownNodeOf } from '../channels/xenstore.ts';

/** What became of a domain that was to be saved. */
export type SaveOutcome =
  | Done<{ readonly bytes: number }>
  /** `domain`: where the guest goes on; undefined when it does not, having stopped meanwhile. */
  | (NotDone & { readonly domain: Domain | undefined });

/** What domain 0 works with. */
export interface SaveParts {
  readonly hypervisor: Hypervisor;
  readonly toolstack: Toolstack;
}

/** What a guest is brought to a stand with. */
type StandHost = Pick<Hypervisor, 'xenstore' | 'power' | 'domain0Cpu' | 'costs'>;

/** @throws ArgumentError */
export function checkParts(parts: SaveParts): void {
  checkObject('parts', parts, 'hypervisor', 'toolstack');
  checkObject('parts.hypervisor', parts.hypervisor, 'map', 'frames');
  checkObject('parts.toolstack', parts.toolstack, 'list');
}

/** What of its configuration goes with a domain. */
export type SavedConfig = Pick<DomainConfig, 'device' | 'cmdLine'>;

/**
 * Saves a running domain and takes it down.
 * @param config its configuration
 * @param file a device, or a part of one, that holds nothing else
 */
export function* saveDomain(
  parts: SaveParts,
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
  if ('problem' in record) return { ...record, domain: stillRunning(domain) };
  const extent = yield* SaveExtent.open(parts.hypervisor, file);
  const outcome =
    extent === undefined
      ? giveUp(domain, 'no memory for domain 0')
      : yield* saveTo(extent, parts, domain, record, config);
  extent?.close();
  return outcome;
}

/** @internal A domain is about to be saved or migrated: what is known of it, or why it is not. */
export function beginLeaving(
  { memory, map }: Pick<Hypervisor, 'memory' | 'map'>,
  domain: Domain,
  operation: Operation & ('save' | 'migrate'),
): DomainRecord | NotDone {
  const refusal = domain.isPaused ? refused('it does not run') : domain.begin(operation);
  if (refusal !== undefined) return refusal;
  const record = parseDomainRecord(memory, map, domain.domid);
  if (record !== undefined && 'value' in record) return record.value;
  domain.end();
  return refused(`domain record: ${record?.problem ?? 'none'}`);
}

/** A domain is neither saved nor migrated, after all; whoever wants something of it may begin. */
export function giveUp(domain: Domain, problem: string): NotDone & { readonly domain: Domain | undefined } {
  domain.end();
  return { ...failed(problem), domain: stillRunning(domain) };
}

export const stillRunning = (domain: Domain): Domain | undefined => (domain.isRunning ? domain : undefined);

/**
 * The guest suspends itself, and nothing reaches its pages any more. What it knows to be written is on the medium: it will not
 * notice that power was lost, or that another machine reads the disk. Returns why it did not suspend itself, or cannot leave.
 */
export function* standStill(hypervisor: StandHost, domain: Domain): Process<string | undefined> {
  const { xenstore, power } = hypervisor;
  const request = shutdownNodeOf(domain.domid);
  xenstore.write(request, 'suspend');
  const isInTime = yield* isSuspendedInTime(power, domain);
  // A guest that has taken the request will suspend itself, whatever is thought of it here.
  const isTaken = !isInTime && domain.isRunning && xenstore.read(request) !== 'suspend';
  if (!isInTime && !(isTaken && (yield* isSuspendedInTime(power, domain)))) {
    xenstore.remove(request);
    return 'it does not suspend itself';
  }
  yield* domain.released();
  const isFlushed = yield* transferAll(hypervisor, domain.disk, [{ op: 'flush', sector: 0, segments: [] }]);
  return isFlushed ? undefined : 'the device fails';
}

function* saveTo(
  extent: SaveExtent,
  { hypervisor, toolstack }: SaveParts,
  domain: Domain,
  record: DomainRecord,
  { cmdLine = '' }: SavedConfig,
): Process<SaveOutcome> {
  const { nrPages, bootPages, boots, name } = record;
  const { arch } = hypervisor.map;
  const most = bodyBlocksOf({ arch, nrPages, mappedPages: nrPages, factCount: nrPages });
  if (1 + most > extent.blocks) return giveUp(domain, 'the file is too small');
  const problem = yield* standStill(hypervisor, domain);
  if (problem !== undefined && domain.state !== 'suspended') return giveUp(domain, problem);
  const configuration = { arch, nrPages, bootPages, boots, name, cmdLine };
  const blocks = problem === undefined ? yield* writeFile(extent, hypervisor, domain, configuration) : undefined;
  if (blocks === undefined) {
    const next = yield* continueDomain(toolstack.list, domain);
    return { ...failed('the device fails'), domain: next instanceof Domain ? next : undefined };
  }
  yield* toolstack.removeDomain(domain);
  return done({ bytes: blocks * PAGE_SIZE });
}

type Configuration = Pick<SaveHeader, 'arch' | 'nrPages' | 'bootPages' | 'boots' | 'name' | 'cmdLine'>;

/** Writes the file of a suspended domain; returns its blocks, or undefined when the device fails. */
function* writeFile(
  extent: SaveExtent,
  hypervisor: Hypervisor,
  domain: Domain,
  configuration: Configuration,
): Process<number | undefined> {
  const { mapped } = mappedPages(domain);
  const rest = restOf(hypervisor, domain);
  // What lay there before is no file from here on.
  if (!(yield* extent.write(0, new Uint8Array(PAGE_SIZE)))) return undefined;
  const writer = new SaveWriter(hypervisor, extent);
  yield* writePages(writer, hypervisor, domain, mapped);
  yield* endPages(writer);
  yield* writeRest(writer, hypervisor.map.arch, rest);
  if (!(yield* writer.end())) return undefined;
  const header = {
    ...configuration,
    store: domain.disk.record,
    consumed: false,
    bodyCrc: writer.crc,
    mappedPages: mapped.length,
    factCount: rest.facts.length,
  };
  // The commit point.
  const committed = (yield* extent.write(0, encodeSaveHeader(header))) && (yield* extent.flush());
  return committed ? 1 + bodyBlocksOf(header) : undefined;
}
