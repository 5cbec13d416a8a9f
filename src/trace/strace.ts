/**
 * strace, best with `-f -ttt -T -y`: calls of processes on files. Descriptors are followed through
 * dup, fork and exec, and paths through rename and link. A call that another process interrupts is
 * put together, and has the time of its begin.
 *
 * A trace does not tell which pages of a mapped file are read: mappings are counted. Nor does it
 * tell the position in a file that was opened before the trace began: it is 0.
 */

import { Clock } from './clock.ts';
import type { Cursor } from './cursor.ts';
import type { Context, LineParser } from './format.ts';
import { Names } from './names.ts';
import { Caller } from './strace-caller.ts';
import { CALLS, sharesDirectory, sharesFiles } from './strace-calls.ts';
import { Process } from './strace-files.ts';
import type { StraceLine } from './strace-line.ts';

const CLONES: readonly string[] = ['clone', 'clone3', 'fork', 'vfork'];

/** A call that is not over. */
interface Unfinished {
  readonly text: Uint8Array;
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Its number among the calls, in the order in which they began. */
  readonly number: number;
  readonly isClone: boolean;
}

export class StraceParser implements LineParser {
  readonly #context: Context;
  readonly #clock = new Clock(1);
  readonly #caller: Caller;
  readonly #line: StraceLine;
  readonly #unfinished = new Map<number, Unfinished>();
  readonly #names = new Names();
  /** By number of the name. */
  readonly #calls = Object.values(CALLS);
  #count = 0;

  constructor(context: Context) {
    this.#context = context;
    this.#caller = new Caller(context);
    this.#line = this.#caller.line;
    for (const name of Object.keys(CALLS)) {
      const bytes = new TextEncoder().encode(name);
      this.#names.add(bytes, 0, bytes.length);
    }
  }

  line(cursor: Cursor): string | undefined {
    const line = this.#line;
    const { tally } = this.#context;
    const { end } = cursor;
    const kind = line.begin(cursor);
    const { bytes, pid } = line;
    switch (kind) {
      case undefined:
        return 'no call';
      case 'other':
        tally.leaveOut('signals and notes');
        return undefined;
      case 'exit':
        this.#caller.processes.delete(pid);
        this.#unfinished.delete(pid);
        tally.leaveOut('signals and notes');
        return undefined;
      case 'detached':
        tally.leaveOut('calls that were cut off');
        return undefined;
      case 'unfinished':
        this.#keep(bytes.slice(line.name, line.cut));
        return undefined;
      case 'resumed':
        return this.#resume(bytes.subarray(line.cut, end));
      case 'call':
        if (!line.call(bytes, line.name, end)) return 'no arguments, or no result';
        return this.#call();
    }
  }

  end(): void {
    if (this.#unfinished.size > 0) this.#context.tally.leaveOut('calls that were cut off', this.#unfinished.size);
  }

  #keep(text: Uint8Array): void {
    const { pid, seconds, nanoseconds, bytes, name, nameEnd } = this.#line;
    const isClone = CLONES.includes(String.fromCharCode(...bytes.subarray(name, nameEnd)));
    if (this.#unfinished.has(pid)) this.#context.tally.leaveOut('calls that were cut off');
    this.#unfinished.set(pid, { text, seconds, nanoseconds, number: this.#count++, isClone });
  }

  #resume(rest: Uint8Array): string | undefined {
    const line = this.#line;
    const begun = this.#unfinished.get(line.pid);
    if (begun === undefined) {
      this.#context.tally.leaveOut('calls that were cut off');
      return undefined;
    }
    this.#unfinished.delete(line.pid);
    const whole = new Uint8Array(begun.text.length + rest.length);
    whole.set(begun.text);
    whole.set(rest, begun.text.length);
    line.seconds = begun.seconds;
    line.nanoseconds = begun.nanoseconds;
    if (!line.call(whole, 0, whole.length)) return 'no arguments, or no result';
    return this.#call();
  }

  #call(): string | undefined {
    const line = this.#line;
    const { emitter, tally } = this.#context;
    const number = this.#names.find(line.bytes, line.name, line.nameEnd);
    if (number < 0) {
      tally.leaveOut('calls that touch no file');
      return undefined;
    }
    if (!(line.result >= 0)) {
      tally.leaveOut('calls that failed');
      return undefined;
    }
    const caller = this.#caller;
    caller.process = this.#process(line.pid);
    caller.time = Number.NaN;
    if (!Number.isNaN(line.seconds)) caller.time = this.#clock.since(line.seconds, line.nanoseconds);
    caller.hasTold = false;
    const before = emitter.operations;
    const why = this.#calls[number]!(caller);
    if (why === undefined && emitter.operations === before && !caller.hasTold)
      tally.leaveOut('calls that only change descriptors and paths');
    return why;
  }

  /** The process of a line; one that is not known is the child of a clone that is not over. */
  #process(pid: number): Process {
    const { processes } = this.#caller;
    const known = processes.get(pid);
    if (known !== undefined) return known;
    let parent: readonly [pid: number, call: Unfinished] | undefined;
    for (const [id, call] of this.#unfinished)
      if (call.isClone && id !== pid && (parent === undefined || call.number < parent[1].number)) parent = [id, call];
    const process =
      parent === undefined
        ? new Process()
        : this.#process(parent[0]).child(sharesFiles(parent[1].text), sharesDirectory(parent[1].text));
    processes.set(pid, process);
    return process;
  }
}
