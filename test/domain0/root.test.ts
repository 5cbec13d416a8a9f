// Domain 0's own disk: what its services read of it, what that costs, and what a reset leaves.
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE, SECTORS_PER_PAGE } from '../../src/base/index.ts';
import { JoinedImage } from '../../src/disk/image/joined-image.ts';
import { OverlayImage } from '../../src/disk/image/overlay-image.ts';
import type { Domain0Root, RootContents } from '../../src/domain0/root.ts';
import type { Domain0Disk } from '../../src/experiment/host/domain0-services.ts';
import { OracleExt2 } from '../../src/experiment/judge/oracle-ext2.ts';
import { Verifier, VerifierRecord } from '../../src/experiment/judge/verifier.ts';
import { domain0DiskAt, domain0Image } from '../../src/experiment/vmm/domain0-disk.ts';
import type { Process } from '../../src/sim/index.ts';
import { vmmDisk, vmmMachine, MIB } from '../experiment/vmm/disk.ts';
import { COSTS, Lab } from './lab.ts';

/** Pages 0 to 9 of a file in two runs with a hole between them, and one that is not whole. */
const CONTENTS: RootContents = {
  files: [
    { path: '/a', ino: 12, size: 10 * PAGE_SIZE },
    { path: '/b', ino: 13, size: 1000 },
  ],
  blockOf: (ino, page) => (ino === 13 ? 40 : page < 4 ? 20 + page : page < 6 ? 0 : 30 + page),
};

const PAGE_NS = COSTS.pageLookupNs + PAGE_SIZE * COSTS.copyNsPerByte;

class RootLab extends Lab {
  readonly root: Domain0Root;

  constructor() {
    super(64, { sectors: 8 });
    this.root = this.files.openRoot(SECTORS_PER_PAGE, 63 * SECTORS_PER_PAGE, CONTENTS);
  }

  run<T>(process: Process<T>): T {
    return this.simulation.runProcess('program', process);
  }

  /** The first byte of each page that a read returned. */
  pages(path: string, from: number, length: number): { readonly bytes: number; readonly first: number[] } {
    const buffer = new Uint8Array(16 * PAGE_SIZE).fill(255);
    const { root } = this;
    const bytes = this.run(
      (function* () {
        const fd = yield* root.open(path);
        const done = yield* root.pread(fd, buffer, 0, length, from);
        yield* root.close(fd);
        yield* root.settle();
        return done;
      })(),
    );
    return { bytes, first: Array.from({ length: Math.ceil(bytes / PAGE_SIZE) }, (_, n) => buffer[n * PAGE_SIZE]!) };
  }
}

describe('the root of domain 0', () => {
  it('the root of domain 0 has each page where its file says, zeros in a hole, and ends where the file ends', () => {
    const lab = new RootLab();
    // The partition begins at block 1, and block n of the drive is full of n + 1.
    expect(lab.pages('/a', 0, 20 * PAGE_SIZE)).toEqual({
      bytes: 10 * PAGE_SIZE,
      first: [22, 23, 24, 25, 0, 0, 38, 39, 40, 41],
    });
    expect(lab.pages('/b', 0, PAGE_SIZE)).toEqual({ bytes: 1000, first: [42] });
    expect(lab.pages('/b', 1000, PAGE_SIZE)).toEqual({ bytes: 0, first: [] });
    expect(lab.files.counters).toMatchObject({ pagesHit: 0, pagesMissed: 0, pagesRead: 9 });
  });

  it('a page of the root that is cached costs a look-up and a copy, and the drive is not asked', () => {
    const lab = new RootLab();
    lab.pages('/a', 0, 4 * PAGE_SIZE);
    const { length } = lab.seen;
    const begin = lab.simulation.now;
    lab.pages('/a', 0, 4 * PAGE_SIZE);
    expect(lab.simulation.now - begin).toBe(4 * PAGE_NS);
    expect(lab.seen).toHaveLength(length);
    lab.reset();
    lab.pages('/a', 0, 4 * PAGE_SIZE);
    expect(lab.seen).toHaveLength(2 * length);
  });

  it('a window of the root is read ahead by a request for each run, and not beyond the file', () => {
    const lab = new RootLab();
    const { root } = lab;
    lab.run(
      (function* () {
        const fd = yield* root.open('/a');
        yield* root.posixFadvise();
        yield* root.readahead(fd, 0, 100 * PAGE_SIZE);
      })(),
    );
    lab.simulation.run();
    expect(lab.seen.map(({ block, pages }) => [block, pages])).toEqual([
      [21, 4],
      [37, 4],
    ]);
  });

  it('a program that reads on has the bytes in order, and knows the size and the inode', () => {
    const lab = new RootLab();
    const { root } = lab;
    const read = lab.run(
      (function* () {
        const fd = yield* root.open('/a');
        const buffer = new Uint8Array(3 * PAGE_SIZE);
        const firsts = [];
        for (let bytes = 1; bytes > 0; ) {
          bytes = yield* root.read(fd, buffer, 0, buffer.length);
          if (bytes > 0) firsts.push([bytes / PAGE_SIZE, buffer[0]]);
        }
        return { firsts, ...root.fstat(fd) };
      })(),
    );
    expect(read).toEqual({
      firsts: [
        [3, 22],
        [3, 25],
        [3, 38],
        [1, 41],
      ],
      ...CONTENTS.files[0],
    });
  });

  it('calls on the root fail with ENOENT, EBADF and EIO, as those of a kernel do', () => {
    const lab = new RootLab();
    const { root } = lab;
    expect(() => lab.run(root.open('/c'))).toThrow(/ENOENT|\/c/);
    expect(() => root.fstat(7)).toThrow('file 7');
    expect(() => lab.run(root.close(7))).toThrow('file 7');
    lab.fails = () => true;
    expect(() => lab.pages('/a', 0, 1)).toThrow('block 20');
    lab.fails = () => false;
    expect(lab.pages('/a', 0, 1).first).toEqual([22]);
    expect(() => lab.files.openRoot(SECTORS_PER_PAGE, 8, CONTENTS)).toThrow('another file');
    expect(() => lab.files.openRoot(0, 8, {} as never)).toThrow('contents');
  });
});

describe('domain 0 with a disk of its own', () => {
  /** Bytes that its services read to start and to stop. */
  const START = 40_275_968;
  const STOP = 901_120;

  const machineWith = (change: (disk: Domain0Disk) => Domain0Disk = (disk) => disk) => {
    const { image: guests, ...places } = vmmDisk(1);
    const image = new JoinedImage([guests, new OverlayImage(domain0Image())]);
    const found = new VerifierRecord();
    const verifier = new Verifier(new OracleExt2(domain0Image()), found);
    const domain0Disk = change(domain0DiskAt(image.places[1]!, 64 * MIB, () => verifier));
    const machine = vmmMachine(1, { ...places, image, disk: 'disk', domain0Disk });
    const { simulation, drive } = machine;
    /** Time, bytes that the services read, and sectors of the drive. */
    const measured = (process: Process<unknown>): { ns: number; bytes: number; sectors: number } => {
      const [now, bytes, { sectorsRead }] = [simulation.now, found.bytes, drive.counters];
      simulation.runProcess('measured', process);
      return {
        ns: simulation.now - now,
        bytes: found.bytes - bytes,
        sectors: drive.counters.sectorsRead - sectorsRead,
      };
    };
    return { machine, services: machine.domain0Services!, found, measured };
  };

  it('domain 0 reads what a guest reads when it boots; what it reads to stop is cached; a reset leaves nothing', () => {
    const { machine, services, found, measured } = machineWith();
    const plain = vmmMachine(1, { disk: 'disk' });
    const timeOf = (process: Process<unknown>): number => {
      const begin = plain.simulation.now;
      plain.simulation.runProcess('plain', process);
      return plain.simulation.now - begin;
    };
    const downNs = timeOf(plain.shutdownDomain0());
    plain.reset();
    const upNs = timeOf(plain.bootHypervisor());
    const first = measured(services.start(0));
    // The list of what is to be read has five pages.
    expect([first.bytes, first.sectors]).toEqual([START, START / 512 + 5 * SECTORS_PER_PAGE]);
    const stopped = measured(machine.shutdownDomain0());
    // Its own list has two, and nothing else is read from the drive.
    expect([stopped.bytes, stopped.sectors]).toEqual([STOP, 2 * SECTORS_PER_PAGE]);
    machine.reset();
    const booted = measured(machine.bootHypervisor());
    expect([booted.bytes, booted.sectors]).toEqual([START, first.sectors]);
    // The disk's share comes on top of the constants. While services compute, the drive reads
    // ahead.
    expect(booted.ns - upNs).toBeGreaterThan(1e9);
    expect(booted.ns - upNs).toBeLessThan(first.ns);
    expect(stopped.ns - downNs).toBeGreaterThan(0);
    expect(stopped.ns - downNs).toBeLessThan(50e6);
    expect([services.messages, found.verified.mismatches]).toEqual([[], 0]);
  });

  it('domain 0 without some of its files goes on without them, and says so', () => {
    const { services, measured } = machineWith((disk) => ({
      ...disk,
      contents: { ...disk.contents, files: disk.contents.files.filter(({ path }) => !path.endsWith('/000')) },
    }));
    expect(measured(services.start(0)).bytes).toBeLessThan(START);
    expect(services.messages).toEqual(['init: /.stillwarm-boot/start: 1 of 657 reads failed']);
  });
});
