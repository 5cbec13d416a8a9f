/** Job files of fio: what is printed parses to the same, each key is obeyed or refused by name. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/base/input-error.ts';
import { FIO_KEYS, RW, type FioKey, type FioValues } from '../../src/workload/fio-keys.ts';
import { parseFioJobs, printFioJobs, type FioJob } from '../../src/workload/fio-job.ts';
import { property } from '../support/property.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const parse = (text: string): FioJob[] => parseFioJobs(bytesOf(text), 'f');
const valuesOf = (keys: string): FioValues => parse(`[j]\n${keys}\n`)[0]!.values;

/** Texts of each key that are obeyed, with what they mean, and one that is not. */
const CASES: Readonly<Record<keyof FioValues, readonly [text: string, value: unknown, wrong: string]>> = {
  rw: ['randrw', 'randrw', 'trim'],
  bs: ['4k-64k,8k', { read: { least: 4096, most: 65_536 }, write: { least: 8192, most: 8192 } }, '0'],
  size: ['25%', { percent: 25 }, '0%'],
  filesize: ['2mi', 2_000_000, '-1'],
  nrfiles: ['3', 3, '0'],
  filename: ['a:b/c', ['a', 'b/c'], '../a'],
  directory: ['/x/y', '/x/y', 'a/../b'],
  numjobs: ['8', 8, '1000000000'],
  iodepth: ['16', 16, '0'],
  ioengine: ['io_uring', 'io_uring', 'mmap'],
  rwmixread: ['70', 70, '101'],
  distribution: ['zipf:1.2', { kind: 'zipf', parameter: 1.2 }, 'zoned:50/5:50/95'],
  norandommap: ['', true, '2'],
  randrepeat: ['0', false, 'yes'],
  randseed: ['0x10', 16, '1.5'],
  fsync: ['32', 32, '-1'],
  fdatasync: ['32', 32, 'x'],
  endFsync: ['1', true, 'x'],
  overwrite: ['1', true, 'x'],
  direct: ['1', true, 'x'],
  invalidate: ['1', true, 'x'],
  fadviseHint: ['0', false, 'x'],
  runtime: ['2m', 120e9, '2weeks'],
  timeBased: ['0', false, 'x'],
  loops: ['5', 5, '0'],
  startDelay: ['500ms', 500e6, '5-10'],
  thinkTime: ['100', 100e3, 'x'],
  thinkBlocks: ['4', 4, '0'],
  rateIops: ['100,50', { read: 100, write: 50 }, '1,2,3'],
  stonewall: ['', true, 'x'],
  thread: ['', true, 'x'],
  groupReporting: ['', true, 'x'],
};

const KEYS = Object.entries(FIO_KEYS) as [keyof FioValues, FioKey<unknown>][];

describe('the keys of a job file', () => {
  it.each(KEYS)(
    'the key for %s is obeyed under each of its names, and a wrong value is refused by name',
    (field, key) => {
      const [text, value, wrong] = CASES[field];
      for (const name of key.names) {
        expect(valuesOf(text === '' ? name : `${name} = ${text}`)[field]).toEqual(value);
        const refused = expect(() => valuesOf(`${name}=${wrong}`));
        refused.toThrow(InputError);
        refused.toThrow(`f:2: ${name}: `);
      }
      expect(valuesOf('')[field]).toEqual(key.otherwise);
    },
  );

  it.each([
    'verify=md5',
    'ioscheduler=noop',
    'bssplit=4k/50',
    'write_lat_log',
    'constructor',
    '__proto__=1',
    'zonemode=zbd',
    'include other.fio',
    'rate=1m',
  ])('a key that is not modelled is refused by its name: %s', (line) => {
    const refused = expect(() => valuesOf(line));
    refused.toThrow(InputError);
    refused.toThrow(`f:2: "${line.split('=')[0]!.trim()}": `);
  });

  it('sizes and times have the units of fio', () => {
    const bytes = (text: string) => valuesOf(`bs=1\nfilesize=${text}`).filesize;
    expect(['1', '1k', '1K', '1kb', '1m', '1g', '1t', '1ki', '1kib', '0x10k'].map(bytes)).toEqual([
      1,
      1024,
      1024,
      1024,
      2 ** 20,
      2 ** 30,
      2 ** 40,
      1000,
      1000,
      16_384,
    ]);
    const ns = (text: string) => valuesOf(`runtime=${text}`).runtime;
    expect(['1', '1s', '1ms', '1msec', '1us', '1usec', '1m', '1h', '1d'].map(ns)).toEqual([
      1e9, 1e9, 1e6, 1e6, 1e3, 1e3, 60e9, 3600e9, 86_400e9,
    ]);
    expect(valuesOf('rwmixwrite=30').rwmixread).toBe(70);
  });
});

describe('the sections of a job file', () => {
  it('a global section applies to the jobs behind it, and a second one adds to it', () => {
    const jobs = parse(
      '; a comment\n[global]\nbs=8k # inline\nsize=1m\n\n[a]\nsize=2m\n[global]\niodepth=4\n[b]\r\nname=c\r\n',
    );
    expect(jobs.map(({ name, line }) => [name, line])).toEqual([
      ['a', 6],
      ['c', 10],
    ]);
    expect(jobs.map(({ values }) => [values.bs.read.least, values.size, values.iodepth])).toEqual([
      [8192, { bytes: 2 << 20 }, 1],
      [8192, { bytes: 1 << 20 }, 4],
    ]);
  });

  it.each([
    ['', 'f: there is no job: expected a section as [name]'],
    ['[global]\nbs=4k\n', 'f: there is no job: expected a section as [name]'],
    ['rw=read\n', 'f:1: "rw=read" stands before the first section'],
    ['[a\n', 'f:1: expected a section as [name], not "[a"'],
    ['[a/b]\n', 'f:1: "a/b" is no name of a job'],
    ['[a]\n[b]\n[a]\n', 'f:3: a second job is called a'],
    ['[a]\nname=global\n', 'f: name: "global" is no name of a job'],
    ['[a]\ntime_based\n', 'f:1: [a] time_based: give a runtime'],
    ['[a]\nsize=4k\nbs=8k\n', 'f:1: [a] bs: a block of 8192 bytes is larger than a file'],
    ['[a]\nsize=8k\nnrfiles=4\n', 'f:1: [a] bs: a block of 4096 bytes is larger than a file'],
    ['[a]\ndirect=1\nbs=1000\n', 'f:1: [a] direct: blocks are multiples of 4096 bytes then'],
    ['[a]\nfilename=x:y\nnrfiles=3\n', 'f:1: [a] nrfiles: 3, but filename has 2'],
    [
      '[a]\nnumjobs=100\niodepth=100\nioengine=libaio\n',
      'f: numjobs and iodepth ask for 10000 processes, more than 1024',
    ],
    ['[a]\nbs=16m\nnumjobs=17\n', 'f: bs: the buffers have more than 268435456 bytes'],
    ['[a]\nnrfiles=1000\nnumjobs=5\n', 'f: nrfiles: more than 4096 files'],
  ])('a file that makes no sense is refused: %j', (text, message) => {
    expect(() => parse(text)).toThrow(new InputError(message.replace('f: name', 'f:2: name')));
  });

  it('bytes that are no text are refused', () => {
    const refused = (bytes: readonly number[]) => expect(() => parseFioJobs(Uint8Array.from(bytes), 'f'));
    refused([0xff, 0xfe, 0x5b, 0, 0x61, 0]).toThrow('f: it is UTF-16: save it as UTF-8');
    refused([0xfe, 0xff, 0, 0x5b]).toThrow('f: it is UTF-16');
    refused([0x5b, 0x61, 0x5d, 10, 0]).toThrow('f:2: it is no text in UTF-8');
    refused([0x5b, 0xc3, 0x28, 0x5d]).toThrow('f:1: it is no text in UTF-8');
    expect(() => parseFioJobs(new Uint8Array((1 << 20) + 1), 'f')).toThrow('f: more than 1048576 bytes');
    // A mark of UTF-8 is none of the first line.
    expect(parseFioJobs(Uint8Array.from([0xef, 0xbb, 0xbf, 0x5b, 0x61, 0x5d]), 'f')).toHaveLength(1);
  });
});

const size = fc.integer({ min: 1, max: 1 << 16 });
const range = fc.tuple(size, size).map(([a, b]) => ({ least: Math.min(a, b), most: Math.max(a, b) }));
const jobValues = fc.record({
  rw: fc.constantFrom(...RW),
  bs: fc.record({ read: range, write: range }),
  size: fc.oneof(fc.record({ percent: fc.integer({ min: 1, max: 100 }) }), fc.constant(undefined)),
  numjobs: fc.integer({ min: 1, max: 3 }),
  rwmixread: fc.integer({ min: 0, max: 100 }),
  distribution: fc.oneof(
    fc.constant({ kind: 'random' as const }),
    fc.record({
      kind: fc.constantFrom('zipf' as const, 'normal' as const),
      parameter: fc.integer({ min: 2, max: 100 }),
    }),
  ),
  filename: fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}$/), { maxLength: 3 }),
  runtime: fc.integer({ min: 0, max: 86_400_000_000 }).map((us) => us * 1000),
  thinkTime: fc.integer({ min: 0, max: 1_000_000 }).map((us) => us * 1000),
  rateIops: fc.record({ read: fc.integer({ min: 0, max: 1e6 }), write: fc.integer({ min: 0, max: 1e6 }) }),
  endFsync: fc.boolean(),
  fadviseHint: fc.boolean(),
  randseed: fc.integer({ min: 0, max: 0xffff_ffff }),
});

property(
  'jobs that are printed parse to the same jobs',
  fc.array(jobValues, { minLength: 1, maxLength: 3 }),
  (drawn) => {
    const otherwise = parse('[j]\n')[0]!.values;
    const jobs = drawn.map((values, n) => ({ name: `job ${n}`, line: 0, values: { ...otherwise, ...values } }));
    const parsed = parse(printFioJobs(jobs));
    expect(parsed.map((job) => ({ ...job, line: 0 }))).toEqual(jobs);
    expect(printFioJobs(parsed)).toBe(printFioJobs(jobs));
  },
);

property('any bytes either parse or are refused in one line', fc.uint8Array({ maxLength: 200 }), (bytes) => {
  try {
    expect(parseFioJobs(bytes, 'f').length).toBeGreaterThan(0);
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).toMatch(/^f:[^\n]+$/);
  }
});

const word = fc.oneof(
  fc.constantFrom(...KEYS.flatMap(([, { names }]) => names), '[a]', '[global]', 'name', 'include', ';', '\0'),
  fc.string({ maxLength: 5 }),
);
property(
  'any lines of keys and values either parse or are refused in one line',
  fc.array(
    fc.tuple(
      word,
      fc.oneof(
        fc.constantFrom('1', '4k', '1%', '1e9', '-1', '', 'zipf:1', '9'.repeat(30)),
        fc.string({ maxLength: 8 }),
      ),
    ),
    { maxLength: 8 },
  ),
  (lines) => {
    const text = `[j]\n${lines.map(([key, value]) => (key.startsWith('[') ? key : `${key}=${value}`)).join('\n')}`;
    try {
      expect(parse(text).length).toBeGreaterThan(0);
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
      expect((error as Error).message).toMatch(/^f:[^\n]+$/);
    }
  },
);
