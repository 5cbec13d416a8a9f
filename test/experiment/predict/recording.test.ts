// What is known of a trace before it is replayed, and what its files hold.
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { PAGE_SIZE } from '../../../src/base/units.ts';
import { fillBytes, TraceContents } from '../../../src/experiment/predict/contents.ts';
import { PagesSeen, SEEN } from '../../../src/experiment/predict/pages-seen.ts';
import { Recorder } from '../../../src/experiment/predict/recording.ts';
import { property } from '../../support/property.ts';
import { type Line, record } from './made-traces.ts';

const sizesOf = (lines: readonly Line[]): (number | undefined)[] =>
  record(lines).files.map(({ exists, size }) => (exists ? size : undefined));

describe('the survey of a trace', () => {
  it.each<[string, readonly Line[], number | undefined]>([
    ['reads', [[0, 0, 'read', 0, 5000, 100]], 5100],
    [
      'reads what it has written',
      [
        [0, 0, 'write', 0, 0, 100],
        [0, 0, 'read', 0, 0, 100],
      ],
      0,
    ],
    [
      'reads more than it has written',
      [
        [0, 0, 'write', 0, 0, 8192],
        [0, 0, 'read', 0, 0, 9000],
      ],
      9000,
    ],
    [
      'reads behind what it has cut',
      [
        [0, 0, 'truncate', 0, 3000],
        [0, 0, 'read', 0, 0, 9000],
      ],
      3000,
    ],
    [
      'creates',
      [
        [0, 0, 'create', 0],
        [0, 0, 'read', 0, 0, 9000],
      ],
      undefined,
    ],
    [
      'creates again',
      [
        [0, 0, 'read', 0, 0, 7],
        [0, 0, 'create', 0],
        [0, 0, 'read', 0, 0, 9000],
      ],
      7,
    ],
    [
      'reads after it has deleted',
      [
        [0, 0, 'read', 0, 0, 7],
        [0, 0, 'unlink', 0],
        [0, 0, 'read', 0, 0, 9000],
      ],
      7,
    ],
    ['only opens', [[0, 0, 'open', 0]], 0],
    ['reads nothing, far behind', [[0, 0, 'read', 0, 10 ** 9, 0]], 0],
  ])('the size of a file at the start of a trace that %s', (_, lines, size) => {
    expect(sizesOf(lines)).toEqual([size]);
  });

  it('a trace is counted, and what no guest can carry out is left out', () => {
    const trace = record(
      [
        [0, 5, 'read', 0, 0, 8192],
        [2, 5, 'write', 1, 4096, 4096],
        [1, 9, 'sync', 0xffff_ffff],
        [3, 9, 'read', 0, -1, 5],
        [3, 9, 'read', 0, 2 ** 50, 5],
        [3, 9, 'read', 7, 0, 5],
        [3, 9, 'write', 0xffff_ffff, 0, 5],
      ].map((line) => line as unknown as Line),
      { files: [{ name: '/a' }, { name: '/b', size: 12_345 }] },
    );
    expect(trace).toMatchObject({ accesses: { distinct: 3 }, bytesRead: 8192, bytesWritten: 4096, leftOut: 4 });
    expect(trace.byKind).toMatchObject({ read: 1, write: 1, sync: 1, open: 0 });
    expect(trace.files.map(({ size }) => size)).toEqual([8192, 12_345]);
    expect(trace.spanNs).toBe(2e9);
    // Times ascend, even where those of the trace do not.
    expect([...trace.columns.time]).toEqual([0, 2e9, 2e9]);
    expect([...trace.firsts]).toEqual([0, 2]);
  });

  it('requests to devices take turns at as many places as may be under way at once', () => {
    const lines = Array.from({ length: 6 }, (_, n): Line => [n, n % 2, 'read', n < 5 ? 0 : 1, 4096 * n, 4096]);
    const files = [{ name: 'sda', isDevice: true }, { name: '/a' }];
    const found = (depth?: number) => {
      const { columns, depth: most, firsts } = record(lines, { files, ...(depth !== undefined && { depth }) });
      return [most, firsts.length, [...columns.thread]];
    };
    // The last one is on a file, and belongs to the thread itself.
    expect(found(1)).toEqual([1, 2, [0, 1, 0, 1, 0, 1]]);
    expect(found(2)).toEqual([2, 4, [0, 1, 2, 3, 0, 1]]);
    expect(found()).toEqual([32, 5, [0, 1, 2, 3, 4, 1]]);
    const untimed = lines.map(([, ...rest]) => [Number.NaN, ...rest] as unknown as Line);
    expect(record(untimed, { files }).depth).toBe(1);
    expect(record(lines.slice(0, 1), { files: [{ name: '/a' }] }).depth).toBe(1);
  });

  it('a fault on the last page tells how long a file is only where nothing else does', () => {
    const faults: Line[] = [0, 1, 2].map((file) => [file, 0, 'fault', file, 4096, 8192]);
    const files = [{ name: '/a' }, { name: '/b', size: 9000 }, { name: '/c', size: 8192 }];
    const { files: found, bytesRead, byKind, accesses } = record(faults, { files });
    expect(found.map(({ size }) => size)).toEqual([12_288, 9000, 12_288]);
    expect([bytesRead, byKind.fault, accesses.pages.length]).toEqual([3 * 8192, 3, 6]);
  });

  it('a trace without an operation is refused', () => {
    expect(() => new Recorder().end()).toThrow('the trace has no operation that can be replayed');
  });

  it('a file larger than ext2 can have is refused in one line', () => {
    expect(() => record([[0, 0, 'read', 0, 0, 1]], { files: [{ name: 'big', size: 2 ** 45 }] })).toThrow(
      'big: 35184372088832 bytes are more than a file here can have',
    );
  });

  it('sizes that the user knows make files longer', () => {
    const recorder = new Recorder({ sizeOf: (name) => (name === 'a' ? 9999 : undefined) });
    recorder.file({ name: 'a', size: undefined, isDevice: false });
    recorder.file({ name: 'b', size: 5, isDevice: false });
    expect(() => recorder.end()).toThrow('no operation');
  });

  it('a table of pages that grows forgets none', () => {
    const seen = new PagesSeen();
    const added = (mark: number): Set<number> =>
      new Set(Array.from({ length: 5000 }, (_, page) => seen.add(seen.set.number(page % 7, page * 3), mark)));
    expect([...added(SEEN.read)]).toEqual([0]);
    expect([...added(SEEN.written)]).toEqual([SEEN.read]);
    expect(seen.set.count).toBe(5000);
    expect(
      seen
        .pagesOf(new Set([3]))
        .get(3)!
        .slice(0, 3),
    ).toEqual(Float64Array.of(9, 30, 51));
  });
});

const SIZE = 5 * PAGE_SIZE;

describe('what the files of a trace hold', () => {
  property(
    'the bytes of a file are those of the last write, zeros where none was, or those of the start',
    fc.array(
      fc.record({
        what: fc.constantFrom('write', 'write', 'cut', 'empty'),
        offset: fc.integer({ min: 0, max: SIZE }),
        length: fc.integer({ min: 0, max: 2 * PAGE_SIZE }),
      }),
      { maxLength: 12 },
    ),
    (changes) => {
      const start = 9000;
      const contents = new TraceContents([{ name: '', exists: true, size: start, newPages: 0, runs: undefined }]);
      let model = new Uint8Array(start);
      fillBytes(0, 0, 0, model, 0, start);
      const resized = (size: number): void => {
        const next = new Uint8Array(size);
        next.set(model.subarray(0, size));
        model = next;
      };
      for (const { what, offset, length } of changes)
        if (what === 'write' && length > 0) {
          const bytes = new Uint8Array(length);
          contents.wrote(0, offset, length, bytes);
          if (offset + length > model.length) resized(offset + length);
          model.set(bytes, offset);
        } else if (what !== 'write') {
          if (what === 'cut') contents.cut(0, offset);
          else contents.empty(0);
          resized(what === 'cut' ? offset : 0);
        }
      expect(contents.lengthOf(0, 100, 2 * SIZE)).toBe(Math.max(0, model.length - 100));
      expect(contents.differenceOf(0, 0, model.length, model)).toBe(-1);
      const tail = Math.floor(model.length / 3);
      expect(contents.differenceOf(0, tail, model.length - tail, model.subarray(tail))).toBe(-1);
      for (let at = 0; at < model.length; at += 997) {
        model[at]! ^= 1;
        expect(contents.differenceOf(0, 0, model.length, model)).not.toBe(-1);
        model[at]! ^= 1;
      }
    },
    { numRuns: 200 },
  );

  it('what an operation has failed on is not compared', () => {
    const contents = new TraceContents([{ name: '', exists: true, size: 10, newPages: 0, runs: undefined }]);
    expect(contents.differenceOf(0, 0, 10, new Uint8Array(10))).toBe(0);
    contents.forget(0);
    expect(contents.differenceOf(0, 0, 10, new Uint8Array(10))).toBe(-1);
    expect(contents.lengthOf(0, 0, 10)).toBeUndefined();
    contents.empty(0);
    expect(contents.lengthOf(0, 0, 10)).toBe(0);
  });
});
