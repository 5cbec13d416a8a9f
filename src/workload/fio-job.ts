/**
 * Job files of fio: the bytes of a file to a plain description of its jobs.
 *
 * A file has sections. `[global]` sets keys of the jobs behind it, each other section is a job. A
 * comment begins with `;` or `#`. A key without `=` is a switch.
 *
 * Contract: a file either parses, or is refused by one InputError that names it, the line and the
 * key. No key is ignored. The parser reads no other file, so `include` is refused. What
 * `printFioJobs` prints parses to the same jobs.
 */

import { InputError } from '../base/input-error.ts';
import { printable } from '../base/printable.ts';
import { decodeText } from '../base/text.ts';
import { FIO_KEYS, fieldOf, PROCESSES_MAX, type FioKey, type FioValues } from './fio-keys.ts';
import { shownText } from './fio-values.ts';

/** One job of a file. */
export interface FioJob {
  readonly name: string;
  /** Line of its section, from 1. */
  readonly line: number;
  readonly values: FioValues;
}

/** Bytes of a job file at most. */
const FILE_MAX = 1 << 20;
/** Jobs of a file at most. */
const JOBS_MAX = 256;
/** Bytes of the buffers of all processes at most. */
const BUFFERS_MAX = 256 << 20;
/** A byte that is not UTF-8 (base/text.ts). */
const NOT_TEXT = /[\udc80-\udcff]/u;

const DEFAULTS = Object.fromEntries(
  Object.entries(FIO_KEYS).map(([field, { otherwise }]) => [field, otherwise]),
) as unknown as FioValues;

/** Why some keys are refused that fio has, besides that they are not modelled. */
const REFUSED: Readonly<Record<string, string>> = {
  include: 'a job file is one file',
  trim: 'trims are not modelled',
  kb_base: 'k is 1024 here',
  zonemode: 'zones are not modelled',
};

/**
 * The jobs of a file, in its order.
 * @param file its name, for messages
 * @throws InputError
 */
export function parseFioJobs(bytes: Uint8Array, file: string): FioJob[] {
  const name = printable(file);
  const refuse = (line: number, reason: string): never => {
    throw new InputError(`${name}:${line}: ${reason}`);
  };
  const jobs: FioJob[] = [];
  let globals: FioValues = DEFAULTS;
  let section: { name: string; readonly line: number; values: FioValues } | undefined;
  const endSection = (): void => {
    if (section === undefined) return;
    if (section.name === 'global') globals = section.values;
    else jobs.push(checked(section, refuse));
  };
  linesOf(bytes, name).forEach((raw, index) => {
    const line = index + 1;
    const text = raw.replace(/[;#].*$/, '').trim();
    if (text === '') return;
    if (text.startsWith('[')) {
      const title = /^\[([^[\]]+)\]$/.exec(text)?.[1];
      if (title === undefined) refuse(line, `expected a section as [name], not ${shownText(text)}`);
      if (!isName(title!)) refuse(line, `${shownText(title!)} is no name of a job`);
      endSection();
      if (jobs.length === JOBS_MAX) refuse(line, `more than ${JOBS_MAX} jobs`);
      // A second [global] adds to the first.
      section = { name: title!, line, values: globals };
      return;
    }
    if (section === undefined) return refuse(line, `${shownText(text)} stands before the first section`);
    const renamed = /^name\s*=\s*(.*)$/.exec(text)?.[1];
    if (renamed !== undefined) {
      if (section.name === 'global' || renamed === 'global' || !isName(renamed))
        refuse(line, `name: ${shownText(renamed)} is no name of a job`);
      section.name = renamed;
      return;
    }
    const set = setKey(section.values, text);
    if (typeof set === 'string') return refuse(line, set);
    section.values = set;
  });
  endSection();
  if (jobs.length === 0) throw new InputError(`${name}: there is no job: expected a section as [name]`);
  checkAll(jobs, name);
  return jobs;
}

/** A name that can be that of a file. */
const isName = (name: string): boolean => /^[^[\]/\0:=;#]{1,100}$/.test(name) && name === name.trim();

function linesOf(bytes: Uint8Array, name: string): string[] {
  if (bytes.length > FILE_MAX) throw new InputError(`${name}: more than ${FILE_MAX} bytes`);
  if (bytes.length >= 2 && (bytes[0]! ^ bytes[1]!) === 1 && bytes[0]! >= 0xfe)
    throw new InputError(`${name}: it is UTF-16: save it as UTF-8`);
  const text = decodeText(bytes).replace(/^\uFEFF/, '');
  const lines = text.split(/\r?\n/);
  const binary = lines.findIndex((line) => NOT_TEXT.test(line) || line.includes('\0'));
  if (binary >= 0) throw new InputError(`${name}:${binary + 1}: it is no text in UTF-8`);
  return lines;
}

/** The values with one key set as a line says, or why the line is refused. */
function setKey(values: FioValues, line: string): FioValues | string {
  const at = line.indexOf('=');
  const name = (at < 0 ? line : line.slice(0, at)).trim();
  const text = at < 0 ? '' : line.slice(at + 1).trim();
  if (name === 'rwmixwrite') {
    const parsed = FIO_KEYS.rwmixread.kind.parse(text);
    return parsed.ok ? { ...values, rwmixread: 100 - parsed.value } : `${name}: ${parsed.reason}`;
  }
  const field = fieldOf(name);
  if (field === undefined) {
    const word = name.split(/\s/)[0]!;
    return `${shownText(name)}: ${Object.hasOwn(REFUSED, word) ? REFUSED[word]! : 'this key is not modelled'}`;
  }
  const parsed = (FIO_KEYS[field] as FioKey<unknown>).kind.parse(text);
  return parsed.ok ? { ...values, [field]: parsed.value } : `${name}: ${parsed.reason}`;
}

/** A job whose keys go together. */
function checked(job: FioJob, refuse: (line: number, reason: string) => never): FioJob {
  const { bs, direct, filename, nrfiles, runtime, timeBased, size, filesize } = job.values;
  const { reads, writes } = directionsOf(job);
  const at = `[${job.name}]`;
  if (timeBased && runtime === 0) refuse(job.line, `${at} time_based: give a runtime`);
  if (filename.length > 0 && nrfiles !== 1 && nrfiles !== filename.length)
    refuse(job.line, `${at} nrfiles: ${nrfiles}, but filename has ${filename.length}`);
  const used = [...(reads ? [bs.read] : []), ...(writes ? [bs.write] : [])];
  if (direct && used.some(({ least, most }) => least % 4096 !== 0 || most % 4096 !== 0))
    refuse(job.line, `${at} direct: blocks are multiples of 4096 bytes then`);
  const each = filesize ?? (size !== undefined && 'bytes' in size ? size.bytes / filesOf(job) : undefined);
  const most = Math.max(...used.map((range) => range.most));
  if (each !== undefined && most > each) refuse(job.line, `${at} bs: a block of ${most} bytes is larger than a file`);
  return job;
}

function checkAll(jobs: readonly FioJob[], name: string): void {
  const processes = jobs.reduce((sum, job) => sum + job.values.numjobs * depthOf(job), 0);
  if (processes > PROCESSES_MAX)
    throw new InputError(`${name}: numjobs and iodepth ask for ${processes} processes, more than ${PROCESSES_MAX}`);
  const buffers = jobs.reduce((sum, job) => sum + job.values.numjobs * depthOf(job) * bufferOf(job), 0);
  if (buffers > BUFFERS_MAX) throw new InputError(`${name}: bs: the buffers have more than ${BUFFERS_MAX} bytes`);
  const files = jobs.reduce((sum, job) => sum + job.values.numjobs * filesOf(job), 0);
  if (files > 4 * PROCESSES_MAX) throw new InputError(`${name}: nrfiles: more than ${4 * PROCESSES_MAX} files`);
  const names = new Set<string>();
  for (const job of jobs) {
    if (names.has(job.name)) throw new InputError(`${name}:${job.line}: a second job is called ${job.name}`);
    names.add(job.name);
  }
}

/** What a job does. */
export function directionsOf({ values: { rw } }: FioJob): { readonly reads: boolean; readonly writes: boolean } {
  return { reads: !rw.endsWith('write'), writes: !rw.endsWith('read') };
}

export const isRandom = ({ values: { rw } }: FioJob): boolean => rw.startsWith('rand');

/** Operations of a clone that are under way at once. */
export const depthOf = ({ values: { ioengine, iodepth } }: FioJob): number => (ioengine.endsWith('sync') ? 1 : iodepth);

/** Files of a clone. */
export const filesOf = ({ values: { filename, nrfiles } }: FioJob): number =>
  filename.length === 0 ? nrfiles : filename.length;

/** Bytes of the largest block. */
export const bufferOf = ({ values: { bs } }: FioJob): number => Math.max(bs.read.most, bs.write.most);

/** The jobs as a file that has every key. */
export function printFioJobs(jobs: readonly FioJob[]): string {
  return jobs.map(({ name, values }) => [`[${name}]`, ...printValues(values), ''].join('\n')).join('\n');
}

function printValues(values: FioValues): string[] {
  return (Object.keys(FIO_KEYS) as (keyof FioValues)[]).flatMap((field) => {
    const { names, kind } = FIO_KEYS[field] as FioKey<unknown>;
    const text = kind.print(values[field]);
    return text === '' ? [] : [`${names[0]}=${text}`];
  });
}
