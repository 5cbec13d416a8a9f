// What all formats have in common. Some meet headers, cut lines, units, devices, partitions,
// numbers beyond a float, and lines that cannot be understood.
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/base/index.ts';
import { FORMAT_NAMES, type FormatName, type ReadOptions } from '../../src/trace/index.ts';
import { readBytes, readText } from './reading.ts';

function refusal(text: string | Uint8Array, options: ReadOptions = {}): string {
  try {
    if (typeof text === 'string') readText(text, options);
    else readBytes(text, options);
  } catch (error) {
    if (!(error instanceof InputError) || error.message.includes('\n')) throw error;
    return error.message;
  }
  throw new Error('accepted');
}

const msr = (n: number): string => `${128166372003061629n + BigInt(n)},hm,0,Read,${n * 4096},4096,26`;
const lines = (count: number, of: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => of(n)).join('\n');

describe('lines that cannot be understood', () => {
  it('a handful of them, or one in a hundred, are told with their numbers', () => {
    const { summary } = readText(lines(1000, (n) => (n % 120 === 5 ? 'rubbish' : msr(n))));
    expect(summary).toMatchObject({ format: 'msr', lines: 1000, problemCount: 9, operations: 991 });
    expect(summary.problems.slice(0, 2)).toEqual([
      { line: 6, why: 'no time', text: 'rubbish' },
      { line: 126, why: 'no time', text: 'rubbish' },
    ]);
    const few = lines(20, (n) => (n < 5 ? `${n}` : msr(n)));
    expect(readText(few, { format: 'msr' }).summary.problemCount).toBe(5);
  });

  it('more than one in a hundred are refused, and the first of them are named', () => {
    const text = lines(500, (n) => (n % 50 === 7 ? 'rub\u0007bish' : msr(n)));
    expect(refusal(text)).toMatch(/^10 lines of 500 not understood: line 8 \(no time\): rub\\x07bish; line 58 /);
    expect(refusal('rubbish\nrubbish\n', { format: 'msr' })).toMatch(/^1 line of 1 not understood: line 2/);
  });

  it('a long trace is refused before its end', () => {
    const text = lines(100_100, (n) => (n % 50 === 7 ? 'rubbish' : '1'));
    expect(refusal(text, { format: 'numbers-pages' })).toMatch(/^2,001 lines of 100,0\d\d not understood/);
  });

  it('a line of more than a mebibyte is told, and its bytes are not kept', () => {
    const long = new Uint8Array((1 << 20) + 10).fill(0x31);
    const text = (part: string): Uint8Array => new TextEncoder().encode(part);
    const bytes = Buffer.concat([text('1\n'), long, long, text('\n2\n'), long]);
    for (const cuts of [[], [4096], [1 << 20]]) {
      const { summary, operations } = readBytes(bytes, { format: 'numbers-pages' }, cuts);
      expect(operations).toEqual(['- 0 read disk 4096 4096', '- 0 read disk 8192 4096']);
      expect(summary.problems.map(({ line }) => line)).toEqual([2, 4]);
    }
  });

  it.each([
    ['msr', msr(0).replace('4096,26', '99999999999,26'), 'more than 64 GiB at once'],
    ['msr', msr(0).replace('Read,0', 'Read,9007199254740000'), 'a place beyond 2^53'],
    ['msr', msr(0).replace('Read,0', 'Read,-512'), 'no place'],
    ['msr', msr(0).replace('Read', 'Trim'), 'neither Read nor Write'],
    ['spc', '0,1,512,q,0.5', 'neither R nor W'],
    ['tencent', '1,2,3,2,5', 'neither 0 nor 1 for read or write'],
    ['alibaba', '1,R,0,512,', 'no time'],
    ['numbers-pages', '12x', 'no number'],
    ['numbers-bytes', '99999999999999999999', 'no number'],
    ['arc-pages', '1 2 3', 'no number of a request'],
    ['fiu', '0 1 a 5 8 X 6 0 f', 'neither R nor W'],
    ['fio-v3', '5 /a remove', 'no action'],
    ['calls', '5,1,Q,1,2,3,', 'an unknown event'],
    ['boot', '5,1,I,0:2,1,2,99,x', 'no order'],
    ['web', 'a - - [32/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1', 'no time'],
    ['blkparse', '8,0 1 1 0.5 1 Q R + 8', 'no sector'],
    ['ftrace', ' a-1 [0] 1.5: mm_filemap_x: dev 1:2 ino 5 ofs=0', 'an unknown event'],
    ['twitter', '0,k,1,1,1,explode,0', 'an unknown operation'],
    ['cloudphysics', '1,5,2a,512', 'no size'],
  ] as const)('%s: the line %j is not understood: %s', (format, line, why) => {
    const good: Partial<Record<FormatName, string>> = { 'fio-v3': 'fio version 3 iolog\n', web: '1\n' };
    expect(refusal(`${good[format] ?? '\n'}${line}\n`, { format })).toContain(`(${why})`);
  });
});

describe('what a trace of lines may have', () => {
  it('a mark of byte order, CR LF, empty lines, names of columns and a last line without an end change nothing', () => {
    const plain = readText(`${msr(0)}\n${msr(1)}\n`);
    for (const text of [
      `\ufeff${msr(0)}\r\n${msr(1)}\r\n`,
      `${msr(0)}\n\n\n${msr(1)}`,
      `Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime\n${msr(0)}\n${msr(1)}`,
    ]) {
      const read = readText(text);
      expect(read.operations).toEqual(plain.operations);
      expect([read.summary.lines, read.summary.problemCount]).toEqual([2, 0]);
    }
  });

  it('times beyond 2^53 are exact to their unit, and may go back', () => {
    const { operations, summary } = readText([msr(0), msr(1), msr(3), msr(2)].join('\n'));
    expect(operations.map((line) => line.split(' ')[0])).toEqual(['0', '100', '300', '200']);
    expect(summary).toMatchObject({ backwards: 1, spanNs: 300 });
  });

  it('bytes that are zero spoil their line alone', () => {
    const { summary } = readText(lines(300, (n) => (n === 150 ? '\0\0\0' : msr(n))));
    expect(summary).toMatchObject({ format: 'msr', problemCount: 1, operations: 299 });
  });
});

describe('formats that are recognised', () => {
  it.each([
    ['numbers-pages, numbers-sectors, numbers-bytes', '1\n2\n3\n'],
    ['tencent, tencent-bytes', '1,512,1024,0,7\n2,4096,512,1,7\n'],
    ['raw-u32-pages, raw-u32-sectors, raw-u32-bytes', Uint32Array.of(1, 900_000, 3, 800_000, 5, 700_000)],
    [
      'raw-u32-pages, raw-u32-sectors, raw-u32-bytes, raw-u64-pages, raw-u64-sectors, raw-u64-bytes',
      BigUint64Array.of(1n, 900_000n, 3n),
    ],
  ])('where several fit, they are named: %s', (names, content) => {
    const bytes = typeof content === 'string' ? content : new Uint8Array(content.buffer);
    expect(refusal(bytes)).toBe(`its bytes fit several formats: say which it is by --format: ${names}`);
  });

  it('a format that is given is used, in its unit', () => {
    expect(readText('8\n', { format: 'numbers-sectors' }).operations).toEqual(['- 0 read disk 4096 512']);
    expect(readText('8\n', { format: 'numbers-bytes' }).operations).toEqual(['- 0 read disk 8 1']);
    expect(readText('1,512,1024,0,7\n', { format: 'tencent' }).operations).toEqual(['0 0 read 7 262144 524288']);
    expect(readText('1,512,1024,0,7\n', { format: 'tencent-bytes' }).operations).toEqual(['0 0 read 7 512 1024']);
    const raw = new Uint8Array(BigUint64Array.of(2n ** 32n + 5n).buffer);
    expect(readBytes(raw, { format: 'raw-u64-pages' }).operations).toEqual([
      `- 0 read disk ${(2 ** 32 + 5) * 4096} 4096`,
    ]);
  });

  it('what is no trace is refused in a line', () => {
    expect(refusal('')).toBe('it is empty');
    expect(refusal('Lorem ipsum dolor\nsit amet\n')).toMatch(/^it has no format that is known: strace, /);
    expect(refusal(Uint8Array.of(0x42, 0x5a, 0x68, 0x39))).toBe('it is packed by bzip2: unpack it first');
    expect(refusal(Uint8Array.of(0xff, 0xfe, 0x31, 0))).toMatch(/^it is text of UTF-16/);
    expect(refusal('\n\n\n')).toMatch(/^it has no format/);
  });

  it('a trace with records that are cut off is refused for the cut one only when it is one of few', () => {
    const whole = new Uint8Array(Uint32Array.from({ length: 2000 }, (_, n) => n).buffer);
    const { summary } = readBytes(whole.subarray(0, 7998), { format: 'raw-u32-pages' }, [4096]);
    expect(summary).toMatchObject({ lines: 2000, operations: 1999, problemCount: 1 });
    expect(summary.problems[0]).toMatchObject({ line: 2000, why: 'cut off after 2 bytes' });
  });

  it('every format has a name, a title and something that it shows', () => {
    expect(new Set(FORMAT_NAMES).size).toBe(30);
  });
});

describe('devices', () => {
  const requests = (sector: number): string => lines(100, (n) => `0,${sector + 8 * n},4096,r,0.${n}`);

  it('pages are counted from the partition, which whole pages tell, and a user may say', () => {
    const found = readText(requests(63));
    expect(found.summary.partitionOffset).toBe(7);
    expect(found.operations[0]).toBe('0 0 read 0 32768 4096');
    expect(readText(requests(2048)).summary.partitionOffset).toBe(0);
    const given = readText(requests(63), { partitionOffset: 62 });
    expect([given.summary.partitionOffset, given.operations[0]]).toEqual([6, '0 0 read 0 33280 4096']);
  });

  it('the offset is 0 without whole pages, or a majority of them', () => {
    expect(readText('0,7,512,r,0.1\n0,15,512,r,0.2\n').summary.partitionOffset).toBe(0);
    expect(readText('0,7,4096,r,0.1\n0,8,4096,r,0.2\n').summary.partitionOffset).toBe(0);
  });

  it('the offset is that of the first batch, and holds for all that follows', () => {
    const { operations } = readText(lines(10_000, (n) => `0,${7 + 8 * n},4096,w,${n}.0`));
    expect(operations).toHaveLength(10_000);
    expect(operations.every((line) => Number(line.split(' ')[4]) % 4096 === 0)).toBe(true);
  });

  it('one device may be chosen by its name, and one that is not there is refused', () => {
    const text = '0,8,4096,r,0.5\n1,16,4096,r,1.5\n1,24,4096,w,2.5\n';
    const { operations, summary } = readText(text, { device: '1' });
    expect(operations).toEqual(['0 0 read 1 8192 4096', '1000000000 0 write 1 12288 4096']);
    expect(summary.leftOut.get('requests of other devices')).toBe(1);
    expect(refusal(text, { device: '2' })).toBe('no device 2; there are 0, 1');
    expect(refusal('fio version 3 iolog\n1 /a read 0 1\n', { device: '2' })).toMatch(/has no devices to choose/);
  });
});
