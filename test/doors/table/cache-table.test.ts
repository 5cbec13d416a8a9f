import { describe, expect, it } from 'vitest';
import { DomId } from '../../../src/base/index.ts';
import { checkWord, identityOf, ownerOfDomain, RECORD_WORDS } from '../../../src/xen/frames/frame-record.ts';
import { ArgumentError, CacheTable, type PageName, type TableOptions } from '../../../src/doors/table/index.ts';

const FRAMES = 8;
const PAGE: PageName = { device: 0, inode: 12, generation: 1, index: 3 };
const bytesFor = (): Uint8Array => new Uint8Array(CacheTable.bytesFor(FRAMES));

function recovered(bytes: Uint8Array, options: TableOptions = { frames: FRAMES }): CacheTable {
  const left = CacheTable.recover(bytes, options);
  if (!left.ok) throw new Error(left.reason);
  return left.value.table;
}

/** Block 7 of device 0 in frame 5, which is named. */
function withPage(bytes = bytesFor(), options: TableOptions = { frames: FRAMES }): CacheTable {
  const table = CacheTable.create(bytes, options);
  expect(table.beginRead(5, 0, 7).end(true)).toBe(true);
  table.name(5, PAGE);
  return table;
}

describe('the table over bytes', () => {
  it('a table takes 64 bytes and 32 a frame', () => {
    expect(CacheTable.bytesFor(1)).toBe(96);
    expect(CacheTable.bytesFor(1 << 20)).toBe(64 + 32 * (1 << 20));
  });

  it('the first bytes of a table are its header, and each of its records is 32 bytes', () => {
    const bytes = bytesFor();
    withPage(bytes);
    const hex = (from: number, length: number): string =>
      Buffer.from(bytes.subarray(from, from + length)).toString('hex');
    // Magic, version, size, not consumed, first epoch, 8 frames, 32 bytes a record.
    expect(hex(0, 32)).toBe(
      '73777461626c3100' + '01000000' + '40000000' + '00000000' + '01000000' + '08000000' + '20000000',
    );
    // clean, named, protected, owner 1; inode, generation, index, block; no checksum; frame.
    expect(hex(64 + 5 * 32, 28)).toBe(
      '0e000100' + '0c000000' + '01000000' + '03000000' + '07000000' + '00000000' + '05000000',
    );
  });

  it('a page is handed out once after the death of whoever read it, under its name and at its block', () => {
    const bytes = bytesFor();
    withPage(bytes);
    const table = recovered(bytes);
    expect(table.isPreserved(5)).toBe(true);
    expect(table.lookup(PAGE)).toBe(5);
    expect(table.claim(PAGE, 7)).toEqual({ ok: true, value: 5 });
    expect(table.lookup(PAGE)).toBeUndefined();
    expect(table.claim(PAGE, 7)).toEqual({ ok: false, reason: { reason: 'absent', frame: undefined } });
    expect(table.factsOf(5)).toEqual({
      provenance: 'clean',
      block: 7,
      name: PAGE,
      isPreserved: false,
      isProtected: true,
    });
    // And after the next death again.
    expect(recovered(bytes).claim(PAGE, 7).ok).toBe(true);
  });

  it('a page is kept as well when only its user has died, and the table lives on', () => {
    const table = withPage();
    table.name(2, { ...PAGE, index: 9 });
    expect(table.claim(PAGE, 7).ok).toBe(false);
    expect(table.preserve()).toMatchObject({ preserved: 1, refused: { dirty: 1 } });
    expect(table.preserve()).toMatchObject({ preserved: 1, refused: { dirty: 0 } });
    expect(table.claim(PAGE, 7)).toEqual({ ok: true, value: 5 });
    table.checkInvariants();
  });

  it.each<[string, string, (table: CacheTable) => unknown]>([
    ['a store makes a page dirty', 'dirty', (table) => table.store(5)],
    ['a read that has not ended makes a page in flight', 'inFlight', (table) => table.beginRead(5, 0, 8)],
    ['a write that has not ended makes a page in flight', 'inFlight', (table) => table.beginWrite(5, 0, 7)],
    ['a read that failed makes a page dirty', 'dirty', (table) => table.beginRead(5, 0, 7).end(false)],
    ['a write that failed makes a page dirty', 'dirty', (table) => table.beginWrite(5, 0, 7).end(false)],
    ['a write of the block from another frame makes a page dirty', 'dirty', (table) => table.beginWrite(1, 0, 7)],
    ['a write of the block from elsewhere makes a page dirty', 'dirty', (table) => table.blockWritten(0, 7)],
    ['a disk that was changed makes its pages dirty', 'dirty', (table) => table.forgetDevice(0)],
  ])('%s: it is refused', (_, reason, change) => {
    const bytes = bytesFor();
    change(withPage(bytes));
    const left = CacheTable.recover(bytes, { frames: FRAMES });
    if (!left.ok) throw new Error(left.reason);
    expect(left.value.preserved).toBe(0);
    expect(left.value.refused).toMatchObject({ [reason]: 1 });
    expect(left.value.table.claim(PAGE, 7)).toMatchObject({ reason: { reason: 'absent' } });
    left.value.table.checkInvariants();
  });

  it.each<[string, (table: CacheTable) => unknown]>([
    ['a write of the page to its block', (table) => table.beginWrite(5, 0, 7).end(true)],
    ['a write of another block', (table) => table.blockWritten(0, 8)],
    ['a write of the same block of another device', (table) => table.blockWritten(1, 7)],
    ['a change of another disk', (table) => table.forgetDevice(1)],
    [
      'the name once more',
      (table) => {
        table.name(5, PAGE);
      },
    ],
  ])('%s leaves the page to be claimed', (_, change) => {
    const bytes = bytesFor();
    change(withPage(bytes));
    expect(recovered(bytes).claim(PAGE, 7).ok).toBe(true);
  });

  it.each<[string, (table: CacheTable) => unknown]>([
    ['was erased', (table) => table.erase(5)],
    ['was freed', (table) => table.free(5)],
    ['was read from another device since', (table) => table.beginRead(5, 1, 7).end(true)],
  ])('a page that %s is absent', (_, change) => {
    const bytes = bytesFor();
    change(withPage(bytes));
    const table = recovered(bytes);
    expect(table.claim(PAGE, 7)).toEqual({ ok: false, reason: { reason: 'absent', frame: undefined } });
    table.checkInvariants();
  });

  it('a page is refused at another block, in another generation, and then belongs to the caller', () => {
    const bytes = bytesFor();
    withPage(bytes);
    expect(recovered(bytes).claim(PAGE, 8)).toEqual({ ok: false, reason: { reason: 'staleBlock', frame: 5 } });
    withPage(bytes);
    const table = recovered(bytes);
    expect(table.lookup({ ...PAGE, generation: 2 })).toBeUndefined();
    expect(table.claim({ ...PAGE, generation: 2 }, 7)).toEqual({
      ok: false,
      reason: { reason: 'generation', frame: 5 },
    });
    expect(table.isPreserved(5)).toBe(false);
    expect(table.claim(PAGE, 7).ok).toBe(false);
    for (const other of [
      { ...PAGE, device: 1 },
      { ...PAGE, inode: 13 },
      { ...PAGE, index: 4 },
    ]) {
      withPage(bytes);
      expect(recovered(bytes).claim(other, 7)).toEqual({ ok: false, reason: { reason: 'absent', frame: undefined } });
    }
  });

  it('of two pages of one name the first is kept, and the second is a duplicate', () => {
    const bytes = bytesFor();
    const table = withPage(bytes);
    table.beginRead(6, 0, 7).end(true);
    table.name(6, PAGE);
    const left = CacheTable.recover(bytes, { frames: FRAMES });
    expect(left).toMatchObject({ ok: true, value: { preserved: 1, refused: { duplicate: 1 } } });
    expect(recovered(bytes).claim(PAGE, 7)).toEqual({ ok: true, value: 5 });
  });

  it('a store during a read takes what the read would make known, and a frame is protected from the submission on', () => {
    const table = CacheTable.create(bytesFor(), { frames: FRAMES });
    const read = table.beginRead(5, 0, 7);
    expect(table.isProtected(5)).toBe(true);
    table.store(5);
    expect(table.isProtected(5)).toBe(false);
    expect(read.end(true)).toBe(false);
    expect(table.factsOf(5)).toMatchObject({ provenance: 'none', block: undefined, name: undefined });
  });

  it('two transfers of one frame at once, and a read of a block that is being written, vouch for nothing', () => {
    const table = CacheTable.create(bytesFor(), { frames: FRAMES });
    const [one, two] = [table.beginRead(5, 0, 7), table.beginRead(5, 0, 7)];
    expect([one.end(true), two.end(true)]).toEqual([false, false]);
    const write = table.beginOtherWrite(0, 7);
    const read = table.beginRead(5, 0, 7);
    expect([read.end(true), write.end(true)]).toEqual([false, false]);
    expect(table.beginRead(5, 0, 7).end(true)).toBe(true);
  });

  it('of more frames than are judged at once the first and the last are kept', () => {
    const count = 130;
    const kept = [0, 63, 64, 127, 128, count - 1];
    const bytes = new Uint8Array(CacheTable.bytesFor(count));
    const table = CacheTable.create(bytes, { frames: count });
    for (const frame of kept) {
      table.beginRead(frame, 0, frame).end(true);
      table.name(frame, { ...PAGE, index: frame });
    }
    const left = CacheTable.recover(bytes, { frames: count });
    if (!left.ok) throw new Error(left.reason);
    expect(left.value.preserved).toBe(kept.length);
    for (const frame of kept) expect(left.value.table.claim({ ...PAGE, index: frame }, frame).ok).toBe(true);
  });

  it('no block of one device is one of another, however large its number', () => {
    const table = CacheTable.create(bytesFor(), { frames: FRAMES });
    for (const [frame, device] of [1, 128, 255].entries()) table.beginRead(frame, device, 0).end(true);
    for (let bit = 0; bit < 32; bit++) table.blockWritten(0, 2 ** bit);
    table.blockWritten(0, 0);
    expect([0, 1, 2].map((frame) => table.factsOf(frame).provenance)).toEqual(['clean', 'clean', 'clean']);
  });

  it('a store that nobody trapped is found by the checksum, where the table sees the bytes', () => {
    const frames = new Uint8Array(FRAMES * 4096);
    const bytesOf = (frame: number): Uint8Array => frames.subarray(4096 * frame, 4096 * (frame + 1));
    const bytes = bytesFor();
    withPage(bytes, { frames: FRAMES, bytesOf });
    expect(recovered(bytes, { frames: FRAMES, bytesOf }).claim(PAGE, 7).ok).toBe(true);
    frames[5 * 4096 + 100]! ^= 1;
    const claimed = recovered(bytes, { frames: FRAMES, bytesOf }).claim(PAGE, 7);
    expect(claimed).toEqual({ ok: false, reason: { reason: 'checksum', frame: 5 } });
    withPage(bytes, { frames: FRAMES, bytesOf });
    frames[5 * 4096 + 100]! ^= 1;
    const table = recovered(bytes, { frames: FRAMES, bytesOf });
    expect(table.claim(PAGE, 7)).toMatchObject({ reason: { reason: 'checksum' } });
    // Nothing that was recorded of it is believed any more.
    expect(table.factsOf(5)).toMatchObject({ provenance: 'none', name: undefined, isProtected: false });
    // Without the bytes it is the caller's word that counts.
    withPage(bytes);
    frames[5 * 4096 + 100]! ^= 1;
    expect(recovered(bytes).claim(PAGE, 7).ok).toBe(true);
  });

  it('another table over the bytes is the end of the one before, and of its transfers', () => {
    const bytes = bytesFor();
    const old = withPage(bytes);
    const late = old.beginRead(2, 0, 9);
    const table = recovered(bytes);
    for (const ok of [true, false]) expect(() => late.end(ok)).toThrow('table: another one was made over its bytes');
    expect(() => old.claim(PAGE, 7)).toThrow(ArgumentError);
    expect(() => old.preserve()).toThrow(ArgumentError);
    expect(table.claim(PAGE, 7).ok).toBe(true);
    CacheTable.create(bytes, { frames: FRAMES });
    expect(() => table.isProtected(0)).toThrow(ArgumentError);
  });
});

describe('bytes that are no table', () => {
  const reasonOf = (bytes: Uint8Array, frames = FRAMES): string => {
    const left = CacheTable.recover(bytes, { frames });
    return left.ok ? 'none at all' : left.reason;
  };

  it('each thing that a header may lack is a cold start with its reason', () => {
    expect(reasonOf(bytesFor())).toBe('none');
    const cases: [number, string][] = [
      [0, 'bad magic'],
      [8, 'unknown version'],
      [12, 'bad size'],
      [16, 'consumed already'],
      [20, 'bad checksum'],
      [24, 'bad checksum'],
      [40, 'reserved bytes are not zero'],
      [60, 'bad checksum'],
    ];
    for (const [at, reason] of cases) {
      const bytes = bytesFor();
      withPage(bytes);
      bytes[at]! ^= 1;
      expect([at, reasonOf(bytes)]).toEqual([at, reason]);
    }
    const bytes = bytesFor();
    withPage(bytes);
    expect(reasonOf(bytes, FRAMES - 1)).toBe('of 8 frames');
  });

  const [mine, other] = [0, 1].map((domid) => identityOf(ownerOfDomain(DomId(domid)), 0)) as [number, number];
  const clean = 0b1110; // clean, named, protected
  it.each([
    ['is what a table writes', mine | clean, 5, 1, 0],
    ['is of another owner', other | clean, 5, 0, 1],
    ['is of another page than its frame', mine | clean, 6, 0, 1],
    ['is of a page newer than its block', mine | clean | 0x40, 5, 0, 1],
    ['waits for a claim without a name', mine | 0b1010 | 0x10, 5, 0, 1],
    ['has neither a name nor waits for a claim', mine | 0b1010, 5, 0, 0],
    ['has no name and is of another page than its frame', mine | 0b1010, 6, 0, 1],
  ])('a record that verifies and %s is kept, refused or free', (_, state, page, preserved, corruptRecord) => {
    const bytes = bytesFor();
    CacheTable.create(bytes, { frames: FRAMES });
    const record = new Uint32Array(bytes.buffer, 64).subarray(5 * RECORD_WORDS);
    record.set([state, 12, 1, 3, 7, 0, page]);
    record[7] = checkWord(record, 0, record[0]!);
    const left = CacheTable.recover(bytes, { frames: FRAMES });
    expect(left).toMatchObject({ ok: true, value: { preserved, refused: { corruptRecord } } });
    if (left.ok) left.value.table.checkInvariants();
  });

  it('a table is made over any bytes, also when they had the last number of a table', () => {
    const bytes = bytesFor().fill(255);
    withPage(bytes);
    expect(recovered(bytes).claim(PAGE, 7).ok).toBe(true);
  });

  it('a table that was taken and not replaced is not taken again', () => {
    const bytes = bytesFor();
    withPage(bytes);
    expect(reasonOf(bytes, FRAMES - 1)).toBe('of 8 frames');
    expect(reasonOf(bytes)).toBe('consumed already');
    expect(reasonOf(bytes)).toBe('consumed already');
  });
});

describe('a mistake of the caller', () => {
  const bytes = bytesFor();
  const table = CacheTable.create(bytes, { frames: FRAMES });
  const checksum = { checksum: true };

  it.each<[string, () => unknown]>([
    ['frames: expected an integer, 1 to 67108864, got 0', () => CacheTable.bytesFor(0)],
    ['bytes: shorter than a table of so many frames', () => CacheTable.create(bytes, { frames: FRAMES + 1 })],
    ['bytes: does not begin on a word', () => CacheTable.create(new Uint8Array(500).subarray(1), { frames: FRAMES })],
    ['bytesOf: checksums need', () => CacheTable.recover(bytesFor(), { frames: FRAMES, protections: checksum })],
    ['bytesOf: gave no 4096 bytes', () => withPage(bytesFor(), { frames: FRAMES, bytesOf: () => new Uint8Array(1) })],
    [
      'protections: "scrub" is none of',
      () => CacheTable.create(bytesFor(), { frames: 8, protections: { scrub: true } as object }),
    ],
    ['frame: expected an integer, 0 to 7, got 8', () => table.store(FRAMES)],
    ['device: expected an integer, 0 to 255, got 256', () => table.beginRead(0, 256, 0)],
    ['block: expected an integer, 0 to 4294967295, got 4294967296', () => table.beginWrite(0, 0, 2 ** 32)],
    ['name.inode: expected', () => table.name(0, { ...PAGE, inode: -1 })],
    ['block: expected', () => table.claim(PAGE, -1)],
  ])('the mistake is named: %s', (message, call) => {
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow(message);
  });

  it('a transfer ends once, and a frame with a transfer in flight is neither freed nor forgotten', () => {
    const transfer = table.beginRead(3, 0, 4);
    expect(() => table.free(3)).toThrow('frame: a transfer of it is in flight');
    expect(() => table.forgetDevice(0)).toThrow('device: a transfer of it is in flight');
    transfer.end(true);
    expect(() => transfer.end(true)).toThrow('transfer: it has ended already');
    table.forgetDevice(0);
    table.free(3);
    table.checkInvariants();
  });
});
