// A replay against the same system calls made by hand: one digest.
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../src/base/index.ts';
import { CALL_BYTES, END, READY, replay, type ReplaySource } from '../../src/workload/replay.ts';
import { fillBytes } from '../../src/experiment/predict/contents.ts';
import { TracePaths, traceDisk } from '../../src/experiment/predict/trace-disk.ts';
import type { TraceRecording } from '../../src/experiment/predict/recording.ts';
import { machineMemoryFor } from '../../src/experiment/host/host.ts';
import { Testbed } from '../../src/experiment/host/testbed.ts';
import { MAP, O, PROT, type Syscalls } from '../../src/kernel/index.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import type { Process, Wait } from '../../src/sim/index.ts';
import { ALL_FILES, OPERATION, OPERATIONS } from '../../src/trace/operations.ts';
import { mixedLines, record } from '../experiment/predict/made-traces.ts';

const GUEST = 24 << 20;
const memory = new MachineMemory(machineMemoryFor(GUEST));

/** What a program has done: what each operation returned or failed with, and the whole machine. */
interface Played {
  readonly log: readonly string[];
  readonly digest: string;
}

function play(trace: TraceRecording, program: (sys: Syscalls, log: string[]) => Process): Played {
  const testbed = new Testbed({
    ...{ seed: 1, profile: SERVER_2026, disk: 'disk', image: traceDisk(trace, false).copy(), memory },
    guestMemory: GUEST,
  });
  const log: string[] = [];
  testbed.simulation.runProcess(
    'program',
    (function* (): Process {
      const { domain, kernel } = yield* testbed.start('cachemap=all');
      const task = domain.environment.spawn('program', program(kernel.syscalls, log));
      yield* task.join();
      yield* kernel.shutdown();
    })(),
  );
  return { log, digest: testbed.simulation.digest.hex };
}

const sumOf = (bytes: Uint8Array): number => bytes.reduce((sum, byte, at) => (sum + byte * (at + 1)) % 1_000_003, 0);

/** The trace through `replay`. */
function* replayed(trace: TraceRecording, sys: Syscalls, log: string[]): Process {
  const paths = new TracePaths(trace.files.length);
  const { columns } = trace;
  let at = -1;
  const source: ReplaySource = {
    get kind() {
      return columns.kind[at]!;
    },
    get file() {
      return columns.file[at]!;
    },
    get offset() {
      return columns.offset[at]!;
    },
    get length() {
      return columns.length[at]!;
    },
    take: (): Wait => (++at < columns.count ? READY : END),
    ended: (now, isFailed) => void log.push(`${at} at ${now}${isFailed ? ' failed' : ''}`),
  };
  yield* replay({
    ...{ sys, source, kinds: OPERATION, allFiles: ALL_FILES, buffer: new Uint8Array(CALL_BYTES) },
    pathOf: (file) => paths.pathOf(file),
    incarnationOf: () => 0,
    onWait: () => undefined,
    onRead: (_file, position, _length, bytes, buffer) =>
      void log.push(`${position}: ${bytes} bytes, ${sumOf(buffer.subarray(0, bytes))}`),
    onWrite: (file, position, length, buffer) => fillBytes(file, 1, position, buffer, 0, length),
    onCut: () => undefined,
    onEmpty: () => undefined,
  });
}

/** The same by hand, as the manual of replay.ts has it. */
function* byHand(trace: TraceRecording, sys: Syscalls, log: string[]): Process {
  const paths = new TracePaths(trace.files.length);
  const { kind, file, offset, length, count } = trace.columns;
  const open = new Map<number, number>();
  const opened = function* (number: number, flags: number): Process<number> {
    const old = open.get(number);
    open.delete(number);
    if (old !== undefined) yield* sys.close(old);
    const fd = yield* sys.open(paths.pathOf(number), flags);
    open.set(number, fd);
    return fd;
  };
  const fdOf = function* (number: number, make: boolean): Process<number> {
    const fd = open.get(number);
    if (fd !== undefined) return fd;
    try {
      return yield* opened(number, O.rdwr);
    } catch (error) {
      if (!make || !(error instanceof ModelError && error.code === 'ENOENT')) throw error;
      return yield* opened(number, O.rdwr | O.creat);
    }
  };
  for (let n = 0; n < count; n++) {
    const [number, position, bytes] = [file[n]!, offset[n]!, length[n]!];
    let failed = '';
    try {
      const what = OPERATIONS[kind[n]!]!;
      if (what === 'read') {
        const buffer = new Uint8Array(bytes);
        const got = yield* sys.pread(yield* fdOf(number, false), buffer, 0, bytes, position);
        log.push(`${position}: ${got} bytes, ${sumOf(buffer.subarray(0, got))}`);
      } else if (what === 'fault') {
        const buffer = new Uint8Array(bytes);
        const fd = yield* fdOf(number, false);
        const address = sys.mmap(bytes, PROT.read, MAP.private, fd, position);
        const got = Math.max(0, Math.min(bytes, sys.fstat(fd).size - position));
        if (got > 0) yield* sys.load(address, buffer, 0, got);
        log.push(`${position}: ${got} bytes, ${sumOf(buffer.subarray(0, got))}`);
        yield* sys.munmap(address, bytes);
      } else if (what === 'write') {
        const buffer = new Uint8Array(bytes);
        const fd = yield* fdOf(number, true);
        fillBytes(number, 1, position, buffer, 0, bytes);
        yield* sys.pwrite(fd, buffer, 0, bytes, position);
        if (sys.isDue) yield* sys.settle();
      } else if (what === 'truncate') yield* sys.ftruncate(yield* fdOf(number, true), position);
      else if (what === 'sync') yield* number === ALL_FILES ? sys.sync() : sys.fsync(yield* fdOf(number, false));
      else if (what === 'unlink') yield* sys.unlink(paths.pathOf(number));
      else yield* opened(number, what === 'create' ? O.rdwr | O.creat | O.trunc : O.rdwr);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      failed = ' failed';
    }
    log.push(`${n} at ${sys.now()}${failed}`);
    if (sys.isDue) yield* sys.settle();
  }
  for (const fd of open.values()) yield* sys.close(fd);
  yield* sys.settle();
}

describe('a replay', () => {
  it.each([1, 2, 3])('a replay equals the same calls made by hand, seed %i', (seed) => {
    const trace = record(mixedLines(seed, 250, 1, 9));
    const [replay, hand] = [replayed, byHand].map((program) => play(trace, (sys, log) => program(trace, sys, log)));
    expect(replay!.log.filter((line) => line.endsWith('failed')).length).toBeLessThan(80);
    expect(hand).toEqual(replay);
  });

  it('a thread with more files than it may have open closes the one that it opened first', () => {
    const lines = Array.from({ length: 200 }, (_, n) => [n, 0, 'read', n % 100, 0, 5000] as const);
    const trace = record(lines);
    const { log } = play(trace, (sys, said) => replayed(trace, sys, said));
    expect(log.filter((line) => line.includes('5000 bytes'))).toHaveLength(200);
    expect(log.filter((line) => line.endsWith('failed'))).toEqual([]);
  });

  it('a read longer than a call is split', () => {
    const trace = record([
      [0, 0, 'read', 0, 100, 300_000],
      [0, 0, 'write', 0, 0, 300_000],
    ]);
    const { log } = play(trace, (sys, said) => replayed(trace, sys, said));
    expect(log.map((line) => line.replace(/, .*| at .*/, ''))).toEqual([
      '100: 131072 bytes',
      '131172: 131072 bytes',
      '262244: 37856 bytes',
      '0',
      '1',
    ]);
  });
});
