// The door of the machine: what a user of the package writes.
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  type BlockingSyscalls,
  type DirectoryEntry,
  type Disk,
  ERRNO,
  files,
  GuestCrash,
  GuestPanic,
  image,
  InputError,
  type KernelMessage,
  Machine,
  MAP,
  ModelError,
  MS,
  O,
  PROT,
  type Process,
  type Program,
  STRATEGIES,
  type Syscalls,
  VMM_STRATEGIES,
  WaitQueue,
} from '../../../src/doors/machine/index.ts';
import { SERVER_2026, withConstants } from '../../../src/machine/index.ts';
import { casesOf } from '../../support/product.ts';

const HELLO = 'x'.repeat(100_000);
const DISK = files({ hello: HELLO, etc: { motd: 'welcome\n' }, 'usr/bin/sh': Uint8Array.of(1, 2, 3) });
const MEMORY = 16 << 20;
const boot = (options: Partial<Parameters<typeof Machine.boot>[0]> = {}): Machine =>
  Machine.boot({ disk: DISK, memory: MEMORY, drive: 'instant', ...options });

function* readAll(sys: Syscalls, path: string): Process<string> {
  const fd = yield* sys.open(path);
  const bytes = new Uint8Array(sys.fstat(fd).size);
  for (let at = 0; at < bytes.length; ) at += yield* sys.read(fd, bytes, at, bytes.length - at);
  yield* sys.close(fd);
  return new TextDecoder().decode(bytes);
}

const readHello = (sys: Syscalls): Process<string> => readAll(sys, '/hello');

/** Writes a file by a program. */
function* overwrite(sys: Syscalls, path: string, text: string): Process {
  const fd = yield* sys.open(path, O.wronly | O.creat | O.trunc);
  yield* sys.write(fd, new TextEncoder().encode(text), 0, text.length);
  yield* sys.fsync(fd);
  yield* sys.close(fd);
}

/** Writes a file through plain calls. */
function put(sys: BlockingSyscalls, path: string, text: string): void {
  const fd = sys.open(path, O.wronly | O.creat | O.trunc);
  const bytes = new TextEncoder().encode(text);
  expect(sys.write(fd, bytes, 0, bytes.length)).toBe(bytes.length);
  sys.close(fd);
  sys.sync();
}

describe('Machine', () => {
  it('a program reads what is on the disk, before a reboot and after it, and every page is compared', () => {
    const machine = boot();
    expect(machine.run(readHello)).toBe(HELLO);
    const report = machine.reboot();
    expect(report).toMatchObject({ strategy: 'warm-cache+metadata', continued: false, written: 0, problems: [] });
    expect(report.preserved).toBeGreaterThan(25);
    expect(report.ns).toBeGreaterThan(0);
    expect(machine.run(readHello)).toBe(HELLO);
    const { guest } = machine.stats;
    expect(guest).toMatchObject({ dataPagesRead: 0, pagesReused: machine.verify().reused });
    expect(machine.verify()).toMatchObject({ mismatches: 0, differences: [] });
    expect(machine.verify().reused).toBeGreaterThanOrEqual(25);
    expect(machine.verify().cached).toBeGreaterThanOrEqual(25);
  });

  it('several programs run at once, and their results come in their order', () => {
    const machine = boot();
    const [a, b] = machine.run(readHello, (sys) => readAll(sys, '/etc/motd'));
    expect(a.length + b.length).toBe(100_008);
    expect(machine.run((sys) => readAll(sys, '/usr/bin/sh'))).toBe('\u0001\u0002\u0003');
  });

  it('calls of sys are plain functions, and give what programs get', () => {
    const { sys } = boot();
    expect(sys.stat('/hello').size).toBe(100_000);
    put(sys, '/new', 'content');
    expect(sys.readdir('/').map(({ name }) => name)).toContain('new');
    expect(() => sys.open('/absent')).toThrow(ModelError);
    const fd = sys.open('/new');
    const bytes = new Uint8Array(16);
    expect([sys.pread(fd, bytes, 0, 16, 0), sys.pread(fd, bytes, 0, 16, 3)]).toEqual([7, 4]);
    expect(sys.lseek(fd, 0, 2)).toBe(7);
    expect(sys.isDue).toBe(false);
    sys.rename('/new', '/newer');
    sys.unlink('/newer');
  });

  it.each(STRATEGIES)('the strategy %s keeps what it says over a reboot and over a crash', (strategy) => {
    const machine = boot({ strategy });
    machine.run(readHello);
    put(machine.sys, '/saved', 'synced');
    for (const crash of [false, true]) {
      const { preserved } = machine.reboot({ crash });
      expect(preserved > 0).toBe(strategy.includes('warm-cache'));
      expect(machine.run((sys) => readAll(sys, '/saved'))).toBe('synced');
      expect(machine.run(readHello)).toBe(HELLO);
    }
    expect(machine.verify().mismatches).toBe(0);
    expect(machine.report().reboots).toHaveLength(2);
  });

  it('verify skips files whose place on the disk is in a transaction that runs, also when no page is dirty', () => {
    const machine = Machine.boot({ disk: files({ other: 'x' }, { journalBlocks: 1024 }), memory: 16 << 20 });
    const fd = machine.sys.open('/new', O.wronly | O.creat);
    machine.sys.write(fd, new Uint8Array(4096).fill(1), 0, 4096);
    // Committed, and its metadata is to be written home.
    machine.sys.fsync(fd);
    expect(machine.stats.guest!.pagesDirty).toBeGreaterThan(0);
    // Which waits again for the next transaction.
    machine.sys.unlink('/other');
    expect(machine.stats.guest!.pagesDirty).toBe(0);
    expect(machine.verify()).toMatchObject({ mismatches: 0, differences: [] });
    machine.reboot();
    expect(machine.verify().mismatches).toBe(0);
    expect(machine.verify().cached).toBeGreaterThan(0);
  });

  it('verify skips a page that is mapped, because the kernel has not seen what was stored to it', () => {
    const machine = boot();
    const { sys } = machine;
    const address = sys.mmap(4096, PROT.read | PROT.write, MAP.shared, sys.open('/hello', O.rdwr), 0);
    for (const salt of [1, 2]) {
      sys.store(address, Uint8Array.of(salt), 0, 1);
      expect(machine.verify()).toMatchObject({ mismatches: 0 });
      sys.msync(address, 4096, MS.sync);
      sys.sync();
      // Clean, and to be stored to again through the same entry.
      expect(machine.stats.guest!.pagesDirty).toBe(0);
    }
    const { skipped } = machine.verify();
    sys.munmap(address, 4096);
    expect(machine.verify()).toMatchObject({ skipped: skipped - 1, mismatches: 0 });
  });

  it('verify compares blocks of the file system while pages of a file are dirty, and skips all files', () => {
    const machine = boot();
    machine.run(readHello);
    machine.sys.sync();
    const before = machine.verify();
    const fd = machine.sys.open('/hello', O.rdwr);
    machine.sys.write(fd, Uint8Array.of(1), 0, 1);
    const after = machine.verify();
    expect(after.cached).toBeGreaterThan(0);
    expect(after.skipped - before.skipped).toBeGreaterThanOrEqual(25);
    expect(after.cached + after.skipped).toBe(before.cached + before.skipped);
    expect(after.mismatches).toBe(0);
  });

  it('prefetch reads ahead what the last guest had read, also of a directory that has grown since', () => {
    const machine = boot({ strategy: 'prefetch' });
    machine.reboot();
    const names = Array.from({ length: 20 }, (_, i) => `/${String(i).padEnd(250, 'n')}`);
    for (const name of names) put(machine.sys, name, name);
    machine.reboot();
    machine.run(function* () {
      yield 1e9;
    });
    const { dataPagesRead } = machine.stats.guest!;
    expect(dataPagesRead).toBeGreaterThanOrEqual(names.length);
    for (const name of names) expect(machine.run((sys) => readAll(sys, name))).toBe(name);
    expect(machine.stats.guest).toMatchObject({ dataPagesRead });
  });

  it.each(VMM_STRATEGIES)('the guest has its files after the hypervisor is rebooted by %s', (hypervisor) => {
    const machine = boot();
    machine.run(readHello);
    const report = machine.reboot({ hypervisor });
    expect(report).toMatchObject({ hypervisor, problems: [] });
    expect(report.continued).toBe(['warm-vm', 'save-restore', 'live-migration'].includes(hypervisor));
    expect(machine.run(readHello)).toBe(HELLO);
    const { pagesReused, dataPagesRead } = machine.stats.guest!;
    if (hypervisor.startsWith('warm-cache')) expect([pagesReused > 20, dataPagesRead]).toEqual([true, 0]);
    expect(machine.verify().mismatches).toBe(0);
  });

  it('a machine runs on a profile of its user, whole or short, over each reboot', () => {
    const lookup = { value: 100_000, unit: 'ns', provenance: 'measured', fitted: false, note: 'by hand' } as const;
    const slow = { name: 'slow', extends: 'server-2026', guest: { pageLookupNs: lookup } } as const;
    const elapsed = [undefined, 'server-2026' as const, slow, { ...SERVER_2026, name: 'same' }].map((profile) => {
      const machine = boot(profile === undefined ? {} : { profile });
      machine.run(readHello);
      machine.reboot();
      expect(machine.run(readHello)).toBe(HELLO);
      return machine.now;
    });
    expect([elapsed[1], elapsed[3]]).toEqual([elapsed[0], elapsed[0]]);
    // More than ten pages are looked up.
    expect(elapsed[2]! - elapsed[0]!).toBeGreaterThan(10 * 99_000);
  });

  it('a crash at each of the first events of a write leaves what was synced, by any way of coming up', () => {
    const first = Array.from({ length: 40 }, (_, event) => event);
    for (const event of casesOf('a crash at the first events of a write', '', first, { sample: 10, whole: 40 })) {
      const machine = boot({ drive: 'profile' });
      put(machine.sys, '/safe', 'safe');
      machine.crashAt({ event });
      let ended = true;
      try {
        put(machine.sys, '/lost', 'lost');
      } catch (error) {
        expect(error).toBeInstanceOf(GuestCrash);
        expect(error).toMatchObject({ event });
        expect(machine.state).toBe('crashed');
        ended = false;
      }
      if (ended) machine.crash();
      machine.reboot(event % 2 === 0 ? {} : { hypervisor: 'warm-vm' });
      expect(machine.run((sys) => readAll(sys, '/safe'))).toBe('safe');
      if (ended) expect(machine.run((sys) => readAll(sys, '/lost'))).toBe('lost');
      expect(machine.verify().mismatches).toBe(0);
    }
  });

  it.each([0, 0.5, 1, undefined])(
    'what was synced is there after a loss of power that keeps %s of the cache',
    (keep) => {
      const machine = boot({ drive: 'profile' });
      put(machine.sys, '/safe', 'safe');
      machine.run(function* (sys) {
        const fd = yield* sys.open('/unsafe', O.wronly | O.creat);
        yield* sys.write(fd, new Uint8Array(50_000), 0, 50_000);
      });
      machine.losePower(keep === undefined ? {} : { keep });
      expect(machine.state).toBe('off');
      const { preserved } = machine.reboot();
      expect(preserved).toBe(0);
      expect(machine.run((sys) => readAll(sys, '/safe'))).toBe('safe');
      expect(machine.verify().mismatches).toBe(0);
    },
  );

  it('one seed and one program have one digest and leave one disk; another seed loses other sectors', () => {
    const life = (seed: number): [string, Uint8Array] => {
      const machine = boot({ seed, drive: 'disk' });
      machine.run(function* (sys) {
        const fd = yield* sys.open('/unsafe', O.wronly | O.creat);
        yield* sys.write(fd, new Uint8Array(500_000).fill(7), 0, 500_000);
      });
      machine.crashAt({ event: 60 });
      expect(() => machine.sys.sync()).toThrow(GuestCrash);
      machine.losePower({ keep: 0.5 });
      const disk = machine.disk.read();
      machine.reboot();
      machine.run(readHello);
      return [machine.digest, disk];
    };
    const [digest, disk] = life(1);
    expect(life(1)[0]).toBe(digest);
    expect(Buffer.compare(life(1)[1], disk)).toBe(0);
    expect(Buffer.compare(life(2)[1], disk)).not.toBe(0);
  });

  it('the disk of a machine is bytes that another machine boots from, and the first disk stays as it was', () => {
    const machine = boot();
    put(machine.sys, '/new', 'content');
    machine.sys.sync();
    machine.losePower({ keep: 0 });
    const next = boot({ disk: image(machine.disk.read()) });
    expect(next.run((sys) => readAll(sys, '/new'))).toBe('content');
    expect(() => boot().sys.stat('/new')).toThrow('ENOENT');
  });

  it('bytes of an image are copied, and a disk has the free space that was asked for', () => {
    const bytes = DISK.read();
    const disk = image(bytes);
    bytes.fill(0);
    expect(boot({ disk }).run(readHello)).toBe(HELLO);
    const [small, large] = [0.1, 20].map((slack) => files({ hello: HELLO }, { slack }).size) as [number, number];
    expect(large).toBeGreaterThan(small);
  });

  it('reads of what is cached take virtual time', () => {
    const machine = boot();
    machine.run(readHello);
    const { sys, now } = machine;
    const fd = sys.open('/hello');
    for (let i = 0; i < 20_000; i++) sys.pread(fd, new Uint8Array(1), 0, 1, 0);
    expect(machine.now - now).toBeGreaterThan(20_000);
  });

  it('what it returns has types of the same door', () => {
    const machine = boot();
    const names = (entries: readonly DirectoryEntry[]): string[] => entries.map(({ name }) => name);
    const texts = (messages: readonly KernelMessage[]): string[] => messages.map(({ text }) => text);
    expect(names(machine.sys.readdir('/etc'))).toEqual(['.', '..', 'motd']);
    expect(texts(machine.messages)).toEqual(['ext2: mounted without a journal']);
    expect(() => machine.sys.stat('/none')).toThrow(expect.objectContaining({ errno: ERRNO.ENOENT }));
  });

  it('a disk with a journal is ext3, and is recovered after a crash', () => {
    const disk = files({ a: 'a' }, { journalBlocks: 1024 });
    const machine = boot({ disk });
    put(machine.sys, '/b', 'b');
    machine.reboot({ crash: true });
    expect(machine.run((sys) => readAll(sys, '/b'))).toBe('b');
    expect(machine.messages.map(({ text }) => text).join()).toContain('recovery complete');
  });
});

describe('a mistake of a user of Machine', () => {
  function* writesText(sys: Syscalls): Process<number> {
    const fd = yield* sys.open('/text', O.wronly | O.creat);
    return yield* sys.write(fd, 'text' as never, 0, 4);
  }
  const never = new WaitQueue('a thing that never comes');

  it.each<[string, () => unknown, RegExp]>([
    ['no disk', () => Machine.boot({} as never), /^disk: expected a Disk/],
    ['an unknown strategy', () => boot({ strategy: 'warm' as never }), /^strategy: /],
    ['memory of half a page', () => boot({ memory: 5000 }), /^memory: 5000 bytes are not whole pages/],
    ['too little memory', () => boot({ memory: 4 << 20 }), /^memory: .*at least/],
    ['memory that no machine has', () => boot({ memory: 2 ** 52 }), /^memory: expected an integer, 4096 to/],
    [
      'a program that is asynchronous',
      () => boot().run(asynchronous as never),
      /^programs: expected a generator function/,
    ],
    ['two programs of one generator', () => boot().run(...twice(yields(1))), /^programs: two return the same/],
    [
      'memory that is too little',
      () => boot({ memory: 8 << 20 }),
      /^memory: 8388608 is too little .* at least 8417280/,
    ],
    ['memory beyond all bounds', () => boot({ memory: 2 ** 50 }), /^memory: expected an integer, 4096 to 68719476736/],
    ['an option that is none', () => boot({ memry: 1 } as never), /^options: has no memry; there are disk, strategy/],
    [
      'a protection that is none',
      () => boot({ protections: { scrubs: false } as never }),
      /^protections: has no scrubs/,
    ],
    [
      'a protection that is text',
      () => boot({ protections: { scrub: 'off' as never } }),
      /^protections.scrub: "off" is/,
    ],
    ['a profile that is not known', () => boot({ profile: 'x' as never }), /^profile: "x" is none of /],
    ['a profile without constants', () => boot({ profile: { name: 'x' } }), /^profile.description: it is missing/],
    [
      'a profile of ours that was changed',
      () => boot({ profile: withConstants(SERVER_2026, { 'guest.syscallNs': 99 }) }),
      /^profile.name: server-2026 is another profile/,
    ],
    ['a reboot that is none', () => boot().reboot({ crashed: true } as never), /^options: has no crashed; there are/],
    ['a disk with a journal that is none', () => files({}, { journalblocks: 1024 } as never), /^options: has no/],
    ['text that is written', () => boot().run(writesText), /^src: expected a Uint8Array/],
    ['no program', () => boot().run(), /^programs: expected one or more/],
    ['a program that is none', () => boot().run(5 as never), /^programs: /],
    ['a program that is no generator', () => boot().run((() => 5) as never), /^programs: expected a generator/],
    ['an event before the first', () => boot().crashAt({ event: -1 }), /^event: /],
    ['a share above one', () => boot().losePower({ keep: 1.5 }), /^keep: expected 0 to 1/],
    ['a share that is text', () => boot().losePower({ keep: '1' as never }), /^keep: expected 0 to 1/],
    ['a name that is a dot', () => files({ '..': '' }), /is no name/],
    ['a program that waits for ever', () => boot().run(() => waitFor(never)), /a thing that never comes/],
    [
      'a program that yields text',
      () => boot().run(() => yields('text')),
      /^programs: one yields "text", which is neither/,
    ],
    [
      'a program that yields a bigint',
      () => boot().run(() => yields(10n)),
      /^programs: one yields 10n, which is neither/,
    ],
    ['a queue without a name', () => new WaitQueue(undefined as never), /^what: expected text or a function/],
    [
      'a program that yields a fraction',
      () => boot().run(() => yields(0.5)),
      /^programs: one yields 0.5, which is neither/,
    ],
    ['a call of sys without an end', () => boot({ eventLimit: 1 }).sys.sync(), /^sys.sync: no end after 1 events/],
    ['a program without an end', () => boot({ eventLimit: 1000 }).run(() => endless()), /no end after 1000 events/],
  ])('an ArgumentError names the mistake: %s', (_, act, message) => {
    expect(act).toThrow(ArgumentError);
    expect(act).toThrow(message);
  });

  it('a machine that is off or crashed, or whose program runs, says so at every call', () => {
    const off = boot();
    off.losePower();
    const crashed = boot();
    const old = crashed.sys;
    crashed.crash();
    for (const [machine, text] of [
      [off, /the machine is off; call reboot/],
      [crashed, /the guest has crashed; call reboot/],
    ] as const) {
      expect(() => machine.run(readHello)).toThrow(text);
      expect(() => machine.sys).toThrow(text);
      expect(() => machine.crashAt({ event: 1 })).toThrow(text);
      expect(() => machine.crash()).toThrow(text);
      expect(machine.verify().mismatches).toBe(0);
    }
    expect(() => off.losePower()).toThrow(/the machine is off/);
    expect(() => old.stat('/')).toThrow(ArgumentError);
    const busy = boot();
    for (const act of [
      () => busy.run(readHello),
      () => busy.reboot(),
      () => busy.losePower(),
      () => busy.sys,
      () => busy.verify(),
    ])
      expect(() => busy.run(() => calls(act))).toThrow(/a program runs/);
    expect(busy.run(readHello)).toBe(HELLO);
  });

  it('a disk that cannot be mounted, and too little memory, are named', () => {
    for (const length of [0, 1, 511, 512, 4096, 1 << 20]) {
      const disk = image(new Uint8Array(length));
      expect(() => boot({ disk })).toThrow(InputError);
      expect(() => boot({ disk })).toThrow(/^disk: /);
    }
    expect(() => boot({ memory: 64 << 10 })).toThrow(/memory/);
  });

  it('an error of one program is thrown when the others have ended, and the machine goes on', () => {
    for (const ns of [0, 1e3, 1e4, 1e5, 1e6]) {
      const machine = boot({ drive: 'profile' });
      const text = 'y'.repeat(HELLO.length + ns);
      const fails = function* (): Process {
        yield ns;
        throw new Error('mine');
      };
      expect(() => machine.run((sys) => overwrite(sys, '/hello', text), fails)).toThrow('mine');
      expect(machine.run(readHello)).toBe(text);
      put(machine.sys, '/hello', HELLO);
      machine.reboot();
      expect(machine.run(readHello)).toBe(HELLO);
      expect(machine.verify().mismatches).toBe(0);
    }
  });

  it('the first error of several programs is thrown, also when another one cannot end', () => {
    const machine = boot({ eventLimit: 1000 });
    const fails = (text: string, ns: number) =>
      function* (): Process {
        yield ns;
        throw new Error(text);
      };
    expect(() => machine.run(fails('second', 2), fails('first', 1))).toThrow('first');
    expect(() => machine.run(() => waitFor(never), fails('mine', 1))).toThrow('mine');
    expect(() => machine.run(() => endless(), fails('mine', 1))).toThrow('mine');
    expect(machine.run(readHello)).toBe(HELLO);
  });

  it('the disk of a machine changes as it goes on, and a copy of its bytes does not', () => {
    const machine = boot();
    const { disk } = machine;
    const copy = image(disk.read());
    put(machine.sys, '/new', 'new');
    const names = (on: Disk): string[] => boot({ disk: on }).sys.names('/');
    expect(names(disk)).toEqual([...names(copy), 'new']);
    expect(names(copy)).toEqual(names(DISK));
  });

  it('an error of a program reaches the caller as it was thrown', () => {
    const machine = boot();
    expect(() => machine.run(readHello, (sys) => readAll(sys, '/absent'))).toThrow('ENOENT');
    expect(machine.run(readHello)).toBe(HELLO);
    expect(() =>
      machine.run(() =>
        calls(() => {
          throw new GuestPanic('x');
        }),
      ),
    ).toThrow(GuestPanic);
  });
});

function* waitFor(queue: WaitQueue): Process {
  yield queue;
}

function* yields(value: unknown): Process {
  yield value as number;
}

async function* asynchronous(): AsyncGenerator<number> {
  yield await Promise.resolve(1);
}

const twice = (process: Process): Program[] => [() => process, () => process];

function* endless(): Process {
  for (;;) yield 1;
}

function* calls(act: () => unknown): Process {
  act();
  yield 0;
}
