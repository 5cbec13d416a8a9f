// The laws of importers: operations that are printed in a format are read from it as they were,
// however the bytes are cut. A trace that is written in another format is read from that as it was.
import fc from 'fast-check';
import { expect } from 'vitest';
import {
  CallsWriter,
  FileList,
  FioWriter,
  type FormatName,
  NumbersWriter,
  isAccess,
  OPERATION,
  OperationBatch,
  type OperationName,
  OracleGeneralWriter,
  type TraceWriter,
  type Write,
} from '../../src/trace/index.ts';
import { property } from '../support/property.ts';
import { readBytes, type Read } from './reading.ts';

const SECTOR = 512;
/** Lines of a law, as many as the issue asks for. */
const LAW_LINES = 100_000;
const LINES = 60;
const LAW_RUNS = Math.ceil(LAW_LINES / (LINES / 2));

/** A request to a device, in sectors. */
interface Request {
  readonly us: number;
  readonly isRead: boolean;
  readonly device: number;
  readonly sector: number;
  readonly sectors: number;
}

const requests = fc.array(
  fc.record({
    us: fc.integer({ min: 0, max: 2 ** 40 }),
    isRead: fc.boolean(),
    device: fc.integer({ min: 0, max: 3 }),
    sector: fc.integer({ min: 0, max: 2 ** 42 }),
    sectors: fc.integer({ min: 1, max: 2 ** 16 }),
  }),
  { minLength: 1, maxLength: LINES },
);
const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 });

const rw = (isRead: boolean, read: string, write: string): string => (isRead ? read : write);

/** How each format prints a request, the unit of its times in ns, and the name of its device. */
const PRINTED: readonly (readonly [
  format: FormatName,
  unitNs: number,
  name: (device: number) => string,
  line: (request: Request) => string,
])[] = [
  [
    'msr',
    100,
    (device) => `h.${device}`,
    ({ us, isRead, device, sector, sectors }) =>
      `${128166372003061629n + BigInt(us)},h,${device},${rw(isRead, 'Read', 'Write')},${BigInt(sector) * 512n},${sectors * SECTOR},7`,
  ],
  [
    'alibaba',
    1000,
    String,
    ({ us, isRead, device, sector, sectors }) =>
      `${device},${rw(isRead, 'R', 'W')},${sector * SECTOR},${sectors * SECTOR},${1577808144360767n + BigInt(us)}`,
  ],
  [
    'tencent',
    1e9,
    String,
    ({ us, isRead, device, sector, sectors }) => `${us},${sector},${sectors},${rw(isRead, '0', '1')},${device}`,
  ],
  [
    'spc',
    1e6,
    String,
    ({ us, isRead, device, sector, sectors }) =>
      `${device}, ${sector},${sectors * SECTOR} ,${rw(isRead, 'R', 'w')},${Math.floor(us / 1000)}.${String(us % 1000).padStart(3, '0')},x`,
  ],
  [
    'fiu',
    1,
    (device) => `8,${device}`,
    ({ us, isRead, device, sector, sectors }) =>
      `${us} 4 a ${sector} ${sectors} ${rw(isRead, 'R', 'W')} 8 ${device} 5f`,
  ],
  [
    'blkparse',
    1000,
    (device) => `8,${device}`,
    ({ us, isRead, device, sector, sectors }) =>
      `  8,${device}  1  5  ${Math.floor(us / 1e6)}.${String(us % 1e6).padStart(6, '0')}000  4  Q  ${rw(isRead, 'RA', 'WS')} ${sector} + ${sectors} [a b]`,
  ],
];

/** What comes out of requests that were printed. Times are read to the unit of the format. */
function operationsOf(list: readonly Request[], unitNs: number, name: (device: number) => string): string[] {
  const first = list[0]!.us;
  return list.map(
    ({ us, isRead, device, sector, sectors }) =>
      `${(us - first) * unitNs + 0} 0 ${isRead ? 'read' : 'write'} ${name(device)} ${sector * SECTOR} ${sectors * SECTOR}`,
  );
}

for (const [format, unitNs, name, line] of PRINTED)
  property(
    `requests that are printed as ${format} are read as they were, however their bytes are cut`,
    requests,
    cuts,
    fc.constantFrom('\n', '\r\n'),
    (list, pieces, end) => {
      const bytes = new TextEncoder().encode(list.map((request) => `${line(request)}${end}`).join(''));
      const read = readBytes(bytes, { format, partitionOffset: 0 }, pieces);
      expect(read.operations).toEqual(operationsOf(list, unitNs, name));
      expect(read.summary.problemCount).toBe(0);
    },
    { numRuns: 20, lawRuns: LAW_RUNS },
  );

/** Records of the binary formats, and how they are made. */
property(
  'records of vscsiStats are read as they were, in both versions',
  requests,
  cuts,
  fc.constantFrom(1, 2),
  (list, pieces, version) => {
    const size = version === 1 ? 32 : 40;
    const bytes = new Uint8Array(list.length * size);
    const view = new DataView(bytes.buffer);
    list.forEach(({ us, isRead, sector, sectors }, n) => {
      const at = n * size;
      const [command, ver, length] = version === 1 ? [12, 14, 4] : [0, 2, 8];
      view.setUint16(at + command, isRead ? 0x28 : 0x8a, true);
      view.setUint16(at + ver, version << 8, true);
      view.setUint32(at + length, sectors * SECTOR, true);
      view.setBigUint64(at + 16, BigInt(sector), true);
      view.setBigUint64(at + 24, BigInt(us), true);
    });
    const format = version === 1 ? 'vscsi1' : 'vscsi2';
    const read = readBytes(bytes, { format, partitionOffset: 0 }, pieces);
    expect(read.operations).toEqual(operationsOf(list, 1000, () => 'disk'));
  },
  { numRuns: 20, lawRuns: LAW_RUNS },
);

/** Operations on files, as a batch has them. */
const KINDS: readonly OperationName[] = ['open', 'read', 'write', 'sync', 'truncate', 'create', 'unlink', 'fault'];
/** A fault is on whole pages. */
const ofPages = (one: OneOperation): OneOperation =>
  one.kind === 'fault'
    ? { ...one, offset: one.offset - (one.offset % 4096), length: 4096 * (1 + (one.length % 5)) }
    : one;
const hasRange = (kind: OperationName): boolean => isAccess(OPERATION[kind]);
const oneOperation = fc.record({
  ns: fc.integer({ min: 0, max: 2 ** 50 }),
  thread: fc.integer({ min: 0, max: 3 }),
  kind: fc.constantFrom(...KINDS),
  file: fc.integer({ min: 0, max: 2 }),
  offset: fc.integer({ min: 0, max: 2 ** 45 }),
  length: fc.integer({ min: 1, max: 2 ** 20 }),
});
type OneOperation = typeof oneOperation extends fc.Arbitrary<infer T> ? T : never;
const operations = fc.array(oneOperation.map(ofPages), { minLength: 1, maxLength: LINES });
const FILES = ['a b', '/c, d', 'é'].map((name) => ({ name, isDevice: false, size: undefined }));

/** What a writer makes of these operations. */
function written<W extends TraceWriter>(make: new (write: Write) => W, list: readonly OneOperation[]): [Uint8Array, W] {
  const parts: Uint8Array[] = [];
  const writer = new make((bytes) => parts.push(bytes.slice()));
  for (const file of FILES) writer.file(file);
  const batch = new OperationBatch();
  for (const { ns, thread, kind, file, offset, length } of list) {
    const at = hasRange(kind) || kind === 'truncate' ? offset : 0;
    batch.add(ns, thread, OPERATION[kind], file, at, hasRange(kind) ? length : 0);
  }
  writer.operations(batch);
  writer.end();
  return [Buffer.concat(parts), writer];
}

property(
  'a trace that is written as calls is read with every operation, time and thread',
  operations,
  cuts,
  (list, pieces) => {
    const [bytes, writer] = written(CallsWriter, list);
    const files = new FileList();
    writer.list((part) => files.push(part.slice()));
    files.end();
    const read = readBytes(bytes, { format: 'calls', files: files.files }, pieces);
    // Files that are made anew, and threads, have numbers in the order in which they appear.
    const threads: number[] = [];
    const generations = FILES.map(() => ({ count: 0, isOpen: false }));
    const first = list[0]!.ns;
    const expected = list.flatMap(({ ns, thread, kind, file, offset, length }) => {
      if (!threads.includes(thread)) threads.push(thread);
      const generation = generations[file]!;
      if (kind === 'unlink' && !generation.isOpen) return [];
      if (kind === 'create' || !generation.isOpen) generation.count++;
      generation.isOpen = kind !== 'unlink';
      const name = generation.count === 1 ? FILES[file]!.name : `inode ${file} (${generation.count})`;
      const range = hasRange(kind) ? `${offset} ${length}` : kind === 'truncate' ? `${offset} 0` : '0 0';
      return [`${ns - first} ${threads.indexOf(thread)} ${kind} ${name} ${range}`];
    });
    // What is left out has a thread and a time as well.
    const start = Number(expected[0]?.split(' ')[0] ?? 0);
    const since = expected.map((line) => line.replace(/^-?\d+/, (ns) => String(Number(ns) - start)));
    expect(withoutThreads(read.operations)).toEqual(withoutThreads(since));
  },
  { numRuns: 20, lawRuns: LAW_RUNS },
);

const withoutThreads = (lines: readonly string[]): string[] => lines.map((line) => line.replace(/^(\S+) \d+/, '$1'));

property(
  'reads and writes that are written as a log of fio are read as they were, to the microsecond',
  operations,
  cuts,
  (list, pieces) => {
    fc.pre(pagesOf(list).length > 0);
    const [bytes] = written(FioWriter, list);
    const read = readBytes(bytes, { format: 'fio-v3' }, pieces);
    const shown = ({ operations: all }: Pick<Read, 'operations'>): string[] =>
      all.filter((line) => / (read|write) /.test(line)).map((line) => line.replace(/^-?\d+ \d+ /, ''));
    expect(shown(read)).toEqual(
      list.flatMap(({ kind, file, offset, length }) =>
        hasRange(kind) ? [`${kind === 'write' ? kind : 'read'} ${FILES[file]!.name} ${offset} ${length}`] : [],
      ),
    );
  },
  { numRuns: 20, lawRuns: LAW_RUNS },
);

/** Pages that operations touch, each as FILE PAGE. */
const pagesOf = (list: readonly OneOperation[]): string[] =>
  list.flatMap(({ kind, file, offset, length }) => {
    if (!hasRange(kind)) return [];
    const first = Math.floor(offset / 4096);
    const last = Math.floor((offset + length - 1) / 4096);
    return Array.from({ length: last - first + 1 }, (_, n) => `${file} ${first + n}`);
  });

/** Numbers of things in the order in which they appear: what is left when names are not. */
function renumbered(things: readonly string[]): number[] {
  const numbers = new Map<string, number>();
  return things.map((thing) => {
    if (!numbers.has(thing)) numbers.set(thing, numbers.size);
    return numbers.get(thing)!;
  });
}

const small = operations.map((list) =>
  list.map((one) => ofPages({ ...one, offset: one.offset % (1 << 16), length: 1 + (one.length % 20_000) })),
);

property(
  'pages that are written as numbers or as oracleGeneral are the same pages in the same order',
  small,
  cuts,
  (list, pieces) => {
    const pages = pagesOf(list);
    fc.pre(pages.length > 1);
    const [numbers] = written(NumbersWriter, list);
    const places = readBytes(numbers, { format: 'numbers-pages', partitionOffset: 0 }, pieces).operations;
    expect(renumbered(places.map((line) => line.split(' ')[4]!))).toEqual(renumbered(pages));

    const [records, writer] = written(OracleGeneralWriter, list);
    const size = OracleGeneralWriter.RECORD_BYTES;
    const half = Math.floor(records.length / size / 2) * size;
    // From the last records to the first ones, in two pieces.
    writer.next(records.subarray(half), half / size);
    writer.next(records.subarray(0, half), 0);
    const read = readBytes(records, {}, pieces);
    expect(read.summary.format).toBe('oracleGeneral');
    expect(read.operations.map((line) => Number(line.split(' ')[4]) / 4096)).toEqual(renumbered(pages));
    const view = new DataView(records.buffer, records.byteOffset);
    const next = pages.map((_, n) => Number(view.getBigInt64(n * size + 16, true)));
    expect(next).toEqual(pages.map((page, n) => pages.indexOf(page, n + 1)));
  },
  { numRuns: 20, lawRuns: LAW_RUNS },
);

property(
  'a strace of reads through descriptors, forks and interrupted calls gives each read its file and place',
  fc.array(
    fc.record({
      pid: fc.integer({ min: 1, max: 3 }),
      file: fc.integer({ min: 0, max: 2 }),
      length: fc.integer({ min: 1, max: 5000 }),
      form: fc.constantFrom('whole', 'cut', 'duplicate', 'place'),
    }),
    { minLength: 1, maxLength: LINES },
  ),
  cuts,
  (steps, pieces) => {
    // One process opens all, and has two children, which share its positions.
    const lines = [0, 1, 2].map((file) => `1 1.0 open("/f${file}", O_RDONLY) = ${3 + file}`);
    lines.push('1 2.0 fork() = 2', '1 2.0 vfork() = 3');
    const expected = [0, 1, 2].map((file) => `0 0 open /f${file} 0 0`);
    const positions = [0, 0, 0];
    steps.forEach(({ pid, file, length, form }, n) => {
      const time = `${3 + n}.5`;
      const fd = 3 + file;
      const isPlace = form === 'place';
      if (form === 'whole') lines.push(`${pid} ${time} read(${fd}, "a,(\\"b"..., 9999) = ${length} <0.1>`);
      if (form === 'duplicate')
        lines.push(`${pid} ${time} dup2(${fd}, 9) = 9`, `${pid} ${time} read(9, "", 99) = ${length}`);
      if (isPlace) lines.push(`${pid} ${time} pread64(${fd}, "", 9, ${n}) = ${length}`);
      if (form === 'cut')
        lines.push(`${pid} ${time} read(${fd},  <unfinished ...>`, `${pid} 99.0 <... read resumed>"", 9) = ${length}`);
      expected.push(`${(2 + n) * 1e9 + 5e8} read /f${file} ${isPlace ? n : positions[file]} ${length}`);
      if (!isPlace) positions[file]! += length;
    });
    const read = readBytes(new TextEncoder().encode(lines.join('\n')), {}, pieces);
    expect(read.summary).toMatchObject({ format: 'strace', problemCount: 0 });
    expect(withoutThreads(read.operations).map((line) => line.replace(/^0 open/, '0 0 open'))).toEqual(expected);
  },
  { numRuns: 20, lawRuns: LAW_RUNS },
);
