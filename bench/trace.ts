/**
 * Traces: records a second that are read, of made traces in memory, by processor time. A trace of
 * 20 million records that is read from a pipe shows that memory does not grow with its length.
 */

import { type FormatName, TraceReader } from '../src/trace/index.ts';
import { processorNs, type Row, takeTurns } from './harness.ts';

const BINARY_TARGET = 2e6;
const TEXT_TARGET = 300_000;
const RECORDS = 500_000;
const CHUNK = 256 << 10;
/** Bytes that the reader may keep of a long trace. */
const MEMORY_TARGET = 300e6;
const LONG_RECORDS = 20_000_000;

const SINK = { file: (): void => undefined, operations: (): void => undefined };

/** A line of each format of text, by its number. */
const LINES: Readonly<Partial<Record<FormatName, (n: number) => string>>> = {
  strace: (n) =>
    n % 1000 === 0
      ? `12 ${1000 + n}.000100 openat(AT_FDCWD</srv>, "f${n}", O_RDONLY|O_CLOEXEC) = 3</srv/f${n}> <0.000021>`
      : `12 ${1000 + n}.000100 read(3</srv/f${n - (n % 1000)}>, "\\177ELF\\2\\1\\1\\3\\0\\0\\0\\0"..., 4096) = 4096 <0.000012>`,
  calls: (n) => `${n * 7},12,p,${n % 977},${(n % 50) * 4096},4096,1`,
  web: (n) =>
    `10.0.0.${n % 200} - - [10/Oct/2000:13:${String(10 + (((n / 60) % 50) | 0))}:${String(10 + (n % 50))} -0700] "GET /d${n % 99}/f${n % 997}.gif?q=${n} HTTP/1.0" 200 2326 "-" "Mozilla/5.0 (X11)"`,
  msr: (n) => `${128166372003061629n + BigInt(n * 99)},hm,${n % 3},Read,${((n * 7919) % 99991) * 4096},4096,113`,
  cloudphysics: (n) => `1,${33898 + n},28,4096,${63 + 8 * ((n * 7919) % 99991)}`,
  blkparse: (n) => `  8,0    1  ${n}     ${n}.000012345  1234  Q   R ${8 * ((n * 7919) % 99991)} + 8 [cat]`,
};

/** Records of each binary format. */
const RECORD: Readonly<
  Partial<Record<FormatName, readonly [size: number, fill: (view: DataView, at: number, n: number) => void]>>
> = {
  'raw-u32-pages': [4, (view, at, n) => view.setUint32(at, (n * 7919) % 99991, true)],
  vscsi2: [
    40,
    (view, at, n) => {
      view.setUint16(at, 0x28, true);
      view.setUint16(at + 2, 0x200, true);
      view.setUint32(at + 8, 4096, true);
      view.setUint32(at + 16, 8 * ((n * 7919) % 99991), true);
      view.setUint32(at + 24, n, true);
    },
  ],
  oracleGeneral: [
    24,
    (view, at, n) => {
      view.setUint32(at, n >>> 10, true);
      view.setUint32(at + 4, (n * 7919) % 99991, true);
      view.setUint32(at + 12, 4096, true);
      view.setBigInt64(at + 16, -1n, true);
    },
  ],
};

function read(bytes: Uint8Array, format: FormatName): number {
  const reader = new TraceReader({ format }, SINK);
  for (let at = 0; at < bytes.length; at += CHUNK) reader.push(bytes.subarray(at, at + CHUNK));
  return reader.end().lines;
}

function rowOf(format: FormatName, bytes: Uint8Array, target: number): Row {
  const [figure] = takeTurns(() => {
    let records = 0;
    const ns = processorNs(() => (records = read(bytes, format)));
    return (records / ns) * 1e9;
  });
  return {
    what: `trace records read, ${format}`,
    figure: figure! / 1e6,
    unit: 'M/s of a processor',
    target: `>= ${target / 1e6}`,
    met: figure! >= target,
  };
}

function memoryRow(): Row {
  const [size, fill] = RECORD['raw-u32-pages']!;
  const chunk = new Uint8Array(CHUNK);
  const view = new DataView(chunk.buffer);
  for (let at = 0; at < chunk.length; at += size) fill(view, at, at / size);
  const reader = new TraceReader({ format: 'raw-u32-pages' }, SINK);
  const before = process.memoryUsage();
  let most = 0;
  for (let done = 0; done < LONG_RECORDS; done += CHUNK / size) {
    reader.push(chunk);
    const now = process.memoryUsage();
    most = Math.max(most, now.heapUsed - before.heapUsed + now.arrayBuffers - before.arrayBuffers);
  }
  return {
    what: `memory of a trace of ${reader.end().lines / 1e6} M records`,
    figure: most / 1e6,
    unit: 'MB',
    target: `<= ${MEMORY_TARGET / 1e6}`,
    met: most <= MEMORY_TARGET,
  };
}

export function trace(): Row[] {
  const encoder = new TextEncoder();
  const texts = Object.entries(LINES).map(([format, line]) => {
    const text = Array.from({ length: RECORDS }, (_, n) => line(n)).join('\n');
    return rowOf(format as FormatName, encoder.encode(text), TEXT_TARGET);
  });
  const binaries = Object.entries(RECORD).map(([format, [size, fill]]) => {
    const bytes = new Uint8Array(RECORDS * size);
    const view = new DataView(bytes.buffer);
    for (let n = 0; n < RECORDS; n++) fill(view, n * size, n);
    return rowOf(format as FormatName, bytes, BINARY_TARGET);
  });
  return [...texts, ...binaries, memoryRow()];
}
