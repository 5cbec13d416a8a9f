import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../src/base/argument-error.ts';
import { PAGE_SIZE, SECTORS_PER_PAGE } from '../../src/base/index.ts';
import { CACHE_PAGES, COSTS, Lab } from './lab.ts';

const SECONDS = 1e9;
const HIT_NS = COSTS.contextSwitchNs + COSTS.pageLookupNs + PAGE_SIZE * COSTS.copyNsPerByte;

describe('reads of an image file', () => {
  it('a page that domain 0 has costs a look-up, a copy and a switch to the thread', () => {
    const lab = new Lab(64);
    lab.read(3);
    expect(lab.do('read', 3 * SECTORS_PER_PAGE, [PAGE_SIZE])).toEqual({ end: 'ok', ns: HIT_NS });
  });

  it('a single page that is absent costs its bio, the drive and the interrupt besides', () => {
    const lab = new Lab(64);
    lab.read(3);
    // Not the next page of anything: nothing is read ahead.
    const { ns } = lab.do('read', 40 * SECTORS_PER_PAGE, [PAGE_SIZE]);
    const driveNs = 1;
    expect(ns).toBe(HIT_NS + COSTS.pageAllocNs + COSTS.bioSubmitNs + COSTS.interruptNs + driveNs);
    expect(lab.files.counters).toMatchObject({ pagesHit: 0, pagesMissed: 2, pagesRead: 2 });
  });

  it('a sequential reader reads each page once, in growing windows, and a second one reads none', () => {
    const lab = new Lab(200);
    expect(lab.read(0, 200)).toEqual(Array.from({ length: 200 }, (_, n) => n + 1));
    expect(lab.pagesOf('read')).toBe(200);
    // 8 pages at first, then windows of 16 and 32.
    expect(lab.seen.map(({ pages }) => pages)).toEqual([8, 16, 32, 32, 32, 32, 32, 16]);
    const first = lab.files.counters;
    expect(first.pagesHit + first.pagesMissed).toBe(200);
    lab.read(0, 200);
    expect(lab.files.counters).toEqual({ ...first, pagesHit: first.pagesHit + 200 });
    expect(lab.pagesOf('read')).toBe(200);
  });

  it('a scan that is larger than the cache gains nothing from it, and the last pages stay', () => {
    const lab = new Lab(2 * CACHE_PAGES);
    lab.read(0, 2 * CACHE_PAGES);
    expect(lab.files.nrPages).toBeGreaterThan(CACHE_PAGES - 64);
    lab.read(0, 2 * CACHE_PAGES);
    expect(lab.files.counters.pagesRead).toBe(4 * CACHE_PAGES);
    lab.read(2 * CACHE_PAGES - 64, 64);
    expect(lab.files.counters.pagesRead).toBe(4 * CACHE_PAGES);
  });

  it('one request of many pages is answered page by page', () => {
    const lab = new Lab(64);
    expect(lab.do('read', 4, [512, PAGE_SIZE, 1024])).toMatchObject({ end: 'ok' });
    const bytes = [1, 2, 3].map((frame) => lab.memory.readU8(frame as never, 0));
    expect(bytes).toEqual([1, 1, 2]);
    // Sectors 4, 5 … 12 and 13 … 14: the second segment crosses into block 1.
    expect(lab.memory.readU8(2 as never, 3 * 512)).toBe(2);
    expect(lab.files.counters.pagesHit + lab.files.counters.pagesMissed).toBe(4);
  });

  it('a disk of no whole blocks is read and written up to its last sector', () => {
    const lab = new Lab(16, { sectors: 3 * SECTORS_PER_PAGE + 1 });
    expect(lab.do('read', 3 * SECTORS_PER_PAGE, [512]).end).toBe('ok');
    expect(lab.do('write', 3 * SECTORS_PER_PAGE, [512]).end).toBe('ok');
    expect(lab.do('flush').end).toBe('ok');
    expect(lab.do('read', 3 * SECTORS_PER_PAGE, [1024]).end).toBe('EIO');
    expect(lab.do('read', -1, [512]).end).toBe('EIO');
    expect(lab.do('flush', 0, [512]).end).toBe('EIO');
  });
});

describe('writes of an image file', () => {
  it('a write completes before the drive knows of it, and is what a guest reads from then on', () => {
    const lab = new Lab(64);
    expect(lab.write(5, 200)).toBe('ok');
    expect(lab.seen).toEqual([]);
    expect([lab.asGuest(5), lab.inDrive(5)]).toEqual([200, 6]);
    expect(lab.read(5)).toEqual([200]);
    expect(lab.files.counters).toMatchObject({
      pagesHit: 1,
      pagesMissed: 0,
      pagesRead: 0,
      pagesStored: 1,
      pagesWritten: 0,
    });
  });

  it('a dirty page is written when it is 30 s old, at one of the looks that are 5 s apart', () => {
    const lab = new Lab(64);
    lab.write(5, 200);
    lab.wait(29.9 * SECONDS);
    expect(lab.inDrive(5)).toBe(6);
    lab.wait(0.2 * SECONDS);
    expect([lab.inDrive(5), lab.files.nrDirty]).toEqual([200, 0]);
    // Nothing is left to be done.
    expect(lab.simulation.run()).toBe(0);
  });

  it('a flush has everything on the medium that had completed, and neighbours go as one request', () => {
    const lab = new Lab(64, { writeCacheBytes: 1 << 20 });
    for (const block of [7, 9, 8, 20]) lab.write(block, 100 + block);
    expect(lab.do('flush').end).toBe('ok');
    expect(lab.seen.filter(({ op }) => op !== 'read')).toEqual([
      { op: 'write', block: 7, pages: 3 },
      { op: 'write', block: 20, pages: 1 },
      { op: 'flush', block: 0, pages: 0 },
    ]);
    expect([7, 8, 9, 20].map((block) => lab.onMedium(block))).toEqual([107, 108, 109, 120]);
  });

  it('a write of a part of a page reads the page first, and one of a whole page does not', () => {
    const lab = new Lab(64);
    lab.do('write', 8, [512]);
    lab.do('write', 16, [PAGE_SIZE]);
    expect(lab.seen).toEqual([{ op: 'read', block: 1, pages: 1 }]);
  });

  it('above 10 % dirty pages are written in the background, and never are more than 40 % dirty', () => {
    const lab = new Lab(2 * CACHE_PAGES);
    for (let n = 0; n <= CACHE_PAGES / 10; n++) lab.write(2 * n, 9);
    expect(lab.pagesOf('write')).toBe(0);
    lab.write(100, 9);
    lab.wait(SECONDS);
    expect(lab.files.nrDirty).toBeLessThanOrEqual(CACHE_PAGES / 10);

    // All at once: the background cannot keep up with a drive that does nothing.
    for (let n = 0; n < 30; n++) lab.begin('write', 64 * n, new Array<number>(11).fill(PAGE_SIZE));
    let most = 0;
    while (lab.simulation.step()) most = Math.max(most, lab.files.nrDirty);
    expect(most).toBeLessThanOrEqual(Math.floor(0.4 * CACHE_PAGES) + 1);
    expect(lab.files.nrDirty).toBe(0);
  });
});

describe('a reset of the machine', () => {
  it('a reset empties the cache and loses what was not written back, which counts as a change of the disk', () => {
    const lab = new Lab(64);
    lab.write(5, 200);
    lab.do('flush');
    lab.read(30);
    const { generation } = lab;
    lab.reset();
    expect(lab.generation).toBe(generation);
    expect(lab.files.nrPages).toBe(0);
    expect(lab.read(5)).toEqual([200]);

    lab.write(6, 201);
    const written = lab.generation;
    lab.reset();
    expect(lab.files.counters.pagesLost).toBe(1);
    expect(lab.generation).toBeGreaterThan(written);
    expect(lab.read(6)).toEqual([7]);
  });

  it('an orderly shutdown of domain 0 leaves nothing to be lost', () => {
    const lab = new Lab(64, { writeCacheBytes: 1 << 20 });
    for (let block = 0; block < 20; block++) lab.write(block, 200);
    const { generation } = lab;
    expect(lab.simulation.runProcess('sync', lab.files.sync())).toBe(true);
    lab.powerLoss();
    expect(lab.generation).toBe(generation);
    expect(lab.read(0, 20)).toEqual(new Array(20).fill(200));
  });

  it('a loss of power leaves what was flushed, and nothing of the rest', () => {
    const lab = new Lab(64, { writeCacheBytes: 1 << 20 });
    lab.write(1, 101);
    lab.do('flush');
    lab.write(1, 102);
    lab.write(2, 103);
    lab.powerLoss();
    expect(lab.read(1, 2)).toEqual([101, 3]);
  });

  it('requests that are under way never end', () => {
    const lab = new Lab(64);
    const read = lab.begin('read', 0, [PAGE_SIZE]);
    const write = lab.begin('write', 8, [PAGE_SIZE], 2);
    lab.simulation.step();
    lab.reset();
    lab.simulation.run();
    expect([read.end, write.end]).toEqual([undefined, undefined]);
    expect(lab.read(0, 2)).toEqual([1, 2]);
  });
});

describe('a drive that fails', () => {
  it('a page that cannot be read is EIO to the guest, and is tried again when it is asked for again', () => {
    const lab = new Lab(64);
    lab.fails = ({ sector }) => sector === 8 * 3;
    expect(lab.read(2, 3)).toEqual([3, 'EIO', 5]);
    lab.fails = () => false;
    expect(lab.read(3)).toEqual([4]);
  });

  it('a window that cannot be read ahead is read page by page', () => {
    const lab = new Lab(64);
    lab.fails = ({ segments }) => segments.length > 1;
    expect(lab.read(0, 20)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
  });

  it('a page that cannot be written stays dirty, a flush says so, and the next flush writes it', () => {
    const lab = new Lab(64);
    lab.fails = ({ op }) => op === 'write';
    lab.write(5, 200);
    lab.wait(60 * SECONDS);
    expect([lab.files.nrDirty, lab.asGuest(5)]).toEqual([1, 200]);
    // It is not tried without end.
    expect(lab.simulation.run()).toBe(0);
    expect(lab.do('flush').end).toBe('EIO');
    lab.fails = ({ op }) => op === 'flush';
    expect(lab.do('flush').end).toBe('EIO');
    lab.fails = () => false;
    expect(lab.do('flush').end).toBe('ok');
    expect(lab.onMedium(5)).toBe(200);
  });

  it('a guest that writes more than fits gets EIO when the drive takes nothing, and what it had stays', () => {
    const lab = new Lab(2 * CACHE_PAGES);
    lab.fails = ({ op }) => op === 'write';
    const ends = Array.from({ length: CACHE_PAGES + 1 }, (_, block) => lab.write(block, 7));
    expect(ends).toEqual([...new Array<string>(CACHE_PAGES).fill('ok'), 'EIO']);
    expect(lab.read(CACHE_PAGES)).toEqual(['EIO']);
    expect(lab.read(0, CACHE_PAGES)).toEqual(new Array(CACHE_PAGES).fill(7));
    lab.fails = () => false;
    expect(lab.write(CACHE_PAGES, 7)).toBe('ok');
    expect(lab.do('flush').end).toBe('ok');
    expect(lab.onMedium(CACHE_PAGES)).toBe(7);
  });
});

describe('the files of a domain 0', () => {
  it('two files share the cache and no sector', () => {
    const lab = new Lab(64, { sectors: 16 * SECTORS_PER_PAGE });
    const other = lab.files.open(16 * SECTORS_PER_PAGE, 8);
    lab.read(0);
    other.submit({
      op: 'read',
      sector: 0,
      segments: [{ mfn: 2 as never, offset: 0, length: PAGE_SIZE }],
      done: () => undefined,
    });
    lab.simulation.run();
    expect(lab.memory.readU8(2 as never, 0)).toBe(17);
    expect(() => lab.files.open(15 * SECTORS_PER_PAGE, 8)).toThrow(ArgumentError);
    expect(() => lab.files.open(16 * SECTORS_PER_PAGE, 8)).toThrow(/another file/);
  });

  it('what is no place for a file is refused', () => {
    const { files } = new Lab(64, { sectors: 8 });
    for (const [first, sectors] of [
      [-8, 8],
      [12, 8],
      [8, 0],
      [8, 64 * 8],
      [0.5, 8],
    ] as const)
      expect(() => files.open(first, sectors)).toThrow(ArgumentError);
    expect(() => files.forget({})).toThrow(/device/);
    expect(() => new Lab(64, { cacheBytes: (1 << 20) - 1 })).toThrow(/cacheBytes/);
  });
});
