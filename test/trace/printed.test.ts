// The law of importers for formats without a choice of devices: what is printed is read as it was.
import fc from 'fast-check';
import { expect } from 'vitest';
import type { FormatName } from '../../src/trace/index.ts';
import { property } from '../support/property.ts';
import { readBytes } from './reading.ts';

const LINES = 60;
const LAW_RUNS = 3400;

interface Step {
  readonly n: number;
  readonly page: number;
  readonly pages: number;
  readonly isRead: boolean;
  readonly file: number;
}

const steps = fc.array(
  fc.record({
    n: fc.integer({ min: 0, max: 2 ** 31 }),
    page: fc.integer({ min: 0, max: 2 ** 32 }),
    pages: fc.integer({ min: 1, max: 2 ** 12 }),
    isRead: fc.boolean(),
    file: fc.integer({ min: 0, max: 3 }),
  }),
  { minLength: 1, maxLength: LINES },
);
const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 });

/** What each format prints for a step, and what is read from it: times are since the first. */
interface Printed {
  readonly format: FormatName;
  readonly head?: string;
  readonly line: (step: Step) => string;
  readonly read: (step: Step, since: number) => readonly string[];
}

const kind = ({ isRead }: Step): string => (isRead ? 'read' : 'write');
const order = ({ pages }: Step): number => pages % 4;

const PRINTED: readonly Printed[] = [
  {
    format: 'cloudphysics',
    head: 'version,time,op,size,lbn\n',
    line: ({ n, isRead, page, pages }) => `1,${n},${isRead ? '28' : '2a'},${pages * 4096},${page * 8}`,
    read: (step, since) => [`${since * 1e9} 0 ${kind(step)} disk ${step.page * 4096} ${step.pages * 4096}`],
  },
  {
    format: 'arc-sectors',
    line: ({ page, pages, n }) => `${page} ${pages} 0 ${n}`,
    read: ({ page, pages }) => [`- 0 read disk ${page * 512} ${pages * 512}`],
  },
  {
    format: 'numbers-bytes',
    line: ({ page }) => ` ${page} `,
    read: ({ page }) => [`- 0 read disk ${page} 1`],
  },
  {
    format: 'fio-v2',
    head: 'fio version 2 iolog\n/a b wait 5\n',
    line: (step) => `/a ${step.file} ${kind(step)} ${step.page} ${step.pages}\n/a b wait 7`,
    // A wait is since the one before, and the first operation is the start.
    read: (step) => [`? 0 ${kind(step)} /a ${step.file} ${step.page} ${step.pages}`],
  },
  {
    format: 'ftrace',
    head: '# tracer: nop\n',
    line: (step) =>
      `  a b-c-7   [001] ....  ${step.n}.000001: mm_filemap_add_to_page_cache: dev 8:${step.file} ino ${step.file.toString(16)}f page=0x1 pfn=2 ofs=${step.page * 4096} order=${order(step)}`,
    read: (step, since) => [
      `${since * 1e9} 0 read 8:${step.file} inode ${step.file * 16 + 15} ${step.page * 4096} ${4096 << order(step)}`,
    ],
  },
  {
    format: 'ftrace',
    line: (step) =>
      `  a-7 [001] .... ${step.n}.000001: mm_filemap_${step.isRead ? 'get_pages' : 'map_pages'}: dev 8:1 ino ${step.file.toString(16)}f ofs=${step.page * 4096} max_ofs=${(step.page + 2) * 4096}`,
    read: (step, since) => [
      `${since * 1e9} 0 ${step.isRead ? 'read' : 'fault'} 8:1 inode ${step.file * 16 + 15} ${step.page * 4096} 12288`,
    ],
  },
  {
    format: 'boot',
    head: 't_us,tid,ev,dev,ino,page,order,pfn\n',
    line: (step) => `${step.n},7,I,254:0,${step.file},${step.page},${order(step)},5f\n${step.n},7,E,254:0,1,1,0,5f`,
    read: (step, since) => [
      `${since * 1000} 0 read 254:0 inode ${step.file} ${step.page * 4096} ${4096 << order(step)}`,
    ],
  },
  {
    format: 'web',
    line: ({ file, pages, isRead }) =>
      `h - u [29/Feb/2024:23:59:59 +0130] "GET /a%20${file}?q=1 HTTP/1.1" ${isRead ? 200 : 304} ${isRead ? pages : '-'} "-" "x \\"y\\""`,
    read: ({ file, pages, isRead }) => [
      `0 0 open /a ${file} 0 0`,
      ...(isRead ? [`0 0 read /a ${file} 0 ${pages}`] : []),
    ],
  },
];

for (const { format, head = '', line, read } of PRINTED)
  property(
    `steps that are printed as ${format} are read as they were, however their bytes are cut`,
    steps,
    cuts,
    (list, pieces) => {
      const bytes = new TextEncoder().encode(`${head}${list.map(line).join('\n')}\n`);
      // By sectors, one request that is whole pages long would tell a partition.
      const options = format === 'arc-sectors' ? { format, partitionOffset: 0 } : { format };
      const { operations, summary } = readBytes(bytes, options, pieces);
      const expected = list.flatMap((step) => read(step, step.n - list[0]!.n));
      const isUntimed = format === 'fio-v2';
      expect(isUntimed ? operations.map((text) => text.replace(/^\d+/, '?')) : operations).toEqual(expected);
      expect(summary.problemCount).toBe(0);
    },
    { numRuns: 20, lawRuns: LAW_RUNS },
  );

property(
  'raw numbers of 32 and 64 bits are read as they were, however their bytes are cut',
  fc.array(fc.nat(2 ** 31), { minLength: 1, maxLength: LINES }),
  fc.boolean(),
  cuts,
  (numbers, isWide, pieces) => {
    const words = isWide ? BigUint64Array.from(numbers, BigInt) : Uint32Array.from(numbers);
    const format = isWide ? 'raw-u64-pages' : 'raw-u32-pages';
    const { operations } = readBytes(new Uint8Array(words.buffer), { format }, pieces);
    expect(operations).toEqual(numbers.map((number) => `- 0 read disk ${number * 4096} 4096`));
  },
  { numRuns: 20, lawRuns: LAW_RUNS },
);

property(
  'objects of a cache have pages of their own, and keep them unless they grow',
  fc.array(fc.record({ key: fc.nat(5), bytes: fc.integer({ min: 1, max: 20_000 }), isGet: fc.boolean() }), {
    minLength: 1,
    maxLength: LINES,
  }),
  cuts,
  (list, pieces) => {
    const text = list.map(({ key, bytes, isGet }, n) => `${n},k:${key},3,${bytes},9,${isGet ? 'get' : 'set'},0`);
    const { operations } = readBytes(new TextEncoder().encode(text.join('\n')), {}, pieces);
    const places = new Map<number, { first: number; pages: number }>();
    let end = 0;
    const expected = list.map(({ key, bytes, isGet }, n) => {
      const pages = Math.ceil(bytes / 4096);
      if (pages > (places.get(key)?.pages ?? 0)) {
        places.set(key, { first: end, pages });
        end += pages;
      }
      return `${n * 1e9} 0 ${isGet ? 'read' : 'write'} objects ${places.get(key)!.first * 4096} ${bytes}`;
    });
    expect(operations).toEqual(expected);
  },
  { numRuns: 20, lawRuns: LAW_RUNS },
);
