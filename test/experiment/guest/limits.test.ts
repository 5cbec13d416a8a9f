/**
 * Bounds of the oracle, of dumps and of programs: the last that is inside, and the first that is
 * not.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { xenMac } from '../../../src/base/ethernet.ts';
import { Mfn, PAGE_SIZE } from '../../../src/base/index.ts';
import { Medium } from '../../../src/disk/image/backing-store.ts';
import type { ImageStore } from '../../../src/disk/image/image-store.ts';
import { directory, file, tree } from '../../../src/disk/mkfs/tree.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { loadMemory, saveMemory } from '../../../src/experiment/guest/memory-dump.ts';
import { OracleExt2 } from '../../../src/experiment/judge/oracle-ext2.ts';
import { VmmClients } from '../../../src/experiment/vmm/clients.ts';
import { ask, WebHost } from '../../../src/experiment/host/web-host.ts';
import { MAX_PAYLOAD } from '../../../src/kernel/net/socket.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { readAllFiles, READ_SIZE } from '../../../src/workload/file-reader.ts';
import { WebServer } from '../../../src/workload/web-server.ts';
import { bootWorkloadGuest } from '../../workload/guest.ts';
import { contents, FILE_BYTES, servingMachine, vmmMachine } from '../vmm/disk.ts';

/** An ext2 image of which only what was put is not zero. */
class SparseExt2 implements ImageStore {
  readonly size: number;
  readonly extents: Medium['extents'];
  readonly #blocks = new Map<number, Buffer>();

  constructor(blocks: number, blocksPerGroup: number, features: { metaBg?: number; sparse?: boolean } = {}) {
    this.size = blocks * PAGE_SIZE;
    this.extents = new Medium(this.size).extents;
    const put = (at: number, value: number) => this.put(0, 1024 + at, value);
    put(0, Math.ceil(blocks / blocksPerGroup) * 32);
    put(4, blocks);
    put(24, 2);
    put(32, blocksPerGroup);
    put(40, 32);
    put(56, 0xef53);
    put(76, 1);
    put(88, 128);
    put(96, features.metaBg === undefined ? 0 : 0x10);
    put(100, features.sparse === true ? 1 : 0);
    put(260, features.metaBg ?? 0);
  }

  put(block: number, offset: number, word: number): void {
    let bytes = this.#blocks.get(block);
    if (bytes === undefined) this.#blocks.set(block, (bytes = Buffer.alloc(PAGE_SIZE)));
    bytes.writeUInt32LE(word, offset);
  }

  /** Inode `ino`, a file of so many pages, in the table at this block. */
  putFile(ino: number, table: number, pages: number, pointers: Readonly<Record<number, number>>): void {
    const at = ((ino - 1) % 32) * 128;
    this.put(table, at, 0x8000);
    this.put(table, at + 4, (pages * PAGE_SIZE) % 2 ** 32);
    this.put(table, at + 108, Math.floor((pages * PAGE_SIZE) / 2 ** 32));
    for (const [i, block] of Object.entries(pointers)) this.put(table, at + 40 + 4 * Number(i), block);
  }

  read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    for (let done = 0; done < length; ) {
      const at = (offset + done) % PAGE_SIZE;
      const count = Math.min(length - done, PAGE_SIZE - at);
      const bytes = this.#blocks.get(Math.floor((offset + done) / PAGE_SIZE)) ?? Buffer.alloc(PAGE_SIZE);
      dst.set(bytes.subarray(at, at + count), dstOffset + done);
      done += count;
    }
  }

  write(): void {
    throw new Error('nobody writes here');
  }
}

describe('the oracle', () => {
  const TABLE = 2;
  const INO = 12;
  /** First pages that are reached through one, two and three blocks of pointers, and behind all. */
  const [ONE, TWO, THREE, END] = [12, 12 + 1024, 12 + 1024 + 1024 ** 2, 12 + 1024 + 1024 ** 2 + 1024 ** 3];

  it('the oracle finds the first and the last page of each level of pointers, and no block beside them', () => {
    const image = new SparseExt2(4000, 4000);
    image.put(1, 8, TABLE);
    image.putFile(INO, TABLE, END, { 0: 100, 11: 111, 12: 200, 13: 201, 14: 202 });
    const chain = (first: number, last: number, top: number, ...levels: number[]): void => {
      // The way to the first page is the first pointer of each block, that to the last the last;
      // only the top is common.
      [first, last].forEach((leaf, side) => {
        const place = side * 1023 * 4;
        const path = [top, ...levels.map((level) => level + side)];
        path.forEach((block, i) => image.put(block, place, path[i + 1] ?? leaf));
      });
    };
    chain(1001, 1002, 200);
    chain(1003, 1004, 201, 300);
    chain(1005, 1006, 202, 310, 320);
    const oracle = new OracleExt2(image);
    const blocks = {
      0: 100,
      11: 111,
      [ONE]: 1001,
      [TWO - 1]: 1002,
      [TWO]: 1003,
      [THREE - 1]: 1004,
      [THREE]: 1005,
      [END - 1]: 1006,
    };
    for (const [page, block] of Object.entries(blocks))
      expect([page, oracle.blockOf(INO, Number(page))]).toEqual([page, block]);
    for (const page of [1, 10, ONE + 1, TWO - 2, TWO + 1, THREE - 2, THREE + 1, END - 2, END])
      expect([page, oracle.blockOf(INO, page)]).toEqual([page, 0]);
  });

  it.each([
    ['a file of all pages that pointers reach', END, 100, undefined],
    ['one of a page more', END + 1, 100, /inode 12 has 4402345725952 bytes/],
    ['the last block', 1, 3999, undefined],
    ['the block behind it', 1, 4000, /inode 12 points to block 4000, of 4000/],
  ])('the oracle takes or refuses %s', (_, pages, block, problem) => {
    const image = new SparseExt2(4000, 4000);
    image.put(1, 8, TABLE);
    image.putFile(INO, TABLE, pages, { 0: block });
    const look = () => new OracleExt2(image).blockOf(INO, 0);
    if (problem === undefined) expect(look()).toBe(block);
    else expect(look).toThrow(problem);
  });

  it.each([
    [undefined, false],
    [0, false],
    [1, false],
    [1, true],
    [2, true],
  ])(
    'the oracle reads descriptors of groups on both sides of each 128, meta_bg from %s on, sparse_super %s',
    (metaBg, sparse) => {
      const GROUP = 16;
      const image = new SparseExt2(300 * GROUP, GROUP, { ...(metaBg !== undefined && { metaBg }), sparse });
      const groups = [0, 1, 127, 128, 129, 255, 256, 257, 299];
      groups.forEach((group, i) => {
        const meta = Math.floor(group / 128);
        const isMeta = metaBg !== undefined && meta >= metaBg;
        // The first group of each 128 has the block: behind a superblock, if it has one. Of these,
        // group 0 always does, 128 and 256 if all do.
        const at = isMeta ? meta * 128 * GROUP + (meta === 0 || !sparse ? 1 : 0) : 1 + meta;
        image.put(at, (group % 128) * 32 + 8, group * GROUP + 5);
        image.putFile(group * 32 + 1, group * GROUP + 5, 1, { 0: 50 + i });
      });
      const oracle = new OracleExt2(image);
      expect(groups.map((group) => oracle.blockOf(group * 32 + 1, 0))).toEqual(groups.map((_, i) => 50 + i));
      expect(() => oracle.blockOf(300 * 32 + 1, 0)).toThrow('inode 9601 is not among 1 to 9600');
    },
  );

  it('the oracle compares 256 KiB at a time: the byte that differs is found at the ends of each', () => {
    const image = new SparseExt2(600, 600);
    image.put(1, 8, TABLE);
    // 100 pages that are one run of blocks, except for the blocks of pointers; then a hole.
    image.putFile(
      INO,
      TABLE,
      300,
      Object.fromEntries(Array.from({ length: 13 }, (_, i) => [i, i === 12 ? 99 : 200 + i])),
    );
    for (let i = 0; i < 88; i++) image.put(99, 4 * i, 212 + i);
    const oracle = new OracleExt2(image);
    const length = 300 * PAGE_SIZE;
    const actual = new Uint8Array(length);
    expect(oracle.expect(INO, 0, length, actual, 0)).toBe(-1);
    const [MAPPED, STEP] = [100 * PAGE_SIZE, 1 << 18];
    for (const at of [0, STEP - 1, STEP, STEP + 1, MAPPED - 1, MAPPED, MAPPED + STEP - 1, MAPPED + STEP, length - 1]) {
      actual[at] = 1;
      expect([at, oracle.expect(INO, 0, length, actual, 0)]).toEqual([at, at]);
      actual[at] = 0;
    }
  });
});

describe('a dump of memory', () => {
  let dir = '';
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'stillwarm-limits-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it.each([255, 256, 257, 511, 512, 513])(
    'a dump of memory of %i frames has each where it is, 256 moved at once',
    (frames) => {
      const memory = new MachineMemory(frames * PAGE_SIZE);
      const places = [0, 254, 255, 256, 257, 510, 511, 512].filter((mfn) => mfn < frames);
      for (const mfn of places) memory.writeU32(Mfn(mfn), 4092, 1 + mfn);
      const path = join(dir, 'dump');
      saveMemory(memory, path);
      const bytes = readFileSync(path);
      expect(bytes.length).toBe(frames * PAGE_SIZE);
      const loaded = loadMemory(path);
      for (let mfn = 0; mfn < frames; mfn++) {
        const word = places.includes(mfn) ? 1 + mfn : 0;
        expect([mfn, bytes.readUInt32LE(mfn * PAGE_SIZE + 4092), loaded.readU32(Mfn(mfn), 4092)]).toEqual([
          mfn,
          word,
          word,
        ]);
      }
    },
  );
});

describe('clients of a hypervisor that is rebooted', () => {
  it.each([1023, 1024, 1025])(
    'clients of a hypervisor that is rebooted ask for 1024 bytes of a file of %i, and take no other number for an answer',
    (size) => {
      const bytes = contents(0).subarray(0, size);
      const image = makeExt2(tree(directory([['data', file(bytes)]])));
      const partitions = [{ start: 0, bytes: image.size }];
      const machine = servingMachine(1, { image, partitions, saveAreas: [] });
      const seen = new Set<number>();
      const check = (_: string, body: Uint8Array): void => {
        seen.add(body.length);
        expect(Buffer.compare(body, bytes.subarray(0, body.length))).toBe(0);
      };
      const clients = new VmmClients(machine, { path: '/data', size, check });
      const { simulation } = machine;
      simulation.runProcess('start', machine.start());
      simulation.runProcess('begin', clients.begin(machine.guests.values()));
      const until = simulation.now + 1e9;
      simulation.run(() => simulation.now >= until);
      expect([...seen]).toEqual([Math.min(1024, size)]);
      const { answered, failed } = clients.viewOf('guest0');
      // One comes every 10 ms, and the last may not have its answer yet.
      expect([failed, Math.abs(100 - answered) <= 1]).toEqual([0, true]);
    },
  );
});

describe('a program', () => {
  it('a program reads whole files 64 KiB at a time, and once more where a file ends with them', () => {
    const sizes = [READ_SIZE - 1, READ_SIZE, READ_SIZE + 1, 2 * READ_SIZE];
    const { testbed, guest, files, contents: expected } = bootWorkloadGuest(sizes);
    const buffer = new Uint8Array(READ_SIZE);
    const reads: [number, number, number][] = [];
    const ends: [number, number][] = [];
    const context = {
      sys: guest.kernel.syscalls,
      files,
      buffer,
      limit: Infinity,
      onRead: (file: number, position: number, bytes: number) => {
        reads.push([file, position, bytes]);
        expect(Buffer.compare(buffer.subarray(0, bytes), expected[file]!.subarray(position, position + bytes))).toBe(0);
      },
      onEnd: (file: number, position: number) => ends.push([file, position]),
    };
    testbed.simulation.runProcess('reader', readAllFiles(context));
    expect(reads).toEqual([
      [0, 0, 65_535],
      [1, 0, 65_536],
      [2, 0, 65_536],
      [2, 65_536, 1],
      [3, 0, 65_536],
      [3, 65_536, 65_536],
    ]);
    expect(ends).toEqual(sizes.map((size, file) => [file, size]));
  });

  it('a program that serves answers with 64 KiB at most: 128 bytes less than that for what is asked for', () => {
    const machine = vmmMachine(1);
    const { simulation } = machine;
    simulation.runProcess('start', machine.start());
    const { domain, kernel } = machine.guests.get('guest0')!;
    domain.environment.spawn('httpd', new WebServer(kernel.syscalls, true).run());
    const connection = new WebHost(simulation, machine.connectHost(), xenMac(9)).connection(xenMac(1));
    expect(simulation.runProcess('open', connection.open())).toBeUndefined();
    const most = MAX_PAYLOAD - 128;
    const lengths = [1023, 1024, most - 1, most, most + 1, MAX_PAYLOAD].map((wanted) => {
      const first = FILE_BYTES - MAX_PAYLOAD - 1;
      const lines = ['GET /data HTTP/1.0', `Range: bytes=${first}-${first + wanted - 1}`];
      const { body, status } = simulation.runProcess('ask', ask(connection, lines))!;
      expect(status).toBe(206);
      expect(Buffer.compare(body, contents(0).subarray(first, first + body.length))).toBe(0);
      return body.length;
    });
    expect(lengths).toEqual([1023, 1024, most - 1, most, most, most]);
  });
});
