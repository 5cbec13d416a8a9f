/**
 * Live migration: a domain is sent to another machine while its guest runs, and goes on there.
 *
 * ```
 * source                                               target
 * header: what the domain is now                  ──▶  makes room
 * pages: all; then those stored to meanwhile; …   ──▶  frames
 * (the guest suspends itself)
 * pages: the last of them                         ──▶  frames
 * header: what the domain was when it stood still ──▶
 * rest: pages without frame, state, facts, box    ──▶  verifies everything
 *                                                 ◀──  complete
 * go                                              ──▶  the guest goes on
 *                                                 ◀──  running
 * (the domain is destroyed)
 * ```
 *
 * A page that is stored to again before its turn comes is left to the next round. The rounds end
 * when few pages are left, when there were too many rounds, or when the domain's memory was sent
 * several times over. Then the guest stands still until the rest has arrived. The stream is the
 * save format's (save/body.ts) with two headers. The one before the pages makes room for all of
 * them, and the one behind them counts. Both machines reach the guest's block device. What the
 * guest has written is on its medium before the guest goes on.
 *
 * Both ends hold the domain from beginning to end (lifecycle.ts).
 *
 * A failure before `go` leaves the guest where it is, and it goes on there. From `go` on it is the
 * target's: it runs in one place at most. A connection that ends between `go` and its answer leaves
 * the domain at the source suspended, since the source cannot know. A domain that stops meanwhile,
 * or that another caller suspends, is not sent. As after a restore, names come along and no page is
 * vouched for, unless the target asks the disk (save/vouch.ts). A target refuses the guest when it
 * has another disk, or the disk was written to since the guest stood still.
 *
 * Modelled after xc_linux_save and xc_linux_restore of Xen 3.0 with `live`. Differs in the answers
 * at the end, and in that the rate is not limited, as it is not there unless compiled with
 * ADAPTIVE_SAVE.
 */

import { DONE, err, ok, type Result } from '../../base/result.ts';
import { PAGE_SIZE, Pfn } from '../../base/units.ts';
import type { BlockDevice } from '../../disk/drive/block-device.ts';
import type { Nic } from '../../machine/nic.ts';
import type { Process } from '../../sim/simulation.ts';
import type { Domain } from '../domain/domain.ts';
import type { MakerHost } from '../domain/make-domain.ts';
import type { DomainDevices } from '../toolstack/domain-entry.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { failed, type Outcome, refused } from '../domain/lifecycle.ts';
import type { LogDirty } from '../frames/log-dirty.ts';
import { type LinkHost, MigrationLink } from './migration-link.ts';
import { Reason } from '../public/reason.ts';
import type { DomainRecord } from '../records/records.ts';
import { type ArrivalHost, makeRoomFor } from './restore.ts';
import { abandonIncoming, completeIncoming, diskProblem, type IncomingDomain } from '../toolstack/resume.ts';
import {
  beginLeaving,
  giveUp,
  goOnHere,
  type SavedConfig,
  type SaveParts,
  type StandHost,
  standStill,
  type Stayed,
} from './save.ts';
import {
  batchBytes,
  encodeBatch,
  endPages,
  type FactHost,
  mappedPages,
  type PageHost,
  readPages,
  readRest,
  restOf,
  tellRest,
  writeRest,
} from './body.ts';
import { decodeSaveHeader, encodeSaveHeader, type SaveHeader } from './format.ts';
import { vouchFor } from './vouch.ts';

/**
 * DEF_MAX_ITERS and DEF_MAX_FACTOR of xc_linux_save: rounds at most, and how often the domain's
 * memory is sent at most.
 */
const MAX_ROUNDS = 29;
const MAX_FACTOR = 3;
/** A round of fewer pages is the last that the guest runs in. */
const FEW_PAGES = 50;
/** Pages that are looked at and copied in one go. */
const BATCH = 16;

/** The shares of the source. Its guest may have to go on there, in a domain that is made for it. */
type DepartureHost = LinkHost & StandHost & PageHost & FactHost & MakerHost;

const IN_USE = 'the cable is in use';
const HAS_STOPPED = 'it has stopped';

/** One round over the pages. */
export interface MigrationRound {
  readonly pages: number;
  readonly ns: number;
}

export interface Migrated {
  /** Bytes that the source sent. */
  readonly bytes: number;
  /** The last is the one in which the guest stood still. */
  readonly rounds: readonly MigrationRound[];
  /** How long the guest stood still, as the source knows, ns. */
  readonly stopNs: number;
}

/** What became of a domain that was to go to another machine. */
export type MigrationOutcome = Outcome<Migrated, Stayed>;

/** What became of one that came. */
export type ArrivalOutcome = Outcome<{ readonly domain: Domain; readonly pagesVouched: number }>;

export interface ArrivalOptions {
  /** The devices of a domain, as this machine reaches them; undefined when it does not. */
  readonly devicesOf: (name: string) => DomainDevices | undefined;
  /** Compare the pages that equalled a block with the disk. */
  readonly vouch: boolean;
}

/**
 * Sends a running domain to the machine at the other end of the cable, where `receiveMigration`
 * waits.
 * @param config its device and command line
 */
export function* migrateDomain(
  parts: SaveParts<DepartureHost>,
  domain: Domain,
  config: SavedConfig,
  nic: Nic,
): Process<MigrationOutcome> {
  const record = beginLeaving(parts.hypervisor, domain, 'migrate');
  if (!record.ok) return record;
  if (nic.isOpen) return giveUp(domain, refused(IN_USE));
  const link = new MigrationLink(parts.hypervisor, nic, 'connects');
  const log = domain.beginLogDirty();
  const outcome = yield* new Departure(parts, domain, record.value, config, link, log).run();
  if (!outcome.ok) yield* tell(link, outcome.reason.why);
  link.close();
  return outcome;
}

class Departure {
  readonly #parts: SaveParts<DepartureHost>;
  readonly #domain: Domain;
  readonly #record: DomainRecord;
  readonly #cmdLine: string;
  readonly #link: MigrationLink;
  readonly #log: LogDirty;
  /** For a batch of pages. */
  readonly #room = new Uint8Array(batchBytes(BATCH));
  readonly #rounds: MigrationRound[] = [];

  constructor(
    parts: SaveParts<DepartureHost>,
    domain: Domain,
    record: DomainRecord,
    { cmdLine = '' }: SavedConfig,
    link: MigrationLink,
    log: LogDirty,
  ) {
    this.#parts = parts;
    this.#domain = domain;
    this.#record = record;
    this.#cmdLine = cmdLine;
    this.#link = link;
    this.#log = log;
  }

  *run(): Process<MigrationOutcome> {
    const { hypervisor, toolstack } = this.#parts;
    const domain = this.#domain;
    yield* this.#sendWhileItRuns();
    // If it was suspended already, for a reboot of the hypervisor, that operation goes on with it.
    const stillRuns = domain.isRunning;
    const failure = this.#link.failure();
    let stood: Result = err(failure ?? HAS_STOPPED);
    if (failure === undefined && stillRuns) stood = yield* standStill(hypervisor, domain);
    domain.endLogDirty();
    if (!stillRuns || domain.state !== 'suspended')
      return giveUp(domain, failed(stood.ok ? HAS_STOPPED : stood.reason));
    const stoppedAt = hypervisor.simulation.now;
    const taken = stood.ok ? yield* this.#sendRest() : stood;
    if (!taken.ok) return yield* goOnHere(hypervisor, toolstack.list, domain, taken.reason);
    yield* this.#link.say('go');
    const answer = yield* this.#link.hear();
    if (!answer.ok) return giveUp(domain, failed(`it is not known whether it goes on there: ${answer.reason}`));
    if (answer.value !== 'running') return yield* goOnHere(hypervisor, toolstack.list, domain, answer.value);
    const stopNs = hypervisor.simulation.now - stoppedAt;
    yield* toolstack.removeDomain(domain);
    return ok({ bytes: this.#link.bytesSent, rounds: this.#rounds, stopNs });
  }

  *#sendWhileItRuns(): Process {
    const { nrPages } = this.#domain;
    const { mapped } = mappedPages(this.#domain);
    // Room for all: those that have no frame may get one on the way.
    yield* this.#link.put(encodeSaveHeader(this.#header(nrPages, 0)));
    let pages = mapped;
    for (let sent = 0; ; pages = this.#log.clean()) {
      const round = yield* this.#sendRound(pages);
      sent += round;
      const isOver = pages.length < FEW_PAGES || this.#rounds.length >= MAX_ROUNDS || sent > nrPages * MAX_FACTOR;
      if (isOver || !this.#domain.isRunning || this.#link.problem !== undefined || this.#link.hasWord) return;
    }
  }

  /**
   * Sends those of the pages that have a frame and were not stored to again meanwhile; returns how
   * many.
   */
  *#sendRound(pages: readonly number[]): Process<number> {
    const { hypervisor } = this.#parts;
    const { domain0Cpu, costs, simulation } = hypervisor;
    const begin = simulation.now;
    let sent = 0;
    for (let at = 0; at < pages.length && this.#link.problem === undefined && !this.#link.hasWord; at += BATCH) {
      const batch = pages
        .slice(at, at + BATCH)
        .filter((pfn) => this.#domain.hasFrame(Pfn(pfn)) && !this.#log.has(Pfn(pfn)));
      if (batch.length === 0) continue;
      domain0Cpu.charge(costs.savePageNs * batch.length);
      yield* this.#link.put(encodeBatch(hypervisor, this.#domain, batch, this.#room));
      sent += batch.length;
    }
    this.#rounds.push({ pages: sent, ns: simulation.now - begin });
    return sent;
  }

  /** What is left, of a guest that stands still; done when the other end takes it. */
  *#sendRest(): Process<Result> {
    const { hypervisor } = this.#parts;
    yield* this.#sendRound(this.#log.clean());
    yield* endPages(this.#link);
    const rest = restOf(hypervisor, this.#domain);
    const { nrPages } = this.#domain;
    yield* this.#link.put(encodeSaveHeader(this.#header(nrPages - rest.unmapped.length, rest.facts.length)));
    yield* writeRest(this.#link, hypervisor.map.arch, rest);
    yield* this.#link.flush();
    const answer = yield* this.#link.hear();
    if (!answer.ok) return answer;
    return answer.value === 'complete' ? DONE : err(answer.value);
  }

  #header(mapped: number, factCount: number): SaveHeader {
    const { nrPages, bootPages, boots, name } = this.#record;
    const { arch } = this.#parts.hypervisor.map;
    const store = this.#domain.disk.record;
    const configuration = { arch, nrPages, bootPages, boots, name, cmdLine: this.#cmdLine, store };
    // Each packet has a checksum of its own.
    return { ...configuration, consumed: false, bodyCrc: 0, mappedPages: mapped, factCount };
  }
}

/** Takes one domain that another machine sends. */
export function* receiveMigration(
  parts: SaveParts<LinkHost & ArrivalHost>,
  nic: Nic,
  options: ArrivalOptions,
): Process<ArrivalOutcome> {
  if (nic.isOpen) return refused(IN_USE);
  const link = new MigrationLink(parts.hypervisor, nic, 'waits');
  const outcome = yield* receiveFrom(link, parts, options);
  if (!outcome.ok) yield* tell(link, outcome.reason.why);
  link.close();
  return outcome;
}

function* receiveFrom(
  link: MigrationLink,
  parts: SaveParts<ArrivalHost>,
  options: ArrivalOptions,
): Process<ArrivalOutcome> {
  const read = yield* readHeader(link, parts.hypervisor);
  if (!read.ok) return failed(read.reason);
  const header = read.value;
  const devices = options.devicesOf(header.name);
  if (devices === undefined) return refused(`the disk of ${header.name} cannot be reached from here`);
  const incoming = yield* makeRoomFor(parts, header, devices);
  if (!incoming.ok) return incoming;
  const outcome = yield* settleIn(link, parts, header, incoming.value, options.vouch ? devices.device : undefined);
  if (!outcome.ok) abandonIncoming(parts.hypervisor, parts.toolstack.list, incoming.value);
  return outcome;
}

function* settleIn(
  link: MigrationLink,
  { hypervisor, toolstack }: SaveParts<ArrivalHost>,
  first: SaveHeader,
  incoming: IncomingDomain,
  vouchingDevice: BlockDevice | undefined,
): Process<ArrivalOutcome> {
  const pages = yield* readPages(link, hypervisor, incoming);
  if (!pages.ok) return failed(pages.reason);
  const read = yield* readHeader(link, hypervisor);
  if (!read.ok) return failed(read.reason);
  const header = read.value;
  const { nrPages, bootPages, boots, name } = header;
  if ([nrPages, bootPages, boots, name].join() !== [first.nrPages, first.bootPages, first.boots, first.name].join())
    return failed('it is not the domain that was announced');
  const rest = yield* readRest(link, incoming, header);
  if (!rest.ok) return failed(rest.reason);
  const { state, facts } = rest.value;
  // Asked again when the guest goes on. A disk that is wrong already is refused before `go`:
  // wherever the connection ends, the source then knows that the guest is its own.
  const reason = hypervisor.devices.verify(header.store, incoming.disk.device);
  if (reason !== Reason.ok) return failed(diskProblem(reason));
  tellRest(hypervisor, incoming, rest.value);
  const pagesVouched = vouchingDevice === undefined ? 0 : yield* vouchFor(hypervisor, vouchingDevice, incoming, facts);
  yield* link.say('complete');
  const answer = yield* link.hear();
  if (!answer.ok) return failed(answer.reason);
  if (answer.value !== 'go') return failed(answer.value);
  const domain = yield* completeIncoming(hypervisor, toolstack.list, incoming, header, state);
  if (!domain.ok) return domain;
  yield* link.say('running');
  return ok({ domain: domain.value, pagesVouched });
}

/** Tells the other end why the migration ends, unless it was the other end that said so. */
function* tell(link: MigrationLink, problem: string): Process {
  if (!problem.startsWith('refused: ')) yield* link.say(`refused: ${problem}`);
}

function* readHeader(link: MigrationLink, { map }: Pick<Hypervisor, 'map'>): Process<Result<SaveHeader>> {
  const block = yield* link.take(PAGE_SIZE);
  if (!block.ok) return block;
  const parsed = decodeSaveHeader(block.value, map.arch);
  return parsed.ok ? parsed : err(`header: ${parsed.reason}`);
}
