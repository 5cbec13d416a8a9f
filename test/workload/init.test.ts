// init: what its lists name is read in their order, every byte of it. The processor's time is spent
// whatever a list says. A list that makes no sense is not read, and what one costs is bounded.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { directory, file, sparse, symlink, tree, type TreeNode } from '../../src/disk/mkfs/tree.ts';
import { machineMemoryFor } from '../../src/experiment/host/host.ts';
import { type Guest, Testbed } from '../../src/experiment/host/testbed.ts';
import type { Process } from '../../src/sim/index.ts';
import { Init } from '../../src/workload/init.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { values } from '../../src/machine/profile.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import { property } from '../support/property.ts';

const PAGE = 4096;
const GUEST_MEMORY = 16 << 20;
const MEMORY = new MachineMemory(machineMemoryFor(GUEST_MEMORY));
const { bootServicesNs, shutdownServicesNs } = values(SERVER_2026.guest);
const LISTS = { start: '/start', stop: '/stop' };
/** 1, 40, 3 and a part of a page. */
const SIZES = [PAGE, 40 * PAGE, 2 * PAGE + 77, 5];
const contents = SIZES.map((size, number) => new Uint8Array(size).map((_, at) => (at * 7 + (at >> 12) + number) & 255));

interface Seen {
  readonly path: string;
  readonly ino: number;
  readonly position: number;
  readonly bytes: Uint8Array;
}

interface Booted {
  readonly testbed: Testbed;
  readonly guest: Guest;
  readonly seen: Seen[];
  readonly messages: readonly string[];
}

/** Boots a guest on a disk with files /0, /1, … and these lists. */
function boot(
  start: string | Uint8Array | undefined,
  stop?: string,
  others: readonly [string, TreeNode][] = [],
): Booted {
  const image = makeExt2(
    tree(
      directory([
        ...contents.map((bytes, number) => [String(number), file(bytes)] as const),
        ...(start === undefined ? [] : [['start', file(start)] as const]),
        ...(stop === undefined ? [] : [['stop', file(stop)] as const]),
        ...others,
      ]),
    ),
  );
  const seen: Seen[] = [];
  const init = new Init(LISTS, (path, ino, position, bytes, buffer) => {
    seen.push({ path, ino, position, bytes: buffer.slice(0, bytes) });
  });
  const options = { seed: 1, profile: SERVER_2026, disk: 'instant', image, memory: MEMORY, init } as const;
  const testbed = new Testbed({ ...options, guestMemory: GUEST_MEMORY });
  const guest = testbed.simulation.runProcess('boot', testbed.start('cachemap=off'));
  const messages = guest.kernel.messages.map(({ text }) => text).filter((text) => text.startsWith('init: '));
  return { testbed, guest, seen, messages };
}

/** Joins reads of one file that follow each other. */
function joined(seen: readonly Seen[]): { path: string; position: number; bytes: number }[] {
  const all: { path: string; position: number; bytes: number }[] = [];
  for (const { path, position, bytes } of seen) {
    const last = all.at(-1);
    if (last?.path === path && last.position + last.bytes === position) last.bytes += bytes.length;
    else all.push({ path, position, bytes: bytes.length });
  }
  return all;
}

const read = fc.record({
  file: fc.nat({ max: SIZES.length - 1 }),
  first: fc.nat({ max: 50 }),
  pages: fc.integer({ min: 1, max: 60 }),
});

property(
  'init reads what the list says in its order, as far as there are bytes, and each byte is that of the file',
  fc.array(read, { minLength: 1, maxLength: 8 }),
  (reads) => {
    const list = reads.map((each) => `${each.first} ${each.pages} /${each.file}\n`).join('');
    const { guest, seen, messages } = boot(list);
    expect(messages).toEqual([]);
    const pieces = reads.flatMap(({ file: number, first, pages }) =>
      Array.from({ length: Math.ceil(pages / 32) }, (_, n) => {
        const page = first + 32 * n;
        const bytes = contents[number]!.subarray(page * PAGE, Math.min(page + 32, first + pages) * PAGE);
        return { path: `/${number}`, position: page * PAGE, bytes };
      }),
    );
    const withBytes = (all: readonly Omit<Seen, 'ino'>[]): string[] =>
      all
        .filter(({ bytes }) => bytes.length > 0)
        .map(({ path, position, bytes }) => `${path} ${position} ${Buffer.from(bytes).toString('hex')}`);
    expect(withBytes(seen)).toEqual(withBytes(pieces));
    expect(guest.kernel.bootStats.bytes).toBe(pieces.reduce((sum, { bytes }) => sum + bytes.length, 0));
  },
  { numRuns: 12 },
);

describe('the processor', () => {
  it('the processor is busy as long with a list as without one, besides the calls', () => {
    const without = boot(undefined);
    const listed = boot('0 1 /0\n0 40 /1\n0 1 /3\n');
    const calls = listed.guest.kernel.bootStats.ns - without.guest.kernel.bootStats.ns;
    expect(without.guest.kernel.bootStats.ns).toBeGreaterThan(bootServicesNs);
    expect(calls).toBeGreaterThan(0);
    expect(calls).toBeLessThan(1e6);
  });

  it('the processor works between the reads, evenly over their pages', () => {
    const image = makeExt2(
      tree(
        directory([
          ['1', file(contents[1]!)],
          ['start', file('0 10 /1\n10 30 /1\n')],
        ]),
      ),
    );
    const at: number[] = [];
    const init = new Init(LISTS, () => at.push(testbed.simulation.now));
    const options = { seed: 1, profile: SERVER_2026, disk: 'instant', image, memory: MEMORY, init } as const;
    const testbed: Testbed = new Testbed({ ...options, guestMemory: GUEST_MEMORY });
    testbed.simulation.runProcess('boot', testbed.start('cachemap=off'));
    expect(at).toHaveLength(2);
    expect((at[1]! - at[0]!) / bootServicesNs).toBeCloseTo(10 / 40, 3);
    expect((testbed.simulation.now - at[1]!) / bootServicesNs).toBeCloseTo(30 / 40, 3);
  });

  it('the processor stops the services before the kernel writes what is dirty, and reads the list for it', () => {
    const { testbed, guest, seen } = boot('0 1 /0\n', '1 2 /2\n0 1 /3\n');
    seen.length = 0;
    const { now } = testbed.simulation;
    expect(testbed.simulation.runProcess('shutdown', guest.kernel.shutdown())).toBeUndefined();
    expect(joined(seen)).toEqual([
      { path: '/2', position: PAGE, bytes: PAGE + 77 },
      { path: '/3', position: 0, bytes: 5 },
    ]);
    expect(testbed.simulation.now - now).toBeGreaterThan(shutdownServicesNs);
  });
});

describe('a list', () => {
  const NOTHING = /: nothing is read$/;

  it('a list that is missing is no mistake: a boot reads nothing', () => {
    const { guest, seen, messages } = boot(undefined);
    expect([seen, messages, guest.kernel.bootStats.bytes]).toEqual([[], [], 0]);
  });

  it('a list that is empty asks for nothing', () => {
    const { guest, seen, messages } = boot('');
    expect([seen, messages, guest.kernel.bootStats.bytes]).toEqual([[], [], 0]);
    expect(guest.kernel.bootStats.ns).toBeGreaterThan(bootServicesNs);
  });

  it.each([
    ['words', 'what is this\n'],
    ['a path that does not begin with a slash', '0 1 0\n'],
    ['no pages', '0 0 /0\n'],
    ['pages of many digits', '0 999999999999 /0\n'],
    ['a place of many digits', '123456789 1 /0\n'],
    ['a negative place', '-1 1 /0\n'],
    ['an exponent', '1e3 1 /0\n'],
    ['an empty line', '0 1 /0\n\n0 1 /0\n'],
    ['an end without a line feed', '0 1 /0\n0 1 /1'],
    ['bytes that are no text', new Uint8Array(5000).fill(0xff)],
    ['zeros', new Uint8Array(5000)],
    ['more pages than a boot may read', '0 40000 /0\n0 40000 /1\n'],
    ['too many bytes', '0 1 /0\n'.repeat(150_000)],
  ])('a list with %s is not read at all, and the kernel says so', (_, list) => {
    const { guest, seen, messages } = boot(list);
    expect(seen).toEqual([]);
    expect(guest.kernel.bootStats.bytes).toBe(0);
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatch(NOTHING);
    expect(messages[0]).toContain('/start');
  });

  it('a list that is a directory is not read, and the kernel says so', () => {
    const { messages } = boot(undefined, undefined, [['start', directory([])]]);
    expect(messages).toEqual(['init: /start: EISDIR: nothing is read']);
  });

  it('a list may name what is missing, itself, a loop, a directory and a place behind the end', () => {
    const list = '0 1 /gone\n0 9 /start\n0 1 /loop\n0 1 /\n99999999 99 /1\n0 1 /0\n';
    const { guest, seen, messages } = boot(list, undefined, [['loop', symlink('loop')]]);
    expect(messages).toEqual(['init: /start: 3 of 6 reads failed']);
    expect(joined(seen)).toEqual([
      { path: '/start', position: 0, bytes: list.length },
      { path: '/1', position: 99_999_999 * PAGE, bytes: 0 },
      { path: '/0', position: 0, bytes: PAGE },
    ]);
    expect(guest.kernel.bootStats.bytes).toBe(list.length + PAGE);
  });

  it('a list that names more than memory holds makes a boot slow and right', () => {
    const size = 24 << 20;
    const large = file(
      sparse(size, [
        [0, contents[1]!],
        [size - 9, contents[0]!.subarray(0, 9)],
      ]),
    );
    const { guest, seen } = boot(`0 ${size / PAGE} /large\n0 40 /large\n`, undefined, [['large', large]]);
    expect(guest.kernel.bootStats.bytes).toBe(size + 40 * PAGE);
    expect(Buffer.compare(seen.at(-1)!.bytes, contents[1]!.subarray(32 * PAGE))).toBe(0);
    expect(seen.at(-3)!.bytes.at(-1)).toBe(contents[0]![8]);
  });
});

it('a program starts the services of one guest after the other, and each finds its own files', () => {
  const { testbed, guest, seen } = boot('0 1 /0\n0 40 /1\n', '0 1 /0\n');
  seen.length = 0;
  const rebooting = function* (): Process<Guest> {
    return yield* testbed.reboot(guest, false, { preserve: false, cmdLine: 'cachemap=off' });
  };
  const next = testbed.simulation.runProcess('reboot', rebooting());
  expect(joined(seen).map(({ path }) => path)).toEqual(['/0', '/0', '/1']);
  expect(next.kernel.bootStats.bytes).toBe(41 * PAGE);
});
