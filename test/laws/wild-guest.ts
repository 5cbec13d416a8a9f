// A program gone wild in a guest: stores anywhere and hypercalls with any arguments, drawn at
// random, most often where they matter. It needs no kernel.
import { DOM0, ModelError, Ns, PAGE_SIZE, Pfn } from '../../src/base/index.ts';
import type { Process, RandomStream } from '../../src/sim/index.ts';
import type { Domain } from '../../src/xen/domain/domain.ts';
import { CacheMapBatch, GRANT_ENTRY, NR_GRANT_ENTRIES } from '../../src/xen/public/index.ts';
import type { TestMachine } from '../support/machine.ts';

/** Numbers at and beyond every edge that a 32- or 64-bit argument has. */
const EDGES = [
  0, 1, 2, 3, 7, 8, 9, 31, 32, 511, 512, 1023, 1024, 2047, 2048, 4095, 4096, 0x7fff, 0x8000, 0xffff,
] as const;
const WIDE = [0x10000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff, 2 ** 32, 2 ** 53 - 1, 2 ** 63, 2 ** 64 - 1];
const NONE = [-1, -(2 ** 31), -(2 ** 63), 0.5, NaN, Infinity, undefined as unknown as number];

export class Wild {
  readonly random: RandomStream;
  readonly machine: TestMachine;
  readonly domain: Domain;
  acts = 0;
  refused = 0;
  /** The last acts, to find out what one of them did. */
  readonly log: string[] = [];

  constructor(machine: TestMachine, domain: Domain, random: RandomStream) {
    this.machine = machine;
    this.domain = domain;
    this.random = random;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.random.below(from.length)]!;
  }

  /** An argument of a hypercall. */
  number(): number {
    const kind = this.random.below(12);
    if (kind < 5) return this.random.below(64);
    if (kind < 7) return this.random.below(this.domain.nrPages);
    if (kind < 9) return this.pick(EDGES);
    if (kind === 9) return this.pick(WIDE);
    return kind === 10 ? this.random.u32() : this.pick(NONE);
  }

  word(): number {
    const value = this.number();
    return Number.isInteger(value) ? Number(BigInt.asUintN(32, BigInt(value))) : this.random.u32();
  }

  /** A page to store to: most often one that matters. */
  page(): Pfn {
    const { random } = this;
    const { nrPages } = this.domain;
    const kind = random.below(200);
    if (kind < 30) return this.pick(this.shared());
    if (kind < 60) return Pfn(random.below(12));
    if (kind > 0) return Pfn(random.below(nrPages));
    return Pfn(this.pick([nrPages, nrPages + 1, 2 ** 20, 2 ** 32 - 1]));
  }

  /** Pages that the guest has granted as rings. */
  shared(): Pfn[] {
    const { xenstore } = this.machine.hypervisor;
    const home = `/local/domain/${this.domain.domid}/device`;
    const refs = ['vbd/0/ring-ref', 'vif/0/tx-ring-ref', 'vif/0/rx-ring-ref'].map((name) =>
      Number(xenstore.read(`${home}/${name}`) ?? NaN),
    );
    const pages = [Pfn(0)];
    for (const ref of refs) {
      if (!Number.isInteger(ref) || ref < 0 || ref >= NR_GRANT_ENTRIES) continue;
      const at = ref * GRANT_ENTRY.size;
      const entry = Pfn(this.grantTable + Math.floor(at / PAGE_SIZE));
      pages.push(Pfn(this.domain.environment.memory.readU32(entry, (at % PAGE_SIZE) + GRANT_ENTRY.offset.frame)));
    }
    return pages;
  }

  /** Start info, bitmap, shared info, grant table: where it begins. */
  readonly grantTable = 3;

  /** What this guest asks of its devices in order, if it has no kernel that does. */
  request: (() => void) | undefined;

  /** One act. Throws what the guest's machine throws at it. */
  *act(): Process {
    this.acts++;
    const kind = this.random.below(20);
    const { log } = this;
    if (log.length === 30) log.shift();
    if (this.request !== undefined && this.random.below(4) === 0) this.request();
    if (kind < 7) this.#store();
    else if (kind < 9) this.#spoil();
    else if (kind < 18) this.#hypercall();
    else yield* this.#askStore();
  }

  #store(): void {
    const { memory } = this.domain.environment;
    const pfn = this.page();
    const kind = this.random.below(6);
    const value = this.word();
    // Headers, and the first slots and entries.
    const at = this.random.below(3) > 0 ? this.random.below(32) * 4 : this.random.below(1024) * 4;
    this.log.push(`store ${kind} at ${pfn}+${at}: ${value}`);
    if (kind === 0) memory.writeU8(pfn, at, value & 255);
    else if (kind === 1) memory.writeU16(pfn, at, value & 0xffff);
    else if (kind < 5) memory.writeU32(pfn, at, value);
    else {
      const bytes = new Uint8Array(Math.min(64, PAGE_SIZE - at)).map(() => this.random.below(256));
      memory.copyIn(pfn, at, bytes, 0, bytes.length);
    }
  }

  /** A page that the guest shares is filled, or an index or a bit of its header moved. */
  #spoil(): void {
    const { memory } = this.domain.environment;
    const pfn = this.random.below(2) === 0 ? this.pick(this.shared()) : Pfn(this.random.below(12));
    const value = this.word();
    const at = 4 * this.random.below(64);
    const kind = this.random.below(3);
    this.log.push(`spoil ${kind} ${pfn}+${at}: ${value}`);
    if (kind === 0) for (let word = at; word < 1024; word++) memory.writeU32(pfn, 4 * (word % 1024), value);
    else if (kind === 1) memory.writeU32(pfn, at & 15, (memory.readU32(pfn, at & 15) + 1 + this.random.below(3)) >>> 0);
    else memory.writeU32(pfn, at, (memory.readU32(pfn, at) ^ (1 << this.random.below(32))) >>> 0);
  }

  #hypercall(): void {
    const { hypercalls } = this.domain.environment;
    const { eventChannels, recoveryBox } = hypercalls;
    const [a, b] = [this.number(), this.number()];
    const some = (): number[] => Array.from({ length: this.random.below(4) }, () => this.number());
    const calls: Record<string, () => unknown> = {
      allocUnbound: () => eventChannels.allocUnbound(this.pick([DOM0, this.domain.domid, a as never])),
      bindInterdomain: () => eventChannels.bindInterdomain(this.pick([0, this.domain.domid, a]) as never, b as never),
      bindVirq: () => eventChannels.bindVirq(a as never),
      bindIpi: () => eventChannels.bindIpi(),
      close: () => {
        eventChannels.close(a as never);
      },
      send: () => {
        eventChannels.send(a as never);
      },
      status: () => eventChannels.status(a as never),
      batch: () => {
        hypercalls.cacheMapOp(this.#batch());
      },
      decrease: () => hypercalls.decreaseReservation(some()),
      increase: () => hypercalls.increaseReservation(some()),
      put: () => recoveryBox.put(a, new Uint8Array(Number.isInteger(b) && b >= 0 ? b % 5000 : 0)),
      get: () => recoveryBox.get(a),
      remove: () => recoveryBox.remove(a),
      keys: () => [recoveryBox.keys(), recoveryBox.damaged],
      nothing: () => recoveryBox.put(a, undefined as never),
      noCallback: () => {
        hypercalls.setCallback(a as never);
      },
      noPages: () => hypercalls.decreaseReservation(a as never),
      // A guest that stops itself is restarted, which takes long.
      shutdown: () => {
        if (this.random.below(20) === 0) hypercalls.shutdown(a as never);
      },
    };
    const name = this.pick(Object.keys(calls));
    this.log.push(`${name}(${a}, ${b})`);
    calls[name]!();
  }

  #batch(): CacheMapBatch {
    const batch = new CacheMapBatch(3);
    for (let i = 0; i < batch.words.length; i++) batch.words[i] = this.word();
    for (let i = 0; i < 3; i++) batch.words[i * 8] = this.random.below(10);
    const count = this.pick([1, 2, 3, 3, 4, this.number()]);
    // Filled or not, it says so many.
    return Object.defineProperty(batch, 'count', { value: count });
  }

  *#askStore(): Process {
    const { xenstore } = this.domain.environment;
    const path = this.pick([
      ...[
        'ring-ref',
        'tx-ring-ref',
        'rx-ring-ref',
        'event-channel',
        'state',
        'backend',
        'mac',
        `x${this.number()}`,
      ].map((name) => `device/${this.pick(['vbd', 'vif', 'vcpu'])}/${this.pick([0, 0, 0, 1])}/${name}`),
      ...['control/shutdown', 'memory/target', '/local/domain/0/backend/vbd', '', '/', 'device', '../0', '\0'],
      `/local/domain/0/backend/vbd/${this.number()}/0/state`,
      this.number() as unknown as string,
      'device/'.repeat(this.random.below(2000)),
    ]);
    const value = this.pick([
      String(this.number()),
      '',
      'suspend',
      'x'.repeat(5000),
      '1e308',
      '/local/domain/0',
      `${this.word()}`,
    ]);
    const kind = this.random.below(8);
    this.log.push(`store ${kind} ${[path, value].join().slice(0, 80)}`);
    if (kind < 5) yield* xenstore.write(path, value);
    else if (kind < 7) yield* xenstore.read(path);
    else yield* xenstore.watch(path, (this.random.below(4) === 0 ? 5 : () => undefined) as () => void);
  }
}

/** A program of the guest that does `count` wild things, in time with what else happens. */
export function* wildly(wild: Wild, count: number): Process {
  for (let i = 0; i < count && wild.domain.isRunning; i++) {
    try {
      yield* wild.act();
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      wild.refused++;
    }
    if (wild.random.below(4) === 0) yield Ns(wild.random.below(20_000));
  }
}
