/**
 * `npm run validity [-- --data DIR] [--json] [--write FILE]`: how near the model is to real kernels
 * and drives. A row has a figure of the model beside the real one. A bound, where there is one, is
 * on how far apart they may be. Exit status 1: a row is outside its bound.
 *
 * What is committed is under data/. The recorded traces are read from `--data`. `--write` puts the
 * table into a page, in place of the table that it has.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { drives } from '../drives.ts';
import { KERNELS, type KernelName } from './kernels.ts';
import { accessesOf, bitsOf, replay, rowsOfCsv, type Workload, WORKLOADS } from './oracle.ts';
import { modelCounts, realCounts } from './recorded.ts';
import { modelRecovery, recordedRecovery } from './recovery.ts';

/** Points of a hit ratio, and per cent of the inserted pages, that linux-6 may be off. */
const POINTS = 0.5;
const PERCENT = 5;
/** Per cent of the mean response that a drive's demerit may have. */
const DEMERITS: readonly (readonly [name: string, most: number])[] = [
  ['Barracuda', 7],
  ['Cheetah', 4.5],
];
/** Share of the time to recover that it may be off, or a sample. */
const RECOVERY_SHARE = 0.25;
const SAMPLE = 1;
/** Reads a second of the throttled disks; and connections, whose number was not recorded. */
const THROTTLED = [200, 1000, 5000];
const CONNECTIONS = [10, 30, 100];
const RECORDED = [
  ...['web_nginx_read_4k', 'web_apache_sendfile_4k', 'postmark_4k', 'gitops_4k', 'make_busybox_4k', 'sqlite_query_4k'],
];
/**
 * Traces on which linux-6 has no bound. What 6.18 does otherwise decides there, so that linux-6.18
 * has one.
 */
const NOT_OF_6_1 = ['sqlite_query_4k'];

/** A figure of the model beside the real one. */
export interface ValidityRow {
  readonly what: string;
  /** The model's policy, or the drive. */
  readonly model: string;
  /** In words; undefined where the data are not there. */
  readonly figures?: { readonly ours: string; readonly real: string; readonly difference: string };
  /** In words; undefined: none. */
  readonly bound?: string | undefined;
  readonly isMet: boolean;
}

const percent = (value: number): string => `${value >= 0 ? '+' : ''}${value.toFixed(1)} %`;
const points = (value: number): string => `${value >= 0 ? '+' : ''}${value.toFixed(2)} points`;
const ratio = (value: number): string => `${(100 * value).toFixed(2)} %`;

function inserted(what: string, model: KernelName, ours: number, real: number, isBound: boolean): ValidityRow {
  const difference = 100 * (ours / real - 1);
  const isBounded = isBound;
  return {
    ...{ what, model },
    figures: { ours: String(ours), real: String(real), difference: percent(difference) },
    bound: isBounded ? `${PERCENT} %` : undefined,
    isMet: !isBounded || Math.abs(difference) <= PERCENT,
  };
}

function hits(what: string, model: KernelName, ours: number, real: number, isBound: boolean): ValidityRow {
  const difference = 100 * (ours - real);
  const isBounded = isBound;
  return {
    ...{ what, model },
    figures: { ours: ratio(ours), real: ratio(real), difference: points(difference) },
    bound: isBounded ? `${POINTS} points` : undefined,
    isMet: !isBounded || Math.abs(difference) <= POINTS,
  };
}

const shareOf = (bits: Uint8Array): number => bits.reduce((sum, bit) => sum + bit, 0) / bits.length;

/** The workloads on Linux 6.1, access by access, and on 6.18. */
function oracleRows(folder: string): ValidityRow[] {
  const vm = rowsOfCsv(join(folder, 'vm6.1', 'results.csv'));
  const table = rowsOfCsv(join(folder, 'table.csv'));
  return WORKLOADS.flatMap((workload) => {
    const accesses = accessesOf(workload);
    return KERNELS.flatMap((policy) => [
      ...vm
        .filter((row) => row['workload'] === workload && policy !== 'linux-6.18')
        .flatMap((row) => inVm(folder, workload, accesses, policy, row)),
      ...table.filter((row) => row['workload'] === workload).map((row) => inTable(workload, accesses, policy, row)),
    ]);
  });
}

function inVm(
  folder: string,
  workload: Workload,
  accesses: readonly number[],
  policy: KernelName,
  row: Record<string, string>,
): ValidityRow[] {
  const capacity = Number(row['peak']);
  const ahead = Number(row['ra_kB']) / 4;
  const what = `${workload}, 64 MiB, ${ahead === 0 ? 'no readahead' : 'readahead'}, 6.1`;
  const found = replay(accesses, capacity, policy, ahead);
  if (ahead > 0) return [inserted(`${what}: inserted pages`, policy, found.inserted, Number(row['inserted']), false)];
  const real = bitsOf(folder, workload);
  const same = found.hits.reduce((sum, hit, at) => sum + Number(hit === real[at]), 0) / real.length;
  return [
    hits(`${what}: hit ratio`, policy, shareOf(found.hits), shareOf(real), policy === 'linux-6'),
    {
      ...{ what: `${what}: accesses that do the same`, model: policy, isMet: true },
      figures: { ours: ratio(same), real: ratio(1), difference: points(100 * (same - 1)) },
    },
  ];
}

function inTable(
  workload: Workload,
  accesses: readonly number[],
  policy: KernelName,
  row: Record<string, string>,
): ValidityRow {
  const ahead = Number(row['ra_kB']) / 4;
  const folios = row['folio'] === '4k' ? '' : ', large folios';
  const what = `${workload}, ${row['limit_MB']} MiB, ${ahead === 0 ? 'no readahead' : 'readahead'}, 6.18${folios}`;
  const found = replay(accesses, Number(row['capacity_pages(peak)']), policy, ahead);
  const middle = (name: string): number => (Number(row[`${name}_min`]) + Number(row[`${name}_max`])) / 2;
  if (ahead > 0) return inserted(`${what}: inserted pages`, policy, found.inserted, middle('inserted_pages'), false);
  return hits(`${what}: hit ratio`, policy, shareOf(found.hits), middle('hit_ratio'), false);
}

function recordedRows(folder: string): ValidityRow[] {
  return RECORDED.flatMap((name) => {
    const what = name.replace(/_4k$/, '').replaceAll('_', ' ');
    if (!existsSync(join(folder, `${name}.csv.gz`)))
      return [{ what: `${what}, 6.18: inserted pages`, model: KERNELS.join(', '), isMet: true }];
    const real = realCounts(folder, name);
    return KERNELS.flatMap((policy) => {
      const ours = modelCounts(folder, name, policy);
      const isBound = policy === 'linux-6.18' || (policy === 'linux-6' && !NOT_OF_6_1.includes(name));
      return [
        inserted(`${what}, 6.18: inserted pages`, policy, ours.inserted, real.inserted, isBound),
        hits(`${what}, 6.18: hit ratio of reads`, policy, ours.hitRatio, real.hitRatio, false),
      ];
    });
  });
}

/** A web server with a cold cache and a throttled disk. */
function recoveryRows(folder: string): ValidityRow[] {
  return THROTTLED.flatMap((iops) => {
    const real = recordedRecovery(folder, iops).until90;
    const bound = Math.max(RECOVERY_SHARE * real, SAMPLE);
    return CONNECTIONS.map((connections) => {
      const ours = modelRecovery(folder, iops, connections).until90;
      return {
        what: `nginx, ${iops} reads/s, ${connections} connections: to 90 % of the warm rate`,
        model: 'linux-6',
        figures: { ours: `${ours} s`, real: `${real} s`, difference: `${ours >= real ? '+' : ''}${ours - real} s` },
        bound: `${bound} s`,
        isMet: Math.abs(ours - real) <= bound,
      };
    });
  });
}

function driveRows(): ValidityRow[] {
  return drives()
    .filter(({ what }) => what.startsWith('demerit of'))
    .map(({ what, figure }) => {
      const [, bound] = DEMERITS.find(([name]) => what.includes(name))!;
      return {
        ...{ what, model: 'drive', isMet: figure < bound, bound: `${bound} %` },
        figures: { ours: `${figure.toFixed(2)} %`, real: '0 %', difference: percent(figure) },
      };
    });
}

/** A page with this table in place of its own. */
function withTable(path: string, table: string): string {
  const page = readFileSync(path, 'utf8');
  const old = /^\| what [^]*?\n(?!\|)/m;
  if (!old.test(page)) throw new Error(`--write: ${path} has no table of this kind`);
  return page.replace(old, `${table}\n`);
}

const { values } = parseArgs({
  options: { data: { type: 'string' }, json: { type: 'boolean', default: false }, write: { type: 'string' } },
});
const data = values.data;
const oracle = data === undefined ? 'data/oracle' : join(data, 'oracle');
const rows = [
  ...(existsSync(join(oracle, 'table.csv')) ? oracleRows(oracle) : [{ what: 'oracle', model: '', isMet: true }]),
  ...recordedRows(data === undefined ? 'data' : join(data, 'traces')),
  ...recoveryRows('data/oracle'),
  ...driveRows(),
];
if (values.json) console.log(JSON.stringify(rows, undefined, 2));
else {
  const cells = rows.map(({ what, model, figures, bound, isMet }) => [
    ...[what, model, figures?.ours ?? 'not run: no data', figures?.real ?? '', figures?.difference ?? ''],
    ...[bound ?? '', bound === undefined ? '' : isMet ? 'ok' : 'OUTSIDE'],
  ]);
  const head = ['what', 'model', 'ours', 'real', 'difference', 'bound', ''];
  const widths = head.map((name, at) => Math.max(name.length, ...cells.map((row) => row[at]!.length)));
  const line = (row: readonly string[]): string => `| ${row.map((cell, at) => cell.padEnd(widths[at]!)).join(' | ')} |`;
  const table = [line(head), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n');
  console.log(table);
  if (values.write !== undefined) writeFileSync(values.write, withTable(values.write, table));
}
process.exitCode = rows.every(({ isMet }) => isMet) ? 0 : 1;
