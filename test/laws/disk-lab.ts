// A room of two machines, two domains and a shelf of disks, for the law of docs/adr/0010. A page
// that is reused equals its block of the disk that is bound now. That holds whatever is done to the
// disks, and to what is bound to a domain, while no guest runs.
import { PAGE_SIZE, Pfn, SECTORS_PER_PAGE } from '../../src/base/index.ts';
import { noteChange } from '../../src/disk/image/backing-store.ts';
import type { BlockDevice } from '../../src/disk/drive/block-device.ts';
import { Partition } from '../../src/disk/drive/partition.ts';
import { Nic } from '../../src/machine/nic.ts';
import { values } from '../../src/machine/profile.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import { type Process, WaitQueue } from '../../src/sim/index.ts';
import {
  type Domain,
  domainOf,
  handOver,
  Hypervisor,
  migrateDomain,
  type Protections,
  Reason,
  receiveMigration,
  restoreDomain,
  resumeDomain,
  saveDomain,
  shutdownDomain0,
  ShutdownReason,
  suspendDomains,
  Toolstack,
} from '../../src/xen/index.ts';
import { SHARED_INFO, SHUTDOWN_NODE, Virq } from '../../src/xen/public/index.ts';
import {
  BOOT_PAGES,
  bootMachine,
  COSTS,
  LEAST_PAGES,
  machineBeside,
  MiniGuest,
  REGISTERS,
  TestDisk,
  type TestMachine,
} from '../support/machine.ts';

/** Blocks of a disk on the shelf, and of what a domain has of one. */
export const DISK_BLOCKS = 48;
export const PART_BLOCKS = 16;
const FILE_BLOCKS = 1060;
const INO = 12;

export type Who = 0 | 1;

/** What is done to the disks, or to what is bound next, while nobody looks. */
export type Tamper =
  | { readonly do: 'write'; readonly store: number; readonly block: number }
  | { readonly do: 'snapshot' | 'roll back'; readonly store: number }
  | { readonly do: 'clone'; readonly who: Who; readonly block: number }
  | { readonly do: 'exchange' }
  | { readonly do: 'rename'; readonly who: Who }
  | { readonly do: 'view'; readonly who: Who; readonly first: number };

interface WarmDeed {
  readonly do: 'warm-cache' | 'warm-vm';
  readonly first: Who;
  readonly tampers: readonly Tamper[];
  /** Blocks that the first guest writes before the second is taken up. */
  readonly writes?: readonly number[];
  /** When the guests stand still, before the hand-over. */
  readonly standing?: readonly Tamper[];
}

interface SaveDeed {
  readonly do: 'save';
  readonly who: Who;
  readonly vouch: boolean;
  readonly tampers: readonly Tamper[];
  /** When the guest stands still, while the file is written. */
  readonly standing?: readonly Tamper[];
}

export type Deed =
  | { readonly do: 'read' | 'store'; readonly who: Who; readonly block: number }
  | { readonly do: 'reboot'; readonly who: Who; readonly crash: boolean; readonly tampers: readonly Tamper[] }
  | WarmDeed
  | SaveDeed
  | { readonly do: 'migrate'; readonly who: Who; readonly tampers: readonly Tamper[] }
  /** While guests run. */
  | { readonly do: 'meanwhile'; readonly tampers: readonly Tamper[] }
  | { readonly do: 'devices'; readonly at: 0 | 1 };

/** What a domain is to have: a part of a disk, under a name. */
interface Plan {
  readonly store: number;
  readonly first: number;
  readonly identity?: string;
}

interface Guest {
  mini: MiniGuest;
  at: 0 | 1;
  plan: Plan;
  readonly suspendPort: number;
  /** Its device as it was when the guest stood still. */
  seen: Uint8Array | undefined;
}

/** A page that is not what the disk has. */
export class WrongPage extends Error {}

export class DiskLab {
  /** What became of pages and guests, for a test that wants to know whether anything happened. */
  readonly counts = { reused: 0, read: 0, goneOn: 0, refused: 0, bootedAnew: 0, otherDisk: 0, diskChanged: 0 };
  readonly #machines: [TestMachine, TestMachine];
  readonly #cable: readonly [Nic, Nic];
  readonly #protections: Partial<Protections>;
  /** Ports of each disk at both machines. */
  readonly #shelf: [TestDisk, TestDisk][] = [];
  readonly #snapshots = new Map<number, Uint8Array>();
  readonly #plans: [Plan, Plan] = [
    { store: 0, first: 0 },
    { store: 0, first: PART_BLOCKS },
  ];
  readonly #guests: (Guest | undefined)[] = [];
  #stamp = 0;

  constructor(protections: Partial<Protections> = {}) {
    this.#protections = protections;
    const source = bootMachine(1, { protections });
    const target = machineBeside(source, undefined, undefined, protections);
    this.#machines = [source, target];
    this.#cable = Nic.connect(source.simulation, values(SERVER_2026.nic.constants));
    this.#addDisk(DISK_BLOCKS);
    for (const who of [0, 1] as const) {
      this.#create(who, 0);
      for (let block = 0; block < PART_BLOCKS; block++) this.#cache(who, block);
    }
  }

  perform(deed: Deed): void {
    switch (deed.do) {
      case 'read': {
        this.#cache(deed.who, deed.block % PART_BLOCKS);
        return;
      }
      case 'store': {
        this.#store(deed.who, deed.block % PART_BLOCKS);
        return;
      }
      case 'reboot': {
        this.#reboot(deed.who, deed.crash, deed.tampers);
        return;
      }
      case 'warm-cache': {
        this.#warmCache(deed.first, deed.tampers, deed.writes);
        return;
      }
      case 'warm-vm': {
        this.#warmVm(deed.first, deed);
        return;
      }
      case 'save': {
        this.#saveAndRestore(deed.who, deed);
        return;
      }
      case 'migrate': {
        this.#migrate(deed.who, deed.tampers);
        return;
      }
      case 'meanwhile': {
        this.#tamper(deed.tampers);
        return;
      }
      case 'devices': {
        this.#useDevices(deed.at);
        return;
      }
    }
  }

  /** Every guest asks for all that it ever had; then every book is in order. */
  end(): void {
    for (const who of [0, 1] as const) this.#claimAll(who);
    for (const { toolstack } of this.#machines) toolstack.list.checkInvariants();
  }

  // Guests.

  #guest(who: Who): Guest {
    return this.#guests[who]!;
  }

  /** As the kernel does: a page is taken over if it can be, else it is read and named. */
  #cache(who: Who, block: number): void {
    const { mini } = this.#guest(who);
    if (this.#claim(who, block)) return;
    const pfn = pfnOf(block);
    mini.read(pfn, block);
    this.#run();
    mini.insert(pfn, INO, block);
    this.counts.read++;
  }

  #claim(who: Who, block: number): boolean {
    const { mini, plan } = this.#guest(who);
    const { result, pfn } = mini.claim(INO, block, block);
    if (result !== Reason.ok) return false;
    this.counts.reused++;
    const wanted = this.#bytesOf(plan).subarray(block * PAGE_SIZE, (block + 1) * PAGE_SIZE);
    if (Buffer.compare(mini.page(pfn), wanted) !== 0) throw new WrongPage(`guest ${who} reused another block ${block}`);
    return true;
  }

  #claimAll(who: Who): void {
    for (let block = 0; block < PART_BLOCKS; block++) this.#claim(who, block);
  }

  #store(who: Who, block: number): void {
    this.#cache(who, block);
    const { mini } = this.#guest(who);
    mini.domain.environment.memory.writeU32(pfnOf(block), 0, ++this.#stamp);
    mini.write(pfnOf(block), block);
    this.#run();
  }

  #create(who: Who, at: 0 | 1): void {
    const machine = this.#machines[at];
    const domain = this.#runProcess('create', domainOf(machine.toolstack.createDomain(this.#configOf(who, at))));
    this.#settle(who, at, domain, undefined);
  }

  /** A guest runs in the domain: a new one, or one that goes on. */
  #settle(who: Who, at: 0 | 1, domain: Domain, goesOn: Guest | undefined): void {
    const mini = new MiniGuest(this.#machines[at], domain);
    const { eventChannels } = domain.environment.hypercalls;
    const suspendPort = goesOn?.suspendPort ?? eventChannels.bindVirq(Virq.suspend);
    this.#guests[who] = { mini, at, plan: this.#plans[who], suspendPort, seen: undefined };
    suspendsOnce(mini, suspendPort);
    this.#run();
    if (goesOn === undefined) this.#countRefusals(domain);
    else this.counts.goneOn++;
  }

  #countRefusals({ stats: { refused } }: Domain): void {
    this.counts.otherDisk += refused.otherDisk;
    this.counts.diskChanged += refused.diskChanged;
  }

  /** A guest goes on: its disk is what it was. */
  #mustBeAsSeen(who: Who, guest: Guest): void {
    const { seen } = guest;
    if (seen === undefined || Buffer.compare(seen, this.#bytesOf(this.#plans[who])) !== 0)
      throw new WrongPage(`guest ${who} goes on with another disk`);
  }

  // Reboots.

  #reboot(who: Who, crash: boolean, tampers: readonly Tamper[]): void {
    const { mini, at, plan } = this.#guest(who);
    const { domain } = mini;
    domain.environment.hypercalls.shutdown(crash ? ShutdownReason.crash : ShutdownReason.reboot);
    const [before, between] = [tampers.slice(0, 1), tampers.slice(1)];
    this.#tamper(before);
    const restart = this.#machines[at].toolstack.restartDomain(domain, {
      preserve: true,
      betweenGuests: () => {
        this.#tamper(between);
      },
    });
    const next = this.#runProcess('restart', domainOf(restart));
    const wanted = this.#plans[who];
    // The domain keeps the disk that it has.
    this.#plans[who] = plan;
    this.#settle(who, at, next, undefined);
    this.#plans[who] = wanted;
    for (let block = 0; block < PART_BLOCKS; block += 2) this.#claim(who, block);
  }

  #warmCache(first: Who, tampers: readonly Tamper[], writes: readonly number[] = []): void {
    const here = this.#here(first, 0);
    for (const who of here) this.#guest(who).mini.domain.environment.hypercalls.shutdown(ShutdownReason.poweroff);
    const { hypervisor, toolstack } = this.#machines[0];
    this.#runProcess('domain 0 goes', shutdownDomain0(hypervisor, toolstack));
    for (const who of here) this.#runProcess('leave', toolstack.leaveDomain(this.#guest(who).mini.domain));
    this.#nextHypervisor(tampers);
    for (const who of here) {
      const domain = this.#runProcess(
        'boot',
        domainOf(this.#machines[0].toolstack.bootLeftDomain(this.#configOf(who, 0))),
      );
      this.#settle(who, 0, domain, undefined);
      for (let block = 0; block < PART_BLOCKS; block += 2) this.#claim(who, block);
      if (who === here[0]) for (const block of writes) this.#store(who, block);
    }
  }

  #warmVm(first: Who, { tampers, writes = [], standing = [] }: WarmDeed): void {
    const here = this.#here(first, 0);
    const { hypervisor, toolstack } = this.#machines[0];
    this.#runProcess('domain 0 goes', shutdownDomain0(hypervisor, toolstack));
    const failed = this.#runProcess('suspend', suspendDomains(hypervisor, toolstack));
    if (failed.length > 0) throw new Error(`not suspended: ${JSON.stringify(failed)}`);
    for (const who of here) this.#guest(who).seen = this.#bytesOf(this.#guest(who).plan);
    this.#tamper(standing);
    this.#nextHypervisor(tampers);
    for (const who of here) {
      const guest = this.#guest(who);
      const outcome = this.#runProcess(
        'resume',
        resumeDomain(this.#machines[0].hypervisor, this.#machines[0].toolstack.list, this.#configOf(who, 0)),
      );
      if (!outcome.ok) this.#bootAnew(who, 0);
      else {
        this.#mustBeAsSeen(who, guest);
        this.#settle(who, 0, outcome.value, guest);
      }
      if (who !== here[0]) continue;
      for (const block of writes) this.#store(who, block);
      // To a disk that two guests have at once, each may write: that is no news to the other.
      for (const other of here) this.#guest(other).seen = this.#bytesOf(this.#plans[other]);
    }
  }

  #nextHypervisor(tampers: readonly Tamper[]): void {
    const machine = this.#machines[0];
    const { simulation, memory, hypervisor, toolstack } = machine;
    this.#runProcess('hand over', handOver(hypervisor, toolstack));
    hypervisor.halt();
    memory.reset(simulation.random.stream('reset'));
    this.#tamper(tampers);
    const options = { kernelPages: 2, protections: this.#protections };
    const next = Hypervisor.reload(simulation, memory, COSTS, options);
    if (next.lost.length > 0) throw new Error(JSON.stringify(next.lost));
    this.#machines[0] = { ...machine, hypervisor: next.hypervisor, toolstack: new Toolstack(next.hypervisor) };
  }

  #saveAndRestore(who: Who, { vouch, tampers, standing = [] }: SaveDeed): void {
    const guest = this.#guest(who);
    const { at, mini, plan } = guest;
    const machine = this.#machines[at];
    const file = new TestDisk(machine.simulation, machine.memory, FILE_BLOCKS);
    guest.seen = undefined;
    // Its first block is written when the guest stands still.
    file.onFrame = () => {
      if (guest.seen !== undefined) return;
      guest.seen = this.#bytesOf(plan);
      this.#tamper(standing);
    };
    const saved = this.#runProcess('save', saveDomain(machine, mini.domain, this.#configOf(who, at), file));
    if (!saved.ok) throw new Error(saved.reason.why);
    this.#tamper(tampers);
    const options = { device: this.#deviceOf(this.#plans[who], at), vouch };
    const outcome = this.#runProcess('restore', restoreDomain(machine, file, options));
    if (!outcome.ok) {
      this.#bootAnew(who, at);
      return;
    }
    this.#mustBeAsSeen(who, guest);
    this.#settle(who, at, outcome.value.domain, guest);
  }

  #migrate(who: Who, tampers: readonly Tamper[]): void {
    const guest = this.#guest(who);
    const { at, mini, plan } = guest;
    const to = at === 0 ? 1 : 0;
    this.#tamper(tampers);
    const [source, target] = [this.#machines[at], this.#machines[to]];
    const devicesOf = () => ({ device: this.#deviceOf(this.#plans[who], to) });
    const arrival = target.hypervisor.power.spawn(
      'arrival',
      receiveMigration(target, this.#cable[to], { devicesOf, vouch: true }),
    );
    const config = this.#configOf(who, at);
    const left = this.#runProcess('migrate', migrateDomain(source, mini.domain, config, this.#cable[at]));
    const arrived = this.#runProcess('arrive', arrival.join());
    this.#run();
    if (!left.ok) {
      this.counts.refused++;
      const wanted = this.#plans[who];
      if (left.reason.domain === undefined) throw new Error(left.reason.why);
      this.#plans[who] = plan;
      this.#settle(who, at, left.reason.domain, guest);
      this.#plans[who] = wanted;
      return;
    }
    if (arrived === undefined || !arrived.ok) throw new Error('who says that it runs there has it');
    guest.seen = this.#bytesOf(plan);
    this.#mustBeAsSeen(who, guest);
    this.#settle(who, to, arrived.value.domain, guest);
  }

  #bootAnew(who: Who, at: 0 | 1): void {
    this.counts.bootedAnew++;
    this.#create(who, at);
  }

  /**
   * More devices than there are numbers, one after the other: files from which nothing can be
   * restored.
   */
  #useDevices(at: 0 | 1): void {
    const machine = this.#machines[at];
    const before = machine.hypervisor.devices.counts;
    for (let i = 0; i < 260; i++) {
      const file = new TestDisk(machine.simulation, machine.memory, 1);
      const outcome = this.#runProcess('restore', restoreDomain(machine, file, { device: file, vouch: false }));
      if (outcome.ok) throw new Error('restored from nothing');
    }
    this.#run();
    if (JSON.stringify(machine.hypervisor.devices.counts) !== JSON.stringify(before))
      throw new Error('a device stayed');
  }

  // Disks.

  #addDisk(blocks: number): number {
    const [source, target] = this.#machines;
    const disk = new TestDisk(source.simulation, source.memory, blocks);
    return this.#shelf.push([disk, new TestDisk(target.simulation, target.memory, 0, disk)]) - 1;
  }

  #tamper(tampers: readonly Tamper[]): void {
    for (const tamper of tampers) this.#tamperOnce(tamper);
  }

  #tamperOnce(tamper: Tamper): void {
    switch (tamper.do) {
      case 'write': {
        const [disk] = this.#diskAt(tamper.store);
        this.#scribble(disk, tamper.block);
        noteChange(disk.store, tamper.block);
        return;
      }
      case 'snapshot':
        this.#snapshots.set(tamper.store % this.#shelf.length, this.#diskAt(tamper.store)[0].bytes.slice());
        return;
      case 'roll back': {
        const [disk] = this.#diskAt(tamper.store);
        const bytes = this.#snapshots.get(tamper.store % this.#shelf.length);
        if (bytes === undefined) return;
        disk.bytes.set(bytes);
        noteChange(disk.store);
        return;
      }
      case 'clone': {
        const { store } = this.#plans[tamper.who];
        const clone = this.#addDisk(DISK_BLOCKS);
        const [disk] = this.#shelf[clone]!;
        disk.bytes.set(this.#shelf[store]![0].bytes);
        this.#scribble(disk, tamper.block);
        // Whoever attaches a clone gives it an identity of its own.
        this.#plans[tamper.who] = { store: clone, first: this.#plans[tamper.who].first };
        return;
      }
      case 'exchange':
        this.#plans.reverse();
        return;
      case 'rename':
        this.#plans[tamper.who] = { ...this.#plans[tamper.who], identity: `name ${++this.#stamp}` };
        return;
      case 'view':
        this.#plans[tamper.who] = { ...this.#plans[tamper.who === 0 ? 1 : 0], first: tamper.first };
    }
  }

  #scribble(disk: TestDisk, block: number): void {
    new DataView(disk.block(block).buffer, block * PAGE_SIZE).setUint32(8, ++this.#stamp);
  }

  #diskAt(store: number): [TestDisk, TestDisk] {
    return this.#shelf[store % this.#shelf.length]!;
  }

  #bytesOf({ store, first }: Plan): Uint8Array {
    return this.#shelf[store]![0].bytes.slice(first * PAGE_SIZE, (first + PART_BLOCKS) * PAGE_SIZE);
  }

  #deviceOf({ store, first, identity }: Plan, at: 0 | 1): BlockDevice {
    const part = new Partition(this.#shelf[store]![at], first * SECTORS_PER_PAGE, PART_BLOCKS * SECTORS_PER_PAGE);
    if (identity === undefined) return part;
    return {
      sectorCount: part.sectorCount,
      store: { ...part.store, identity },
      submit: (request) => {
        part.submit(request);
      },
    };
  }

  #configOf(who: Who, at: 0 | 1) {
    return { name: `guest${who}`, memoryBytes: LEAST_PAGES * PAGE_SIZE, device: this.#deviceOf(this.#plans[who], at) };
  }

  /** The guests of a machine. */
  #here(first: Who, at: 0 | 1): Who[] {
    const order: Who[] = first === 0 ? [0, 1] : [1, 0];
    return order.filter((who) => this.#guest(who).at === at);
  }

  #run(): void {
    this.#machines[0].simulation.run();
  }

  #runProcess<T>(name: string, process: Process<T>): T {
    return this.#machines[0].simulation.runProcess(name, process);
  }
}

const pfnOf = (block: number): Pfn => Pfn(BOOT_PAGES + 50 + block);

/** Suspends itself when Xen or the tool stack asks for it, once. */
function suspendsOnce(mini: MiniGuest, port: number): void {
  const { environment } = mini.domain;
  const { memory, hypercalls, xenstore } = environment;
  const asked = new WaitQueue('to be asked to suspend itself');
  let isAsked = false;
  const ask = (): void => {
    isAsked = true;
    asked.wakeAll();
  };
  const { pending, mask } = SHARED_INFO.offset;
  const bit = 1 << port;
  memory.writeU32(mini.sharedInfo, mask, memory.readU32(mini.sharedInfo, mask) & ~bit);
  mini.onUpcall = () => {
    const bits = memory.readU32(mini.sharedInfo, pending);
    if ((bits & bit) === 0) return;
    memory.writeU32(mini.sharedInfo, pending, bits & ~bit);
    ask();
  };
  const watch = function* (): Process {
    yield* xenstore.watch(SHUTDOWN_NODE, () => asked.wakeAll());
    while (!isAsked && (yield* xenstore.read(SHUTDOWN_NODE)) !== 'suspend') yield asked;
    yield* hypercalls.suspend(REGISTERS);
  };
  environment.spawn('suspends', watch());
}
