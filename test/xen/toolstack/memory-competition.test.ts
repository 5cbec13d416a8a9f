// Two domains that compete for memory: there is enough for one of them, and most of it has to be
// scrubbed first. The second operation begins at each event of the first. Each ends with an
// outcome, the daemon's restart too, and afterwards all memory is free again.
import { describe, expect, it } from 'vitest';
import { DONE, Pfn, PAGE_SIZE } from '../../../src/base/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import {
  type Domain,
  domainOf,
  type Outcome,
  restoreDomain,
  saveDomain,
  ShutdownReason,
  Xend,
} from '../../../src/xen/index.ts';
import { endOf, failed } from '../../../src/xen/domain/lifecycle.ts';
import { casesOf } from '../../support/product.ts';
import { TIMEOUT_MS } from '../../support/property.ts';
import {
  bootMachine,
  LEAST_PAGES,
  MIB,
  MiniGuest,
  suspendsAlways,
  TestDisk,
  type TestMachine,
} from '../../support/machine.ts';

/**
 * What wants memory:
 * - a new domain;
 * - a restart of one that gave 900 pages back, asked for or after a crash;
 * - one that is to grow by as many;
 * - pages that a guest takes again;
 * - a save, whose file is in domain 0's memory;
 * - a domain from a file.
 */
const WANTS = ['create', 'reboot', 'crash', 'grow', 'take', 'save', 'restore'] as const;
type Want = (typeof WANTS)[number];

const GIVEN_BACK = Array.from({ length: 900 }, (_, i) => 100 + i);
/** Frames that there are for both: those of a new domain and of a file. */
const SPARE = LEAST_PAGES + 300;
/** Events of the first at which `npm test` begins the second; `npm run test:laws` does at all. */
const SAMPLE = 1;

class Room {
  readonly machine: TestMachine = bootMachine(1, {}, 24 * MIB, { scrubNsPerByte: 1 });
  readonly xend = new Xend(this.machine.hypervisor, this.machine.toolstack);
  readonly free = this.machine.hypervisor.allocator.freeCount;
  readonly wants: ReadonlyMap<string, { readonly want: Want; readonly file: TestDisk }>;
  readonly outcomes = new Map<string, Outcome<unknown>>();
  readonly boots = new Map<string, number>();

  constructor(wants: readonly [Want, Want]) {
    const { simulation, memory, hypervisor, toolstack } = this.machine;
    this.wants = new Map(
      wants.map((want, n) => ['ab'[n]!, { want, file: new TestDisk(simulation, memory, LEAST_PAGES + 40) }]),
    );
    for (const [name, { want, file }] of this.wants) this.#prepare(name, want, file);
    const before = this.#run(domainOf(toolstack.createDomain(this.#config('before', SPARE))));
    this.#settle();
    this.#run(domainOf(toolstack.createDomain(this.#config('filler', hypervisor.allocator.freeCount))));
    hypervisor.power.spawn('empty', toolstack.destroyDomain(before));
    simulation.run(() => hypervisor.scrubber.frames.length > 0);
  }

  #run<T>(process: Process<T>): T {
    return this.machine.simulation.runProcess('prepare', process);
  }

  #settle(): void {
    const { simulation, hypervisor } = this.machine;
    simulation.run(() => hypervisor.scrubber.frames.length === 0);
  }

  #config(name: string, pages = LEAST_PAGES) {
    return { name, memoryBytes: pages * PAGE_SIZE, device: this.machine.disk };
  }

  #prepare(name: string, want: Want, file: TestDisk): void {
    if (want === 'create') return;
    const boot = (): void => {
      this.boots.set(name, (this.boots.get(name) ?? 0) + 1);
    };
    const domain = this.#run(domainOf(this.xend.start({ ...this.#config(name), preserveCache: true, boot })));
    const guest = new MiniGuest(this.machine, domain);
    suspendsAlways(guest);
    this.machine.simulation.run();
    if (want === 'restore') expect(this.#run(saveDomain(this.machine, domain, this.#config(name), file)).ok).toBe(true);
    else if (want !== 'save' && want !== 'grow') domain.environment.hypercalls.decreaseReservation(GIVEN_BACK);
    this.machine.simulation.run();
  }

  domain(name: string): Domain | undefined {
    return this.machine.toolstack.list.domains.find((domain) => domain.name === name);
  }

  begin(name: string): void {
    this.machine.hypervisor.power.spawn(name, this.#carryOut(name));
  }

  *#carryOut(name: string): Process {
    this.outcomes.set(name, yield* this.#perform(name));
  }

  *#perform(name: string): Process<Outcome<unknown>> {
    const { machine, xend } = this;
    const { toolstack, disk } = machine;
    const { want, file } = this.wants.get(name)!;
    if (want === 'create') return yield* toolstack.createDomain(this.#config(name));
    if (want === 'restore') return yield* restoreDomain(machine, file, { device: disk, vouch: false });
    const domain = this.domain(name)!;
    switch (want) {
      case 'save':
        return yield* saveDomain(machine, domain, this.#config(name), file);
      case 'reboot':
        return yield* toolstack.restartDomain(domain, { preserve: true });
      case 'grow': {
        const memoryBytes = (LEAST_PAGES + GIVEN_BACK.length) * PAGE_SIZE;
        return yield* toolstack.restartDomain(domain, { preserve: true, memoryBytes });
      }
      case 'take': {
        const { hypercalls } = domain.environment;
        let taken = 0;
        // Again and again, as a balloon driver does.
        for (let n = 0; n < 20; n++) {
          taken += hypercalls.increaseReservation(GIVEN_BACK.slice(taken));
          yield 1_000_000;
        }
        return taken === GIVEN_BACK.length ? DONE : failed(`ENOMEM: ${taken} pages`);
      }
      case 'crash': {
        const boots = this.boots.get(name)!;
        domain.environment.hypercalls.shutdown(ShutdownReason.crash);
        while (this.boots.get(name) === boots && xend.problems.get(name) === undefined) yield 100_000;
        return xend.problems.has(name) ? failed(xend.problems.get(name)!) : DONE;
      }
    }
  }

  /** Everything can be destroyed, and all memory is free again. */
  clear(): void {
    const { simulation, toolstack, hypervisor } = this.machine;
    for (const domain of toolstack.list.domains)
      expect(this.#run(toolstack.destroyDomain(domain))).toEqual({ ok: true });
    simulation.run();
    toolstack.list.checkInvariants();
    expect(toolstack.list.entries).toEqual([]);
    expect(hypervisor.allocator.freeCount).toBe(this.free);
  }
}

function eventsOf(first: Want): number {
  const room = new Room([first, 'create']);
  room.begin('a');
  const events = room.machine.simulation.run(() => room.outcomes.has('a'));
  expect(room.outcomes.get('a')).toMatchObject({ ok: true });
  return events;
}

function compete(first: Want, second: Want, at: number): void {
  const room = new Room([first, second]);
  const { simulation, toolstack } = room.machine;
  room.begin('a');
  for (let n = 0; n < at; n++) simulation.step();
  room.begin('b');
  simulation.run();
  const outcomes = ['a', 'b'].map((name) => room.outcomes.get(name)!);
  for (const outcome of outcomes) {
    expect(['done', 'failed']).toContain(endOf(outcome));
    if (!outcome.ok) expect(outcome.reason.why).toMatch(/ENOMEM|no memory/);
  }
  expect(outcomes.map(endOf)).toContain('done');
  toolstack.list.checkInvariants();
  for (const [n, name] of ['a', 'b'].entries()) {
    const { want } = room.wants.get(name)!;
    const domain = room.domain(name);
    const isDone = outcomes[n]!.ok;
    // A domain that could not be restarted is as it was, except after a crash: there is nothing to
    // go back to.
    const isThere = want === 'create' || want === 'restore' || want === 'crash' ? isDone : !(want === 'save' && isDone);
    expect([name, want, domain?.isRunning]).toEqual([name, want, isThere || undefined]);
    if (domain !== undefined) domain.environment.memory.writeU32(Pfn(domain.nrPages - 2), 0, 1);
  }
  room.clear();
}

describe('two domains for which there is too little memory', () => {
  it.each(WANTS)(
    'the operation %s lets each other begin at any event of it, though memory is for one alone',
    { timeout: TIMEOUT_MS },
    (first) => {
      const events = eventsOf(first);
      const instants = Array.from({ length: events }, (_, at) => at);
      for (const second of WANTS)
        for (const at of casesOf('two domains and too little memory', `${first} and ${second}`, instants, {
          sample: SAMPLE,
        })) {
          try {
            compete(first, second, at);
          } catch (error) {
            throw new Error(`${first}, and after ${at} of ${events} events ${second}`, { cause: error });
          }
        }
    },
  );
});
