/** The formats of traces, by name. */

import { AlibabaParser } from './alibaba.ts';
import { ArcParser } from './arc.ts';
import { BlkparseParser } from './blkparse.ts';
import { BootParser } from './boot.ts';
import { CallsParser } from './calls.ts';
import { CloudPhysicsParser } from './cloudphysics.ts';
import { SECTOR } from './devices.ts';
import { FioParser, isFio } from './fio.ts';
import { FiuParser } from './fiu.ts';
import type { TraceFormat } from './format.ts';
import { FtraceParser } from './ftrace.ts';
import { MsrParser } from './msr.ts';
import { plainNumbers, rawNumbers } from './numbers.ts';
import { oracleGeneral } from './oracle-general.ts';
import { SpcParser } from './spc.ts';
import { StraceParser } from './strace.ts';
import { mayBeBytes, TencentParser } from './tencent.ts';
import { TwitterParser } from './twitter.ts';
import { vscsi } from './vscsi.ts';
import { WebLogParser } from './web-log.ts';

const PAGE = 4096;

/** Each format, by the name that `--format` takes. */
export const FORMATS = {
  strace: { title: 'strace', shows: 'calls', make: (context) => new StraceParser(context) },
  'fio-v2': {
    title: 'log of fio, version 2',
    shows: 'calls',
    make: (context) => new FioParser(context, 2),
    fits: (head: Uint8Array) => isFio(head, 2),
  },
  'fio-v3': {
    title: 'log of fio, version 3',
    shows: 'calls',
    make: (context) => new FioParser(context, 3),
    fits: (head: Uint8Array) => isFio(head, 3),
  },
  calls: { title: 'CSV of calls by inode', shows: 'calls', make: (context) => new CallsParser(context) },
  web: { title: 'log of a web server', shows: 'calls', make: (context) => new WebLogParser(context) },
  ftrace: { title: 'ftrace, mm_filemap_*', shows: 'misses', make: (context) => new FtraceParser(context) },
  boot: { title: 'CSV of pages brought in', shows: 'misses', make: (context) => new BootParser(context) },
  blkparse: { title: 'blkparse', shows: 'requests', make: (context) => new BlkparseParser(context) },
  msr: { title: 'MSR Cambridge', shows: 'requests', make: (context) => new MsrParser(context) },
  cloudphysics: { title: 'CloudPhysics, CSV', shows: 'requests', make: (context) => new CloudPhysicsParser(context) },
  vscsi1: vscsi(1),
  vscsi2: vscsi(2),
  alibaba: { title: 'Alibaba EBS', shows: 'requests', make: (context) => new AlibabaParser(context) },
  tencent: {
    title: 'Tencent CBS, places in sectors',
    shows: 'requests',
    make: (context) => new TencentParser(context, SECTOR),
  },
  'tencent-bytes': {
    title: 'Tencent CBS, places in bytes',
    shows: 'requests',
    make: (context) => new TencentParser(context, 1),
    fits: mayBeBytes,
  },
  spc: { title: 'SPC-1', shows: 'requests', make: (context) => new SpcParser(context) },
  fiu: { title: 'FIU', shows: 'requests', make: (context) => new FiuParser(context) },
  'arc-sectors': {
    title: 'ARC, blocks of 512 bytes',
    shows: 'requests',
    make: (context) => new ArcParser(context, SECTOR),
  },
  'arc-pages': {
    title: 'ARC, blocks of 4096 bytes',
    shows: 'requests',
    make: (context) => new ArcParser(context, PAGE),
  },
  'numbers-pages': plainNumbers('page'),
  'numbers-sectors': plainNumbers('sector'),
  'numbers-bytes': plainNumbers('byte'),
  oracleGeneral,
  twitter: { title: 'Twemcache of Twitter', shows: 'keys', make: (context) => new TwitterParser(context) },
  'raw-u32-pages': rawNumbers('page', 4),
  'raw-u32-sectors': rawNumbers('sector', 4),
  'raw-u32-bytes': rawNumbers('byte', 4),
  'raw-u64-pages': rawNumbers('page', 8),
  'raw-u64-sectors': rawNumbers('sector', 8),
  'raw-u64-bytes': rawNumbers('byte', 8),
} as const satisfies Readonly<Record<string, TraceFormat>>;

export type FormatName = keyof typeof FORMATS;
export const FORMAT_NAMES = Object.keys(FORMATS) as FormatName[];

export const formatOf = (name: FormatName): TraceFormat => FORMATS[name];
