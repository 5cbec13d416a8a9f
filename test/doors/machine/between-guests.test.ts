// The disk is changed while no guest is there: blocks that were changed are read again, and all
// others stay in the cache.
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  type Disk,
  FADV,
  files,
  image,
  InputError,
  Machine,
  O,
  STRATEGIES,
} from '../../../src/doors/machine/index.ts';
import { itWithE2fsprogs, mustBeSound } from '../../support/e2fsprogs.ts';
import { runProgram } from '../../support/shell.ts';

const PAGES = 25;
const page = (n: number): string => `page ${n} of 25 `.padEnd(4096, 'x');
const BIG = Array.from({ length: PAGES }, (_, n) => page(n)).join('');
const DISK = files({ big: BIG, other: 'o'.repeat(8192) });
const boot = (options: Partial<Parameters<typeof Machine.boot>[0]> = {}): Machine =>
  Machine.boot({ disk: DISK, memory: 16 << 20, drive: 'instant', ...options });

function read(machine: Machine, path: string): string {
  const { sys } = machine;
  const bytes = new Uint8Array(sys.stat(path).size);
  const fd = sys.open(path);
  sys.read(fd, bytes, 0, bytes.length);
  sys.close(fd);
  return new TextDecoder().decode(bytes);
}

/** The disk with a page of the big file replaced. */
function replaced(disk: Disk, n: number, by: string): Uint8Array {
  const bytes = Buffer.from(disk.read());
  const at = bytes.indexOf(page(n));
  expect([at % 4096, bytes.indexOf(page(n), at + 1)]).toEqual([0, -1]);
  bytes.write(by.padEnd(4096, '.'), at);
  return bytes;
}

describe('a disk that is changed between two guests', () => {
  it.each(['disk', 'instant', 'profile'] as const)(
    'the block that was changed is read again, and all others stay warm: %s',
    (drive) => {
      const machine = boot({ drive });
      expect(read(machine, '/big')).toBe(BIG);
      const without = machine.reboot();
      expect(without).toMatchObject({ changed: 0, refused: { diskChanged: 0 } });
      expect(read(machine, '/big')).toBe(BIG);
      for (const crash of [false, true]) {
        const by = `new, crash ${crash}`;
        const number = crash ? 20 : 7;
        const report = machine.reboot({ crash, betweenGuests: (disk) => replaced(disk, number, by) });
        expect(report).toMatchObject({ changed: 1, refused: { diskChanged: 1 } });
        expect(read(machine, '/big')).toContain(by);
        // In a crash the name of page 7 is lost as well: it had not been told yet.
        expect(machine.stats.guest).toMatchObject({ dataPagesRead: crash ? 2 : 1 });
        expect(machine.verify()).toMatchObject({ mismatches: 0 });
        expect(machine.stats.guest!.pagesReused).toBeGreaterThanOrEqual(PAGES - 2);
      }
      // What was read again is kept again.
      expect(machine.reboot()).toMatchObject({ changed: 0, refused: { dirty: 0, diskChanged: 0 } });
      expect(read(machine, '/big')).toContain('new, crash true');
      expect(machine.stats.guest).toMatchObject({ dataPagesRead: 0 });
    },
  );

  it.each(STRATEGIES)('the next guest reads what was changed, whatever the strategy: %s', (strategy) => {
    const machine = boot({ strategy });
    read(machine, '/big');
    machine.reboot({ betweenGuests: (disk) => replaced(disk, 3, 'changed') });
    expect(
      read(machine, '/big')
        .slice(3 * 4096)
        .startsWith('changed.'),
    ).toBe(true);
    expect(machine.verify().mismatches).toBe(0);
  });

  it('a change back and forth, a disk instead of bytes, and nothing are taken', () => {
    const machine = boot();
    const before = machine.disk.read();
    const all = [(): Uint8Array => replaced(machine.disk, 0, 'a'), () => image(before), () => undefined];
    expect(all.map((betweenGuests) => machine.reboot({ betweenGuests }).changed >= 1)).toEqual([true, true, false]);
    expect(read(machine, '/big')).toBe(BIG);
  });

  it('a page that a file has again is judged by where it lies again, though no guest has written meanwhile', () => {
    const machine = boot();
    expect(read(machine, '/big')).toBe(BIG);
    /** Pages 1 and 2 of the big file change places. */
    const swap = (disk: Disk): Uint8Array => {
      const bytes = disk.read();
      const [zero, ...others] = [0, 1, 2].map((n) => Buffer.from(bytes).indexOf(page(n)) / 4096);
      const words = new Uint32Array(bytes.buffer);
      const at = words.findIndex((word, i) => word === zero && others.includes(words[i + 1]!)) + 1;
      words.set([words[at + 1]!, words[at]!], at);
      return bytes;
    };
    expect(machine.reboot({ betweenGuests: swap }).changed).toBe(1);
    const fd = machine.sys.open('/big');
    machine.sys.posixFadvise(fd, 0, 0, FADV.random);
    machine.sys.pread(fd, new Uint8Array(4096), 0, 4096, 0);
    const { writes } = machine.stats.drive;
    expect(machine.reboot({ crash: true, betweenGuests: swap }).changed).toBe(1);
    expect(read(machine, '/big')).toBe(BIG);
    expect(machine.stats).toMatchObject({ guest: { dataPagesRead: 0 }, drive: { writes } });
    expect(machine.verify().mismatches).toBe(0);
  });

  it('a machine that is off has its disk changed before it is switched on', () => {
    const machine = boot({ drive: 'disk' });
    machine.losePower({ keep: 0.5 });
    expect(machine.reboot({ betweenGuests: (disk) => replaced(disk, 1, 'off') }).changed).toBe(1);
    expect(read(machine, '/big')).toContain('off...');
  });

  it('a disk that cannot be mounted switches the machine off, and a good one brings it back', () => {
    const machine = boot();
    const good = machine.disk.read();
    const zeros = (): Uint8Array => new Uint8Array(good.length);
    expect(() => machine.reboot({ betweenGuests: zeros })).toThrow(InputError);
    expect(machine.state).toBe('off');
    expect(() => machine.reboot()).toThrow(/^disk: /);
    expect(() => machine.reboot({ hypervisor: 'warm-cache' })).toThrow(InputError);
    expect(machine.state).toBe('off');
    machine.reboot({ betweenGuests: () => good });
    expect(read(machine, '/big')).toBe(BIG);
    expect(machine.verify().mismatches).toBe(0);
  });

  it('what the caller throws, and a disk of another size, leave the machine off with its disk as it was', () => {
    const machine = boot();
    const before = machine.disk.read();
    const cases: readonly [() => Uint8Array, RegExp][] = [
      [(): never => fail(new RangeError('fsck has failed')), /^fsck has failed$/],
      [(): never => fail(new InputError('image: is gone')), /^image: is gone$/],
      [() => new Uint8Array(4096), /^betweenGuests: it returns 4096 bytes for a disk of/],
      [() => new Uint8Array(5), /^betweenGuests: it returns 5 bytes for a disk of/],
      [() => 5 as never, /^betweenGuests: /],
    ];
    for (const [betweenGuests, message] of cases) {
      expect(() => machine.reboot({ betweenGuests })).toThrow(message);
      expect(machine.state).toBe('off');
      expect(Buffer.compare(machine.disk.read(), before)).toBe(0);
      machine.reboot();
      expect(read(machine, '/big')).toBe(BIG);
      expect(machine.verify().mismatches).toBe(0);
    }
  });

  it('a disk that ends within a block of 4 KiB is compared and changed up to its last sector', () => {
    const bytes = new Uint8Array(DISK.size + 512);
    bytes.set(DISK.read());
    const machine = boot({ disk: image(bytes) });
    bytes.set(machine.disk.read());
    bytes[DISK.size + 511] = 9;
    expect(machine.reboot({ betweenGuests: () => bytes }).changed).toBe(1);
    expect(machine.disk.read().at(-1)).toBe(9);
    expect(machine.reboot({ betweenGuests: () => machine.disk }).changed).toBe(0);
  });

  it('a change is refused where the hypervisor is rebooted', () => {
    const machine = boot();
    const refused = (): unknown => machine.reboot({ hypervisor: 'warm-vm', betweenGuests: () => undefined });
    expect(refused).toThrow(ArgumentError);
    expect(refused).toThrow(/^betweenGuests: not when/);
    expect(machine.state).toBe('running');
  });

  itWithE2fsprogs('e2fsck repairs the disk of a guest that crashed, and what it left alone stays warm', (judge) => {
    const machine = boot({ drive: 'disk' });
    const path = `${judge.dir}/disk`;
    expect(read(machine, '/big')).toBe(BIG);
    const repair = (disk: Disk): Uint8Array => {
      writeFileSync(path, disk.read());
      // 1: errors were corrected.
      expect(runProgram(judge.e2fsck, '-fy', path).status).toBe(1);
      mustBeSound(judge, path);
      return readFileSync(path);
    };
    for (let n = 0; n < 3; n++) {
      machine.run(function* (sys) {
        const fd = yield* sys.open(`/log${n}`, O.wronly | O.creat);
        yield* sys.write(fd, new Uint8Array(50_000).fill(n), 0, 50_000);
        yield* sys.unlink('/other');
        yield* sys.fsync(fd);
      });
      const { changed, refused } = machine.reboot({ crash: true, betweenGuests: repair });
      expect(changed).toBeGreaterThan(0);
      expect(refused['diskChanged']).toBeLessThanOrEqual(changed);
      expect(read(machine, '/big')).toBe(BIG);
      expect(machine.stats.guest).toMatchObject({ dataPagesRead: 0 });
      expect(machine.stats.guest!.pagesReused).toBeGreaterThanOrEqual(PAGES);
      expect(machine.verify().mismatches).toBe(0);
      machine.sys.close(machine.sys.open('/other', O.wronly | O.creat));
      machine.sys.sync();
    }
  });
});

function fail(error: Error): never {
  throw error;
}
