// Operations that meet on one domain: the second begins at each event of the first. Both end with
// an outcome in every case. No frame has two owners, no save file has a byte of another domain, and
// one guest runs once.
import { describe, expect, it } from 'vitest';
import { DONE, PAGE_SIZE, Pfn } from '../../src/base/index.ts';
import { Nic } from '../../src/machine/nic.ts';
import { values } from '../../src/machine/profile.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import type { Process } from '../../src/sim/index.ts';
import {
  type Domain,
  domainOf,
  endOf,
  migrateDomain,
  type Outcome,
  receiveMigration,
  restoreDomain,
  resumeDomain,
  saveDomain,
  ShutdownReason,
  suspendDomain,
} from '../../src/xen/index.ts';
import { refused } from '../../src/xen/domain/lifecycle.ts';
import { decodeSaveHeader } from '../../src/xen/save/format.ts';
import { casesOf } from '../support/product.ts';
import { TIMEOUT_MS } from '../support/property.ts';
import {
  bootMachine,
  LEAST_PAGES,
  machineBeside,
  MIB,
  startGuest,
  suspendsAlways,
  TestDisk,
  type TestMachine,
} from '../support/machine.ts';

const OPERATIONS = [
  'create',
  'destroy',
  'save',
  'restore',
  'migrate',
  'suspend',
  'resume',
  'reboot',
  'crash',
  'balloon',
] as const;
type OperationName = (typeof OPERATIONS)[number];

/** An operation that was begun, and how it ended. */
interface Run {
  outcome: Outcome<unknown> | undefined;
}

const NAME = 'a';
/** What another domain stores everywhere. */
const SECRET = 0x05ec_2e70;
/**
 * Second operations, and events of the first at which they begin, that `npm test` plays with each
 * first one; `npm run test:laws` plays all.
 */
const SAMPLE = 5;

/** Two machines, a domain as the first operation wants to find it, and a file. */
class Stage {
  readonly source: TestMachine = bootMachine(1, {}, 12 * MIB, { scrubNsPerByte: 1 });
  readonly target: TestMachine = machineBeside(this.source, 8 * MIB);
  readonly cable = Nic.connect(this.source.simulation, values(SERVER_2026.nic.constants));
  readonly free = [this.source, this.target].map(({ hypervisor }) => hypervisor.allocator.freeCount);
  readonly file = new TestDisk(this.source.simulation, this.source.memory, LEAST_PAGES + 40);
  readonly config = { name: NAME, memoryBytes: LEAST_PAGES * PAGE_SIZE, device: this.source.disk };
  readonly runs: Run[] = [];
  #known: Domain | undefined;

  constructor(first: OperationName) {
    const { simulation, disk } = this.source;
    this.file.bytes.fill(0);
    if (first !== 'create') {
      const guest = startGuest(this.source, NAME);
      this.#known = guest.domain;
      suspendsAlways(guest);
      simulation.run();
      if (first === 'restore') this.#prepare('save');
      // Something is in flight whatever begins.
      disk.latencyNs = 3000;
      if (guest.domain.isRunning) {
        guest.read(100, 7);
        guest.write(101, 9);
      }
      if (first === 'reboot') guest.domain.environment.hypercalls.decreaseReservation([300, 301]);
      if (first === 'resume') this.#prepare('suspend');
    }
    if (first === 'create' || first === 'restore' || first === 'reboot') this.#fillAndScrub();
  }

  #prepare(operation: OperationName): void {
    expect(this.source.simulation.runProcess(operation, this.perform(operation))).toMatchObject({ ok: true });
  }

  /** There is memory only when it has been scrubbed. */
  #fillAndScrub(): void {
    const { simulation, hypervisor, toolstack, disk } = this.source;
    simulation.run(() => hypervisor.scrubber.frames.length === 0);
    const memoryBytes = hypervisor.allocator.freeCount * PAGE_SIZE;
    const config = { name: 'before', memoryBytes, device: disk };
    const domain = simulation.runProcess('fill', domainOf(toolstack.createDomain(config)));
    hypervisor.power.spawn('empty', toolstack.destroyDomain(domain));
    simulation.run(() => hypervisor.scrubber.frames.length > 0);
  }

  /** The domain as its user knows it: it may be gone. */
  get domain(): Domain | undefined {
    this.#known = this.source.toolstack.list.domains.find(({ name }) => name === NAME) ?? this.#known;
    return this.#known;
  }

  begin(operation: OperationName, onBegin: () => void = () => undefined): Run {
    const perform = (): Process<Outcome<unknown>> => {
      onBegin();
      return this.perform(operation);
    };
    return this.#begin(this.source, operation, perform);
  }

  #begin({ hypervisor }: TestMachine, name: string, perform: () => Process<Outcome<unknown>>): Run {
    const run: Run = { outcome: undefined };
    this.runs.push(run);
    const process = function* (): Process {
      run.outcome = yield* perform();
    };
    hypervisor.power.spawn(name, process());
    return run;
  }

  *perform(operation: OperationName): Process<Outcome<unknown>> {
    const { source, config, file, domain } = this;
    const { hypervisor, toolstack, disk } = source;
    if (operation === 'create') return yield* toolstack.createDomain(config);
    if (operation === 'restore') return yield* restoreDomain(source, file, { device: disk, vouch: false });
    if (operation === 'resume') return yield* resumeDomain(hypervisor, toolstack.list, config);
    if (domain === undefined) return refused('nobody has it yet');
    switch (operation) {
      case 'destroy':
        return yield* toolstack.destroyDomain(domain);
      case 'save':
        return yield* saveDomain(source, domain, config, file);
      case 'migrate':
        this.#receive();
        return yield* migrateDomain(source, domain, config, this.cable[0]);
      case 'suspend':
        return yield* suspendDomain(hypervisor, domain);
      case 'reboot':
        return yield* toolstack.restartDomain(domain, { preserve: true });
      case 'crash':
        if (!domain.isRunning) return refused('it does not run');
        domain.environment.hypercalls.shutdown(ShutdownReason.crash);
        return DONE;
      case 'balloon': {
        const outcome = toolstack.setMemoryTarget(domain, (LEAST_PAGES - 50) * PAGE_SIZE);
        if (outcome.ok)
          domain.environment.hypercalls.decreaseReservation(Array.from({ length: 50 }, (_, i) => 200 + i));
        return outcome;
      }
    }
  }

  #receive(): void {
    const options = { devicesOf: () => ({ device: this.target.disk }), vouch: false };
    this.#begin(this.target, 'arrival', () => receiveMigration(this.target, this.cable[1], options));
  }

  /**
   * Another domain takes all memory that is free, once there is enough of it, and stores its secret
   * there.
   */
  *squat(): Process {
    const { toolstack, hypervisor, disk } = this.source;
    yield 20_000;
    const memoryBytes = hypervisor.allocator.freeCount * PAGE_SIZE;
    if (memoryBytes < this.config.memoryBytes) return;
    const other = yield* toolstack.createDomain({ name: 'other', memoryBytes, device: disk });
    if (!other.ok) return;
    const { memory } = other.value.environment;
    for (let pfn = other.value.bootPages; pfn < other.value.nrPages; pfn++) memory.writeU32(Pfn(pfn), 0, SECRET);
  }

  /** The copies of the guest that run. */
  get running(): number[] {
    return [this.source, this.target].map(
      ({ toolstack }) => toolstack.list.domains.filter(({ name, isRunning }) => name === NAME && isRunning).length,
    );
  }

  get isFileCommitted(): boolean {
    const parsed = decodeSaveHeader(this.file.bytes.slice(0, PAGE_SIZE), 'x86_64');
    return 'value' in parsed && !parsed.value.consumed;
  }

  get hasSecret(): boolean {
    return new Uint32Array(this.file.bytes.buffer).includes(SECRET);
  }

  /** All domains can be destroyed, and all memory is free again. */
  clear(): void {
    const { simulation } = this.source;
    for (const { toolstack } of [this.source, this.target])
      for (const domain of toolstack.list.domains)
        expect(simulation.runProcess('destroy', toolstack.destroyDomain(domain))).toEqual({ ok: true });
    simulation.run();
    this.check();
    expect(this.source.toolstack.list.entries.concat(this.target.toolstack.list.entries)).toEqual([]);
    const free = [this.source, this.target].map(({ hypervisor }) => hypervisor.allocator.freeCount);
    expect(free).toEqual(this.free);
  }

  check(): void {
    for (const { toolstack } of [this.source, this.target]) toolstack.list.checkInvariants();
  }
}

function outcomeOf({ outcome }: Run): Outcome<unknown> {
  if (outcome === undefined) throw new Error('an operation has no outcome');
  if (!outcome.ok) expect(outcome.reason.why.length).toBeGreaterThan(5);
  return outcome;
}

/** Events of the first operation when no other disturbs it. */
function eventsOf(first: OperationName): number {
  const stage = new Stage(first);
  const { simulation } = stage.source;
  const run = stage.begin(first);
  const events = simulation.run(() => run.outcome !== undefined);
  expect(outcomeOf(run)).toMatchObject({ ok: true });
  return events;
}

function meet(first: OperationName, second: OperationName, at: number): readonly ReturnType<typeof endOf>[] {
  const stage = new Stage(first);
  const { simulation, toolstack } = stage.source;
  const one = stage.begin(first);
  for (let n = 0; n < at; n++) simulation.step();
  let allowed: Outcome | undefined;
  let isThere = false;
  const two = stage.begin(second, () => {
    isThere = stage.domain !== undefined && stage.domain.state !== 'dead';
    const isKnown = stage.domain !== undefined || ['create', 'restore', 'resume'].includes(second);
    allowed = second === 'crash' || !isKnown ? undefined : toolstack.list.lifeOf(NAME).allows(second);
  });
  stage.source.hypervisor.power.spawn('other', stage.squat());
  simulation.run();
  stage.runs.forEach(outcomeOf);
  const [was, is] = [outcomeOf(one), outcomeOf(two)];
  // An operation that may not begin is refused with the reason, and has disturbed no other.
  if (allowed?.ok === false && second !== 'restore')
    expect(is).toMatchObject(isThere ? allowed : { reason: { kind: 'refused' } });
  if (endOf(is) === 'refused' && first !== 'restore') expect(endOf(was)).toBe('done');
  stage.check();
  const [here, there] = stage.running as [number, number];
  expect(here + there).toBeLessThanOrEqual(1);
  if (first === 'migrate' && was.ok) expect([here, there]).toEqual([0, 1]);
  if (stage.isFileCommitted) expect(stage.hasSecret).toBe(false);
  const isOfSave = ({ bytes, domain }: Partial<Record<string, unknown>>): boolean =>
    bytes !== undefined && domain === undefined;
  const wasSaved = stage.isFileCommitted && [was, is].some((outcome) => outcome.ok && isOfSave(outcome.value ?? {}));
  stage.clear();
  if (wasSaved) expect(simulation.runProcess('restore', stage.perform('restore'))).toMatchObject({ ok: true });
  return [endOf(was), endOf(is)];
}

describe('two operations on one domain', () => {
  it.each(OPERATIONS)(
    'the operation %s lets each other begin at any event of it, and both end with an outcome',
    { timeout: TIMEOUT_MS },
    (first) => {
      const events = eventsOf(first);
      const all = OPERATIONS.flatMap((second) => Array.from({ length: events }, (_, at) => ({ second, at })));
      const cases = casesOf('two operations on one domain', first, all, { sample: SAMPLE });
      let refusals = 0;
      for (const { second, at } of cases) {
        try {
          if (meet(first, second, at)[1] === 'refused') refusals++;
        } catch (error) {
          throw new Error(`${first}, and after ${at} of ${events} events ${second}`, { cause: error });
        }
      }
      const fewest = Math.min(...OPERATIONS.map((each) => cases.filter(({ second }) => second === each).length));
      expect(refusals).toBeGreaterThanOrEqual(fewest);
    },
  );
});
