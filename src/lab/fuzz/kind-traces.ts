/**
 * Traces of every format, damaged. A reader takes the trace, or refuses it in a line: by its
 * format, or because too many of its lines are not understood. Where the bytes are cut into chunks
 * changes nothing, and every operation is one on a file that was told, at a place that exists.
 */

import { InputError } from '../../base/input-error.ts';
import { defineLayout } from '../../base/layout.ts';
import { encodeText } from '../../base/text.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import {
  ALL_FILES,
  type FormatName,
  isAccess,
  OPERATION,
  OPERATIONS,
  type OperationBatch,
  TraceReader,
} from '../../trace/index.ts';
import { drawBytes, editedBytes, type Specimen } from './bytes.ts';
import { type FuzzCase, type Kind, must, refusedFor, TAKEN, type Verdict } from './kind.ts';
import { drawText, editedText, type Tokens } from './text.ts';

const WORDS = [
  ...['', ' ', '\n', '\r\n', '\n\n', ',', '-1', '0', '1', '4096', '4294967295', '9007199254740993', '1e9', '0x10'],
  ...['99999999999999999999999999', '1.5', '1,5', 'NaN', '<unfinished ...>', '<... read resumed>', '"', '\\', ') = 5'],
  ...['<', '>', '(', '[', '{', '*', 'R', 'W', 'read', 'write', 'open', 'AT_FDCWD', '[pid ', '+++ exited with 0 +++'],
  'x'.repeat(5000),
] as const;

/** A few lines of each format of text. */
const TEXTS: Readonly<Partial<Record<FormatName, string>>> = {
  strace: [
    '1 1.000100 openat(AT_FDCWD</r>, "a\\"b", O_RDWR|O_CREAT|O_APPEND|O_CLOEXEC) = 3</r/a> <0.000021>',
    '1 1.000200 fstat(3</r/a>, {st_mode=S_IFREG|0644, st_size=74362, ...}) = 0 <0.000008>',
    '1 1.000300 clone(child_stack=NULL, flags=CLONE_FILES|SIGCHLD, child_tidptr=0x7f) = 2 <0.000008>',
    '2 1.000400 read(3</r/a>,  <unfinished ...>',
    '1 1.000500 dup2(3</r/a>, 7) = 7</r/a> <0.000008>',
    '2 1.000600 <... read resumed> "abc"..., 4096) = 3 <0.000180>',
    '1 1.000700 pwrite64(7</r/a>, "x"..., 784, 64) = 784 <0.000009>',
    '1 1.000800 sendfile(7</r/a>, 3</r/a>, [0] => [100], 100) = 100 <0.000009>',
    '1 1.000900 rename("a", "b") = 0 <0.000009>',
    '1 1.001000 unlinkat(AT_FDCWD</r>, "b", 0) = 0 <0.000009>',
    '2 1.001100 +++ exited with 0 +++',
  ].join('\n'),
  'fio-v2': 'fio version 2 iolog\n/f add\n/f open\n/f write 8192 4096\n/f wait 1000\n/f sync 0 0\n/f close\n',
  'fio-v3': 'fio version 3 iolog\n2 /a b add\n8 /a b open\n9 /a b read 16384 4096\n10 /a b trim 0 5\n11 /a b close\n',
  calls: 't_us,tid,ev,ino,a,b,c\n1,7,N,14,2,0100666,\n2,7,w,14,0,4096,\n3.5,7,M,14,0,15,\n4,7,X,14,0,,\n5,7,S,,,,\n',
  web: [0, 1, 2]
    .map((n) => `h - - [10/Oct/2000:13:55:3${n} -0700] "GET /a%2${n}.gif?q HTTP/1.0" 20${n * 3} 232${n} "-" "x"\n`)
    .join(''),
  ftrace: [
    '            less-901     [005] .....    72.531607: mm_filemap_add_to_page_cache: dev 253:3 ino 13f730 pfn=0x11 ofs=0 order=2',
    '            less-901     [005] .....    72.532039: mm_filemap_get_pages: dev 253:3 ino 13f730 ofs=0 max_ofs=4096\n',
  ].join('\n'),
  boot: '1000555,9,I,0:2,9814,0,0,577b\n1022296,9,I,254:0,12,7,3,57fc\n1022297,9,E,254:0,12,7,3,57fc\n',
  blkparse: [
    '  8,0    1        2     0.000012345  1234  Q   R 123456 + 8 [cat]',
    '  8,0    1        5     0.000025000  1234  D   R 123456 + 8 [cat]',
    '  8,0    1        8     0.000400000   373  Q FWS [kworker/1:1H]',
    '  8,0    1        9     0.000400000   373  Q WS 99 + 16 [a b]]',
    '\nCPU0 (8,0):\n',
  ].join('\n'),
  msr: '128166372003061629,hm,0,Write,7014912,4096,26\n128166372016382155,h,1,Read,1074696192,4096,113\n',
  cloudphysics: 'version,time,op,size,lbn\n1,33898,2a,512,42932745\n1,33899,28,4096,6160447\n2,33899,35,0,0\n',
  alibaba: '419,W,8792731648,16384,1577808144360767\n725,R,59110326272,360448,1577808144360813\n',
  tencent: '1538323199,105352008,584,1,1576\n1538323200,2048,16,0,1579\n',
  'tencent-bytes': '1538323199,1053696,4096,1,1576\n1538323200,2048,512,0,1579\n',
  spc: '0,303567,3584,w,0.000000\n1, 240840, 3072, R, 0.034520, x\n',
  fiu: '0 4892 syslogd 904265560 8 W 6 0 531e77\n39064 2522 kjournald 926858672 8 R 6 0 4fd0\n',
  'arc-pages': '0 64 0 0\n64 64 0 1\n319744 1 0 2\n',
  'numbers-pages': '42932745\n42932746\n*\n26185655\n',
  twitter: '0,q:1,17,213,4,get,0\n0,yD,27,27,5,gets,0\n1,q:1,17,9000,4,set,604800\n',
};

const byName = (count: number, width: number): ReturnType<typeof defineLayout> =>
  defineLayout('record', count * width, [{ name: 'word', width: width as 4, count, meaning: 'a word' }]);

/** Records of each binary format. */
function specimensOf(): (Specimen & { readonly format: FormatName })[] {
  const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer);
  const records = (format: FormatName, size: number, fill: (view: DataView, at: number, n: number) => void) => {
    const bytes = new Uint8Array(12 * size);
    for (let n = 0; n < 12; n++) fill(view(bytes), n * size, n);
    return { format, bytes, structures: [{ layout: byName(size / 4, 4), at: 0, count: 12 }], mayShrink: true as const };
  };
  return [
    records('oracleGeneral', 24, (v, at, n) => {
      v.setUint32(at, 100 + n, true);
      v.setUint32(at + 4, n % 3, true);
      v.setUint32(at + 12, 4096 * (1 + (n % 2)), true);
      v.setUint32(at + 16, n + 3, true);
    }),
    records('vscsi1', 32, (v, at, n) => {
      v.setUint32(at + 4, 4096, true);
      v.setUint16(at + 12, n % 2 === 0 ? 0x28 : 0x2a, true);
      v.setUint16(at + 14, 0x100, true);
      v.setUint32(at + 16, 63 + 8 * n, true);
      v.setUint32(at + 24, n * 1000, true);
    }),
    records('vscsi2', 40, (v, at, n) => {
      v.setUint16(at, n % 2 === 0 ? 0x88 : 0x8a, true);
      v.setUint16(at + 2, 0x200, true);
      v.setUint32(at + 8, 512, true);
      v.setUint32(at + 16, 63 + 8 * n, true);
      v.setUint32(at + 24, n * 1000, true);
    }),
    records('raw-u32-pages', 4, (v, at, n) => v.setUint32(at, 7 * n, true)),
    records('raw-u64-sectors', 8, (v, at, n) => v.setUint32(at, 7 * n, true)),
  ];
}

const tokensOf = (text: string): Tokens => text.split(/(\w+|[^\w]+?)/).filter((token) => token !== '');

/** The kind of traces. Specimens with higher numbers are those of records. */
export function tracesKind(): Kind {
  const names = Object.keys(TEXTS) as FormatName[];
  const texts = names.map((name) => tokensOf(TEXTS[name]!));
  const binaries = specimensOf();
  return {
    name: 'traces',
    cases: 4000,
    reasons: ['not understood', 'no format', 'several formats'],
    draw: (random) => {
      if (random.below(4) > 0) return drawText(random, texts, WORDS);
      const drawn = drawBytes(random, binaries);
      return { ...drawn, specimen: drawn.specimen + texts.length };
    },
    play: (fuzzCase) => {
      const which = fuzzCase.specimen % (texts.length + binaries.length);
      const isText = which < texts.length;
      const place = { ...fuzzCase, specimen: isText ? which : which - texts.length };
      const bytes = isText ? encodeText(editedText(place, texts)) : editedBytes(place, binaries);
      const format = isText ? names[which]! : binaries[which - texts.length]!.format;
      return judge(bytes, format, fuzzCase);
    },
  };
}

/** Reads a trace as the format that it was, and as the one that it is taken for. */
function judge(bytes: Uint8Array, format: FormatName, { edits }: FuzzCase): Verdict {
  // Cuts that depend on the case, so that all places are cut.
  const cut = 1 + ((edits.length * 37 + bytes.length) % 61);
  const given = read(bytes, format, bytes.length);
  const inPieces = read(bytes, format, cut);
  must('cuts change nothing', given === inPieces, () => `${format} in pieces of ${cut} bytes`);
  const recognised = read(bytes, undefined, bytes.length);
  must('cuts change no recognition', recognised === read(bytes, undefined, cut), () => `in pieces of ${cut} bytes`);
  const refusal = /^refused: (.*)$/.exec(given)?.[1] ?? /^refused: (.*)$/.exec(recognised)?.[1];
  if (refusal === undefined) return TAKEN;
  return refusedFor(/not understood|no format|several formats/.exec(refusal)?.[0] ?? refusal);
}

/** All that comes out of a trace, as a text; or why it is refused. */
function read(bytes: Uint8Array, format: FormatName | undefined, cut: number): string {
  const told: string[] = [];
  let files = 0;
  const reader = new TraceReader(
    { format },
    {
      file: ({ name, size }) => {
        told.push(`${files++} ${name} ${size ?? ''}`);
      },
      operations: (batch) => {
        checkBatch(batch, files);
        for (let i = 0; i < batch.count; i++)
          told.push(
            [batch.time[i], batch.thread[i], batch.kind[i], batch.file[i], batch.offset[i], batch.length[i]].join(' '),
          );
      },
    },
  );
  try {
    for (let at = 0; at < bytes.length; at += cut) reader.push(bytes.slice(at, at + cut));
    const summary = reader.end();
    must('a summary counts the operations', summary.files === files, () => `${summary.files} files, ${files} told`);
    return `${summary.format} ${summary.lines} ${summary.problemCount}\n${told.join('\n')}`;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    must('a refusal is one line', !error.message.includes('\n'), () => error.message);
    return `refused: ${error.message}`;
  }
}

function checkBatch({ count, time, kind, file, offset, length }: OperationBatch, files: number): void {
  for (let i = 0; i < count; i++) {
    const isOfAll = file[i] === ALL_FILES && kind[i] === OPERATION.sync;
    must('an operation is on a file that was told', file[i]! < files || isOfAll, () => `file ${file[i]} of ${files}`);
    must('an operation is of a kind', kind[i]! < OPERATIONS.length, () => `kind ${kind[i]}`);
    const end = offset[i]! + length[i]!;
    const isPlace = Number.isSafeInteger(end) && offset[i]! >= 0 && length[i]! >= 0;
    must('an operation has a place that exists', isPlace, () => `${offset[i]} + ${length[i]}`);
    const hasRange = isAccess(kind[i]!);
    const isWhole = offset[i]! % PAGE_SIZE === 0 && length[i]! % PAGE_SIZE === 0;
    must('a fault is on whole pages', kind[i] !== OPERATION.fault || isWhole, () => `${offset[i]} + ${length[i]}`);
    must('a read or write has bytes', !hasRange || length[i]! > 0, () => OPERATIONS[kind[i]!]!);
    must('a time is a number or untold', !(Math.abs(time[i]!) === Infinity), () => `${time[i]}`);
  }
}
