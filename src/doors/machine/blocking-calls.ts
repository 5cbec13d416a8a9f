/**
 * The system calls of a guest as plain functions: each runs the machine until the call has ended.
 *
 * read, pread, write and pwrite of what is cached cost what readNow and its relatives cost: no
 * process is started.
 */

import { isProcess, type Process } from '../../sim/index.ts';
import type { Syscalls } from '../../kernel/index.ts';
import { type Blocking, type FileCalls, fileCalls } from './file-calls.ts';

/** As `Syscalls`, and what would be a process is its result; and `FileCalls` made of them. */
export type BlockingSyscalls = Blocking<Syscalls> & FileCalls;

/** Runs a process of the guest to its end. Throws what it throws. */
export type Runner = <T>(name: string, process: Process<T>) => T;

/** @param check throws when the guest does not run */
export function blockingCalls(sys: Syscalls, check: () => void, run: Runner): BlockingSyscalls {
  const calls: Record<string, unknown> = {};
  for (let of: object = sys; of !== Object.prototype; of = Object.getPrototypeOf(of) as object)
    for (const name of Object.getOwnPropertyNames(of)) {
      const descriptor = Object.getOwnPropertyDescriptor(of, name)!;
      if (name === 'constructor' || name in calls) continue;
      if (typeof descriptor.get === 'function')
        Object.defineProperty(calls, name, { get: () => Reflect.get(sys, name) as unknown, enumerable: true });
      else if (typeof descriptor.value === 'function') calls[name] = blocking(sys, name, check, run);
    }
  const all = Object.assign(calls, fastCalls(sys, check, run)) as unknown as Blocking<Syscalls>;
  return Object.assign(calls, fileCalls(all)) as unknown as BlockingSyscalls;
}

function blocking(sys: Syscalls, name: string, check: () => void, run: Runner): unknown {
  const call = Reflect.get(sys, name) as () => unknown;
  const called = `sys.${name}`;
  return (...args: unknown[]): unknown => {
    check();
    const result: unknown = Reflect.apply(call, sys, args);
    return isProcess(result) ? run(called, result) : result;
  };
}

function fastCalls(
  sys: Syscalls,
  check: () => void,
  run: Runner,
): Pick<BlockingSyscalls, 'read' | 'pread' | 'write' | 'pwrite'> {
  // The time that cached calls have used passes now and then.
  const settled = (done: number): number => {
    if (sys.isDue) run('sys.settle', sys.settle());
    return done;
  };
  return {
    read(fd, dst, offset, length) {
      check();
      const done = sys.readNow(fd, dst, offset, length);
      return done >= 0 ? settled(done) : run('sys.read', sys.readRest(fd, dst, offset, length, done));
    },
    pread(fd, dst, offset, length, position) {
      check();
      const done = sys.preadNow(fd, dst, offset, length, position);
      return done >= 0 ? settled(done) : run('sys.pread', sys.preadRest(fd, dst, offset, length, position, done));
    },
    write(fd, src, offset, length) {
      check();
      const done = sys.writeNow(fd, src, offset, length);
      return done >= 0 ? settled(done) : run('sys.write', sys.writeRest(fd, src, offset, length, done));
    },
    pwrite(fd, src, offset, length, position) {
      check();
      const done = sys.pwriteNow(fd, src, offset, length, position);
      return done >= 0 ? settled(done) : run('sys.pwrite', sys.pwriteRest(fd, src, offset, length, position, done));
    },
  };
}
