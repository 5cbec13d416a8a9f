/**
 * Traces in other formats: operations in, bytes out. What a format cannot hold is counted by what
 * it is.
 */

import { encodeText } from '../base/text.ts';
import { printable } from '../base/printable.ts';
import { CALLS_HEADER } from './calls.ts';
import { LIST_HEADER } from './file-list.ts';
import { Ids } from './objects.ts';
import {
  ALL_FILES,
  isAccess,
  isReading,
  OPERATION,
  OPERATIONS,
  type OperationBatch,
  type OperationSink,
  type TraceFile,
} from './operations.ts';
import { ORACLE_GENERAL } from './oracle-general.ts';
import { PageSet } from './page-set.ts';

const PAGE = 4096;
const US_NS = 1000;
const SECOND_NS = 1e9;
const HALF = 2 ** 32;
/** Text that is handed over at a time, characters. */
const TEXT = 1 << 18;
/** Pages of all files but the first have numbers from here on. */
const OTHER_FILES = 2 ** 40;

/** Takes bytes of the output, in their order. The bytes are valid during the call only. */
export type Write = (bytes: Uint8Array) => void;

export const TARGETS = ['calls', 'fio-v3', 'oracleGeneral', 'numbers-pages'] as const;
export type Target = (typeof TARGETS)[number];

/** Writes a trace. */
export abstract class TraceWriter implements OperationSink {
  /** What the format does not hold, with how often it was met. */
  readonly lost = new Map<string, number>();
  protected readonly files: TraceFile[] = [];
  #text = '';
  protected readonly write: Write;

  constructor(write: Write) {
    this.write = write;
  }

  file(file: TraceFile): void {
    this.files.push(file);
  }

  operations(batch: OperationBatch): void {
    for (let i = 0; i < batch.count; i++) this.operation(batch, i);
  }

  /** Writes what is left. */
  end(): void {
    this.write(encodeText(this.#text));
    this.#text = '';
  }

  protected abstract operation(batch: OperationBatch, i: number): void;

  protected text(text: string): void {
    this.#text += text;
    if (this.#text.length < TEXT) return;
    this.write(encodeText(this.#text));
    this.#text = '';
  }

  protected lose(what: string): void {
    this.lost.set(what, (this.lost.get(what) ?? 0) + 1);
  }

  /** A name that fits on a line. */
  protected nameOf(name: string): string {
    const shown = /[\p{Cc}]/u.test(name) ? printable(name) : name;
    if (shown !== name) this.lose('control characters in names');
    return shown;
  }
}

/** Events of the format `calls`, by kind of operation. */
const EVENTS: Readonly<Record<string, string>> = {
  open: 'O',
  read: 'p',
  write: 'w',
  sync: 'S',
  truncate: 't',
  unlink: 'X',
  create: 'N',
  fault: 'M',
};

/** CSV of calls. The list of its files is another file. */
export class CallsWriter extends TraceWriter {
  constructor(write: Write) {
    super(write);
    this.text(`${CALLS_HEADER}\n`);
  }

  protected operation({ time, thread, kind, file, offset, length }: OperationBatch, i: number): void {
    const name = OPERATIONS[kind[i]!]!;
    const ino = file[i] === ALL_FILES ? '' : file[i]!;
    const range =
      name === 'read' || name === 'write'
        ? `${offset[i]},${length[i]}`
        : name === 'fault'
          ? `${offset[i]! / PAGE},${(offset[i]! + length[i]!) / PAGE - 1}`
          : name === 'truncate'
            ? `${offset[i]},`
            : name === 'create'
              ? '0,0100644'
              : name === 'unlink'
                ? '0,'
                : ',';
    this.text(`${micros(time[i]!)},${thread[i]},${EVENTS[name]},${ino},${range},\n`);
  }

  /** The list of the files. */
  list(write: Write): void {
    let text = `${LIST_HEADER}\n`;
    this.files.forEach(({ name, isDevice, size }, ino) => {
      if (isDevice) this.lose('that files are devices');
      text += `${ino},${size ?? ''},${this.nameOf(name)}\n`;
      if (text.length < TEXT) return;
      write(encodeText(text));
      text = '';
    });
    write(encodeText(text));
  }
}

/** A time in µs with all of its digits; nothing for one that is not told. */
function micros(ns: number): string {
  if (Number.isNaN(ns)) return '';
  const rest = Math.abs(ns) % US_NS;
  const whole = Math.trunc(ns / US_NS);
  return rest === 0 ? String(whole) : `${whole}.${String(rest).padStart(3, '0')}`;
}

/** A log of fio, version 3. */
export class FioWriter extends TraceWriter {
  readonly #isOpen: boolean[] = [];

  constructor(write: Write) {
    super(write);
    this.text('fio version 3 iolog\n');
  }

  protected operation({ time, thread, kind, file, offset, length }: OperationBatch, i: number): void {
    const of = kind[i]!;
    const number = file[i]!;
    if (of === OPERATION.truncate || of === OPERATION.unlink || number === ALL_FILES) {
      this.lose(number === ALL_FILES ? 'syncs of all files' : `operations ${OPERATIONS[of]!}`);
      return;
    }
    const ns = time[i]!;
    if (Number.isNaN(ns)) this.lose('that times are not told: they are 0');
    else if (ns % US_NS !== 0) this.lose('times below a microsecond');
    if (thread[i]! > 0) this.lose('threads');
    const us = Number.isNaN(ns) ? 0 : Math.max(0, Math.floor(ns / US_NS));
    const name = this.nameOf(this.files[number]!.name);
    if (this.#isOpen[number] !== true) {
      this.text(`${us} ${name} add\n${us} ${name} open\n`);
      this.#isOpen[number] = true;
      if (of === OPERATION.open || of === OPERATION.create) return;
    } else if (of === OPERATION.open || of === OPERATION.create) {
      this.text(`${us} ${name} open\n`);
      return;
    }
    if (of === OPERATION.fault) this.lose('that reads are faults');
    const action = isReading(of) ? 'read' : of === OPERATION.write ? 'write' : 'sync';
    this.text(`${us} ${name} ${action} ${offset[i]} ${length[i]}\n`);
  }
}

/** Formats that have pages and no files: those of the first file have their own numbers. */
abstract class PageWriter extends TraceWriter {
  readonly #others = new PageSet();

  protected operation(batch: OperationBatch, i: number): void {
    const { kind, file, offset, length } = batch;
    const of = kind[i]!;
    if (!isAccess(of)) {
      this.lose(`operations ${OPERATIONS[of]!}`);
      return;
    }
    if (of === OPERATION.write) this.lose('that writes are writes');
    const number = file[i]!;
    if (number > 0) this.lose('which file a page is of');
    const last = Math.floor((offset[i]! + length[i]! - 1) / PAGE);
    for (let page = Math.floor(offset[i]! / PAGE); page <= last; page++)
      this.page(batch.time[i]!, number === 0 ? page : OTHER_FILES + this.#others.number(number, page));
  }

  protected abstract page(time: number, page: number): void;
}

/** Numbers of pages, one a line. */
export class NumbersWriter extends PageWriter {
  protected page(time: number, page: number): void {
    if (!Number.isNaN(time)) this.lose('times');
    this.text(`${page}\n`);
  }
}

/**
 * oracleGeneral. A record has the number of the next request, so it is complete only after `next`
 * has gone over all of them backwards.
 */
export class OracleGeneralWriter extends PageWriter {
  static readonly RECORD_BYTES = ORACLE_GENERAL.size;
  readonly #record = new Uint8Array(ORACLE_GENERAL.size);
  readonly #view = new DataView(this.#record.buffer);
  readonly #ids = new Ids();
  /** By number of the id: the request that comes next. */
  #next = new Float64Array(1024).fill(-1);

  protected page(time: number, page: number): void {
    if (Number.isNaN(time)) this.lose('that times are not told: they are 0');
    else if (time % SECOND_NS !== 0) this.lose('times below a second');
    const view = this.#view;
    view.setUint32(ORACLE_GENERAL.time, Number.isNaN(time) ? 0 : Math.max(0, Math.floor(time / SECOND_NS)), true);
    view.setUint32(ORACLE_GENERAL.id, page % HALF, true);
    view.setUint32(ORACLE_GENERAL.id + 4, Math.floor(page / HALF), true);
    view.setUint32(ORACLE_GENERAL.bytes, PAGE, true);
    view.setInt32(ORACLE_GENERAL.next, -1, true);
    view.setInt32(ORACLE_GENERAL.next + 4, -1, true);
    this.write(this.#record);
  }

  /**
   * Fills in the next request of whole records that lie one behind the other.
   * @param first number of the first of them; calls come from the last records to the first ones
   */
  next(bytes: Uint8Array, first: number): void {
    const { size, id, next } = ORACLE_GENERAL;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let n = bytes.length / size - 1; n >= 0; n--) {
      const at = n * size;
      const object = this.#ids.number(view.getUint32(at + id + 4, true), view.getUint32(at + id, true));
      if (object >= this.#next.length) {
        const larger = new Float64Array(2 * this.#next.length).fill(-1);
        larger.set(this.#next);
        this.#next = larger;
      }
      view.setBigInt64(at + next, BigInt(this.#next[object]!), true);
      this.#next[object] = first + n;
    }
  }
}
