// The samples of data/traces: each is recognised, and gives exactly these operations.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { FormatName } from '../../src/trace/index.ts';
import { readBytes } from './reading.ts';

const sample = (name: string): Uint8Array => readFileSync(new URL(`../../data/traces/${name}`, import.meta.url));

const SAMPLES: readonly (readonly [file: string, format: FormatName, operations: readonly string[]])[] = [
  [
    'alibaba-block.csv',
    'alibaba',
    ['0 0 write 419 8792731648 16384', '46000 0 read 725 59110326272 360448', '85000 0 read 12 350868463616 8192'],
  ],
  ['blkparse.txt', 'blkparse', ['0 0 read 8,0 63209472 4096', '387655 1 sync 8,0 0 0']],
  [
    'cloudphysics.csv',
    'cloudphysics',
    // Sector + 1: pages begin at sectors of 7 modulo 8.
    [
      '0 0 write disk 21981565952 512',
      '0 0 write disk 21981566464 512',
      '0 0 write disk 21981566976 512',
      '0 0 write disk 20689874944 6656',
      '1000000000 0 write disk 16360722432 6144',
      '1000000000 0 write disk 3193958400 57344',
      '1000000000 0 write disk 3154149376 4096',
      '1000000000 0 write disk 3154141184 4096',
      '2000000000 0 read disk 21811666944 2048',
    ],
  ],
  [
    'fio-v2.iolog',
    'fio-v2',
    [
      '0 0 open /tmp/f 0 0',
      '0 0 write /tmp/f 8192 4096',
      '0 0 read /tmp/f 4096 8192',
      '1000000 0 sync /tmp/f 0 0',
      '1000000 0 sync /tmp/f 0 0',
    ],
  ],
  [
    'fio-v3.iolog',
    'fio-v3',
    [
      '0 0 open Nvme1n1 0 0',
      '6000 0 write Nvme1n1 0 16384',
      '16000 0 write Nvme1n1 0 16384',
      '19000 0 read Nvme1n1 16384 4096',
    ],
  ],
  ['fiu.txt', 'fiu', ['0 0 write 6,0 462983966720 4096', '39064 1 write 6,0 474551640064 4096']],
  // A range of two pages was looked up: the pages that were added for it are no further reads.
  ['ftrace-filemap.txt', 'ftrace', ['0 0 read 253:3 inode 1308464 0 8192']],
  [
    'lirs.txt',
    'numbers-pages',
    [42932745, 42932746, 42932747, 40409911, 31954535, 6238199, 6160447, 6160431, 42600911, 26185655].map(
      (page) => `- 0 read disk ${page * 4096} 4096`,
    ),
  ],
  [
    'msr-cambridge.csv',
    'msr',
    [
      '0 0 write hm.0 7014912 4096',
      '1332052600 0 read hm.0 1074696192 4096',
      '2332052600 0 read hm.1 1074696192 512',
      '3332052600 0 read prn.0 1074696192 1024',
    ],
  ],
  [
    'oracleGeneral.bin',
    'oracleGeneral',
    [
      '0 0 read objects 0 512',
      '1000000000 0 read objects 4096 4096',
      '1000000000 0 read objects 8192 4096',
      '3000000000 0 read objects 12288 4096',
      '3000000000 0 read objects 4096 4096',
    ],
  ],
  [
    'strace.txt',
    'strace',
    [
      '0 0 open /etc/ld.so.cache 0 0',
      '400000 0 open /lib/x86_64-linux-gnu/libc.so.6 0 0',
      '500000 0 read /lib/x86_64-linux-gnu/libc.so.6 0 832',
      '600000 0 read /lib/x86_64-linux-gnu/libc.so.6 64 784',
    ],
  ],
  [
    'tencent-cbs.csv',
    'tencent',
    ['0 0 write 1576 53940228096 299008', '0 0 write 1576 53940527104 4096', '1000000000 0 read 1579 1048576 8192'],
  ],
  ['twitter-twemcache.csv', 'twitter', ['0 0 read objects 0 213', '0 1 read objects 4096 27']],
  [
    'umass-spc.csv',
    'spc',
    [
      '0 0 write 0 155426304 3584',
      '0 0 write 1 28462080 3072',
      '26214000 0 write 0 155429888 3584',
      '34520000 0 read 1 123310080 3072',
    ],
  ],
  ...(['vscsi1', 'vscsi2'] as const).map(
    (format) =>
      [
        `${format}.bin`,
        format,
        [
          '0 0 write disk 21981565952 512',
          '1000000000 0 write disk 3154149376 4096',
          '3000000000 0 read disk 3154153472 4096',
        ],
      ] as const,
  ),
];

it.each(SAMPLES)('the sample %s is recognised as %s, and has exactly its operations', (file, format, operations) => {
  const read = readBytes(sample(file));
  expect([read.summary.format, read.summary.problemCount]).toEqual([format, 0]);
  expect(read.operations).toEqual(operations);
});

it.each(SAMPLES)('the sample %s gives the same operations however its bytes are cut', (file) => {
  const whole = readBytes(sample(file));
  for (const cut of [1, 2, 3, 7, 24, 33]) expect(readBytes(sample(file), {}, [cut])).toEqual(whole);
});

it('the sample arc.lis is refused until its unit is said, and is then read in that unit', () => {
  expect(() => readBytes(sample('arc.lis'))).toThrow(/fit several formats: .*--format: arc-sectors, arc-pages$/);
  expect(readBytes(sample('arc.lis'), { format: 'arc-sectors' }).operations).toEqual([
    '- 0 read disk 0 32768',
    '- 0 read disk 32768 32768',
    '- 0 read disk 163708928 512',
    '- 0 read disk 163709440 1536',
  ]);
  expect(readBytes(sample('arc.lis'), { format: 'arc-pages' }).operations[2]).toBe('- 0 read disk 1309671424 4096');
});
