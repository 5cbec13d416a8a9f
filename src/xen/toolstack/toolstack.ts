/**
 * The tool stack of domain 0: creates, restarts and destroys domains.
 *
 * A restart with `preserve` is the warm-cache reboot:
 * 1. the old guest is taken down, and its in-flight I/O drains;
 * 2. what it had registered as dirty is written home, if that is asked for (dirty-pages.ts);
 * 3. frames that are named and clean are preserved, and all others scrubbed;
 * 4. nothing is left but machine memory (`betweenGuests` is called here);
 * 5. a new domain is built from those bytes (rebuild.ts), on the same frames under the same P2M.
 *
 * The two halves can also be under two hypervisors: `leaveDomain` and `bootLeftDomain`. What is
 * remembered of a domain is in domain-list.ts; guests that go on instead of booting are in
 * resume.ts.
 *
 * Each operation asks the domain's life whether it may begin (lifecycle.ts), and holds the domain.
 * It ends with an outcome: it was refused, it failed, or it is done. Impossible options are the
 * caller's mistake, and are thrown before anything has begun.
 *
 * Work is paid on domain 0's processor in slices, so that the back-ends of other domains run in
 * between. Modelled after xend and Xen's domain_kill and domain builder; differs in that scrubbing
 * is done before the domain is built again, not in the background.
 */

import { ArgumentError, checkArgument, checkInteger, checkObject, checkOneOf } from '../../base/argument-error.ts';
import { counted } from '../../base/counted.ts';
import { DONE, ok } from '../../base/result.ts';
import { Mfn, PAGE_SIZE } from '../../base/units.ts';
import type { Process } from '../../sim/simulation.ts';
import { memoryTargetNodeOf, shutdownNodeOf } from '../channels/xenstore.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { type BootRegion, planBootRegion, PreservedBitmap } from '../domain/build.ts';
import { Domain } from '../domain/domain.ts';
import type { Outcome } from '../domain/lifecycle.ts';
import { NO_FRAME } from '../frames/p2m.ts';
import { noReasons, Reason } from '../public/reason.ts';
import { encodeName, eraseDomainRecord } from '../records/records.ts';
import { assignFrames, buildDomain, type Inheritance } from './builder.ts';
import { checkConfig, type DomainConfig, NO_FRAMES, NO_PAGES } from './domain-entry.ts';
import { DomainList, type ListHost } from './domain-list.ts';
import { Restart, type RestartHost, type RestartOptions, unplug } from './restart.ts';
import { describeDomain } from './store-entries.ts';

/** What a guest can be asked for. */
export type ShutdownRequest = 'poweroff' | 'reboot';

/** @throws ArgumentError unless it is a domain */
export function checkDomain(domain: Domain): void {
  checkArgument(domain instanceof Domain, 'domain', 'expected a Domain');
}

/** What the tool stack works with: the shares of the list and of a restart, and a kernel image. */
type ToolstackHost = ListHost & RestartHost & Pick<Hypervisor, 'kernelPages'>;

/** The tool stack of domain 0: makes, restarts, resizes and destroys domains. */
export class Toolstack {
  /** The domains that there are. */
  readonly list: DomainList;
  readonly #hypervisor: ToolstackHost;
  readonly #restart: Restart;

  /** @throws ArgumentError */
  constructor(hypervisor: ToolstackHost) {
    checkObject('hypervisor', hypervisor, 'map', 'frames');
    this.#hypervisor = hypervisor;
    this.list = new DomainList(hypervisor);
    this.#restart = new Restart(hypervisor, this.list);
  }

  /**
   * Builds a domain on free frames, waiting for the scrub list when there are too few. Refused
   * while there is one of this name; fails when there is no memory or no slot for it.
   * @throws ArgumentError for a configuration without name, memory or device, or one that cannot be
   */
  *createDomain(config: DomainConfig): Process<Outcome<Domain>> {
    const { costs, kernelPages } = this.#hypervisor;
    checkConfig(config);
    if (encodeName(config.name) === undefined)
      throw new ArgumentError(`name: "${config.name}" is not text of at most 31 bytes without a zero byte`);
    const region = planBootRegion(config.name, config.memoryBytes, kernelPages, config.module, config.cmdLine);
    const room = yield* this.list.makeRoom('create', config, region.nrPages, region.nrPages);
    if (!room.ok) return room;
    const { entry, frames } = room.value;
    assignFrames(this.#hypervisor, entry, frames, 0);
    describeDomain(this.#hypervisor, entry);
    yield* this.#hypervisor.domain0Cpu.work(costs.frameAllocNs * frames.length + costs.domainBuildNs);
    yield* this.#hypervisor.xenstore.served();
    const preserved = new PreservedBitmap(region.nrPages);
    const nothing: Inheritance = {
      preserved,
      coldReason: 0,
      refused: noReasons(),
      recency: 'untold',
      dirty: undefined,
    };
    return ok(buildDomain(this.#hypervisor, entry, frames, region, nothing));
  }

  /**
   * Takes a domain down, running, suspended or stopped, and builds it again; the old object is dead
   * from then on. If there is no memory to grow, it fails, and the domain is as it was. It also
   * fails if the old guest's frames cannot be found again and there are no others. Then there is no
   * domain any more.
   * @throws ArgumentError for options that cannot be
   */
  *restartDomain(domain: Domain, options: RestartOptions): Process<Outcome<Domain>> {
    checkDomain(domain);
    checkObject('options', options);
    const region = this.#regionFor(domain.name, options.memoryBytes ?? domain.nrPages * PAGE_SIZE, options);
    const begun = domain.begin('reboot');
    if (!begun.ok) return begun;
    const entry = this.list.entryOf(domain);
    const plan = yield* this.#restart.plan(entry, region);
    if (!plan.ok) {
      domain.end();
      return plan;
    }
    const refused = noReasons();
    const dirty = yield* this.#restart.retire(entry, domain, plan.value, options, refused);
    options.betweenGuests?.();
    entry.life.step('rebuild');
    return yield* this.#restart.rebuild(entry, plan.value, options.preserve, refused, Reason.ok, dirty);
  }

  /**
   * Takes a domain that has stopped down for good, as far as this hypervisor goes. What is named
   * and clean stays where it is, with the domain's record, for a guest that another hypervisor
   * boots in it. Fails when it has given pages back and there are no frames for them.
   */
  *leaveDomain(domain: Domain): Process<Outcome> {
    checkDomain(domain);
    const region = this.#regionFor(domain.name, domain.nrPages * PAGE_SIZE, {});
    const begun = domain.begin('leave');
    if (!begun.ok) return begun;
    const entry = this.list.entryOf(domain);
    const plan = yield* this.#restart.plan(entry, region);
    if (!plan.ok) {
      domain.end();
      return plan;
    }
    yield* this.#restart.retire(entry, domain, plan.value, { preserve: true }, undefined);
    entry.life.step('keep');
    return DONE;
  }

  /**
   * Boots a domain of which nothing but its preserved pages was left, mostly by another hypervisor.
   * When there is no memory to grow it fails, and they are still there.
   * @throws ArgumentError for a configuration that cannot be
   */
  *bootLeftDomain(config: DomainConfig): Process<Outcome<Domain>> {
    checkConfig(config);
    const region = this.#regionFor(config.name, config.memoryBytes, config);
    const kept = this.list.enterKept(config);
    if (!kept.ok) return kept;
    const { entry, distrust } = kept.value;
    const plan = yield* this.#restart.plan(entry, region);
    if (!plan.ok) {
      entry.life.step('keep');
      return plan;
    }
    return yield* this.#restart.rebuild(entry, plan.value, true, { ...entry.refused }, distrust);
  }

  #regionFor(name: string, memoryBytes: number, options: Pick<RestartOptions, 'module' | 'cmdLine'>): BootRegion {
    return planBootRegion(name, memoryBytes, this.#hypervisor.kernelPages, options.module, options.cmdLine);
  }

  /**
   * Says how much memory a domain is to have from now on, until its next restart. Its guest's
   * balloon driver sees to it, as far as it can. Refused unless the domain runs and nothing else is
   * under way on it.
   * @throws ArgumentError unless it is whole pages, and no more than the domain was built with
   */
  setMemoryTarget(domain: Domain, memoryBytes: number): Outcome {
    checkDomain(domain);
    checkInteger('memoryBytes', memoryBytes);
    const built = domain.nrPages * PAGE_SIZE;
    if (!(Number.isSafeInteger(memoryBytes) && memoryBytes > 0 && memoryBytes % PAGE_SIZE === 0))
      throw new ArgumentError(`memoryBytes: ${counted(memoryBytes, 'byte is', 'bytes are')} not whole pages`);
    if (memoryBytes > built)
      throw new ArgumentError(
        `memoryBytes: ${memoryBytes} bytes are more than the ${built} that "${domain.name}" was built with`,
      );
    const begun = domain.begin('balloon');
    if (!begun.ok) return begun;
    this.#hypervisor.xenstore.transact([memoryTargetNodeOf(domain.domid), String(memoryBytes / 1024)]);
    return DONE;
  }

  /** Asks a guest to stop. Refused unless it runs and nothing else is under way on its domain. */
  askToStop(domain: Domain, request: ShutdownRequest): Outcome {
    checkDomain(domain);
    checkOneOf('request', request, ['poweroff', 'reboot']);
    const begun = domain.begin('shutdown');
    if (!begun.ok) return begun;
    this.#hypervisor.xenstore.transact([shutdownNodeOf(domain.domid), request]);
    return DONE;
  }

  /**
   * Takes a domain down, running, suspended or stopped, and gives its frames to the scrub list; all
   * of them, when the process returns.
   */
  *destroyDomain(domain: Domain): Process<Outcome> {
    checkDomain(domain);
    const begun = domain.begin('destroy');
    if (!begun.ok) return begun;
    yield* this.removeDomain(domain);
    return DONE;
  }

  /** @internal The end of a domain that an operation holds, as destroyDomain has it. */
  *removeDomain(domain: Domain): Process {
    const { scrubber, memory, map } = this.#hypervisor;
    const entry = this.list.entryOf(domain);
    const frames = entry.p2m.frames().filter((mfn) => mfn !== NO_FRAME);
    entry.domain = undefined;
    domain.kill();
    eraseDomainRecord(memory, map, entry.domid);
    const pinned = domain.grants.pinnedFrames();
    entry.p2m = NO_PAGES;
    entry.held = Uint32Array.from(pinned);
    for (const mfn of frames) if (!pinned.has(mfn)) scrubber.add(Mfn(mfn));
    yield* domain.released();
    for (const mfn of pinned) scrubber.add(Mfn(mfn));
    entry.held = NO_FRAMES;
    yield* unplug(this.#hypervisor, domain);
    domain.bury();
    this.list.remove(entry);
  }
}

/**
 * The domain that an operation makes, for a caller that has seen to it that nothing can be in the
 * way.
 * @throws ArgumentError when something was
 */
export function* domainOf(operation: Process<Outcome<Domain>>): Process<Domain> {
  checkObject('operation', operation, 'next', 'throw');
  const outcome = yield* operation;
  if (!outcome.ok) throw new ArgumentError(`operation: ${outcome.reason.why}`);
  return outcome.value;
}
