/**
 * One strategy on one machine. A guest carries out a trace, is rebooted in the middle of it, and
 * the next guest carries out the rest.
 *
 * Every byte that a read returns is compared with what the trace has written there (contents.ts).
 * Every page that is taken over is compared with the disk.
 */

import { Ns, PAGE_SIZE } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { Syscalls } from '../../kernel/index.ts';
import type { Process } from '../../sim/index.ts';
import { ALL_FILES, isReading, OPERATION } from '../../trace/operations.ts';
import { prefetchFiles, prefetchList } from '../../workload/prefetch.ts';
import { CALL_BYTES, replay } from '../../workload/replay.ts';
import { verifiedInit } from '../guest/boot-reader.ts';
import type { DiskSource } from '../guest/disk-source.ts';
import type { RunListener } from '../guest/runs.ts';
import { domain0CacheOf } from '../host/backend.ts';
import { profileOf } from '../host/profiles.ts';
import { cmdLineOf, STRATEGY, type StrategyName } from '../host/strategies.ts';
import { Testbed, type Guest } from '../host/testbed.ts';
import { OracleExt2 } from '../judge/oracle-ext2.ts';
import { meanBeginOf, recoveryOfRequests } from '../judge/recovery.ts';
import { Verifier, VerifierRecord } from '../judge/verifier.ts';
import { TraceContents } from './contents.ts';
import { ThreadSource, TraceLoad, type StartThread } from './load.ts';
import { NamedPages } from './named-pages.ts';
import { rebootOperation, type PredictOptions } from './options.ts';
import type { PredictPages, PredictService, PredictStrategy } from './result.ts';
import { TracePaths } from './trace-disk.ts';
import { hitRatio, hitsRecoveredAt, pagesOf, partsOf, windowFor, windowsOf } from './windows.ts';

export interface PredictRunInput {
  readonly options: PredictOptions;
  readonly disk: DiskSource;
  /** Its contents are lost. */
  readonly memory: MachineMemory;
}

/** What a run gives: the result, and of each file the pages read and missing after the reboot. */
export interface PredictRunResult {
  readonly result: Omit<PredictStrategy, 'verified'>;
  readonly readOfFile: Float64Array;
  readonly missedOfFile: Float64Array;
}

/** A read that waits: pages of a file from `first` on, of which so many are missing so far. */
interface WaitingRead {
  readonly ino: number;
  readonly first: number;
  readonly end: number;
  missing: number;
}

/** Events between two reports of progress. */
const PROGRESS_NS = Ns(1e9);

export class PredictRun {
  readonly found = new VerifierRecord();
  readonly #input: PredictRunInput;
  readonly #name: StrategyName;
  readonly #onProgress: RunListener;
  readonly #testbed: Testbed;
  readonly #verifier: Verifier;
  readonly #named: NamedPages;
  readonly #contents: TraceContents;
  readonly #paths: TracePaths;
  /** How often the name of each file has come to mean another file. */
  readonly #incarnations: Uint32Array;
  readonly #waiting = new Set<WaitingRead>();
  /** Buffers of threads that have ended. */
  readonly #buffers: Uint8Array[] = [];

  constructor(input: PredictRunInput, name: StrategyName, onProgress: RunListener) {
    this.#input = input;
    this.#name = name;
    this.#onProgress = onProgress;
    const { options, disk, memory } = input;
    const { files } = options.trace;
    this.#contents = new TraceContents(files);
    this.#paths = new TracePaths(files.length);
    this.#incarnations = new Uint32Array(files.length);
    this.#named = new NamedPages(memory.frameCount);
    this.#testbed = new Testbed({
      seed: options.seed,
      profile: profileOf(options),
      domain0Cache: domain0CacheOf(options, profileOf(options), options.memory),
      arch: options.arch,
      disk: options.disk,
      diskLimit: options.diskLimit,
      image: disk.copy(),
      memory,
      guestMemory: options.memory,
      observer: this.#named,
      init: verifiedInit(disk, () => this.#verifier),
      onReuse: (domain, pfn, ino, index, block) => {
        this.#verifier.reused(ino, index, pfn, block, memory.frame(domain.frameOf(pfn)));
        for (const read of this.#waiting)
          if (read.ino === ino && index >= read.first && index < read.end) read.missing--;
      },
    });
    this.#verifier = new Verifier(new OracleExt2(this.#testbed.contents), this.found);
  }

  get digest(): string {
    return this.#testbed.simulation.digest.hex;
  }

  result(): PredictRunResult {
    return this.#testbed.simulation.runProcess(this.#name, this.#main());
  }

  *#main(): Process<PredictRunResult> {
    const { trace, pace, speed, rebootAt } = this.#input.options;
    const { simulation } = this.#testbed;
    const { preserve, writeDirty, prefetch } = STRATEGY[this.#name];
    const cmdLine = cmdLineOf(this.#name, this.#input.options);
    const firstAfter = rebootOperation(trace, rebootAt);
    const before = yield* this.#testbed.start(cmdLine);
    const beginNs = simulation.now;
    const load = new TraceLoad(simulation, trace, pace === 'asfast' ? undefined : speed);
    simulation.spawn('progress', this.#tell(load));
    load.start(this.#threadsOf(load, before));
    const due = load.dueNs(firstAfter);
    if (due === undefined) yield* load.until(firstAfter);
    else yield Ns(due - simulation.now);
    const rebootNs = simulation.now;
    yield* load.stop();
    this.#onProgress(`${this.#name}: reboot`, load.ended / trace.columns.count);
    yield* before.kernel.shutdown();
    const named = this.#named.count;
    const after = yield* this.#testbed.restart(before.domain, {
      preserve,
      writeDirty,
      cmdLine,
      module: prefetch ? prefetchList(this.#readBefore(load)) : undefined,
      betweenGuests: () => this.#verifier.oracle.invalidate(),
    });
    const bootedNs = simulation.now;
    const { prefetchRate } = this.#input.options;
    if (prefetch) after.domain.environment.spawn('prefetch', prefetchFiles(after.kernel.syscalls, prefetchRate));
    load.start(this.#threadsOf(load, after));
    yield* load.until(trace.columns.count);
    const endNs = simulation.now + 1;
    for (const ns of load.endNs) simulation.digest.addTime(ns);
    simulation.digest.addTime(this.found.bytes);
    return this.#resultOf(load, after, { beginNs, rebootNs, bootedNs, endNs, firstAfter, named });
  }

  #resultOf(
    load: TraceLoad,
    guest: Guest,
    times: {
      readonly beginNs: number;
      readonly rebootNs: number;
      readonly bootedNs: number;
      readonly endNs: number;
      readonly firstAfter: number;
      readonly named: number;
    },
  ): PredictRunResult {
    const { beginNs, rebootNs, bootedNs, endNs, firstAfter, named } = times;
    const windowNs = windowFor(rebootNs - beginNs);
    const recovery = recoveryOfRequests(load, { beginNs, rebootNs, endNs }, windowNs);
    const returnNs = rebootNs + (recovery.returnNs ?? endNs - rebootNs);
    const hitRatioBefore = hitRatio(load, meanBeginOf(beginNs, rebootNs, windowNs), rebootNs);
    const hits =
      hitRatioBefore === undefined || recovery.returnNs === undefined
        ? undefined
        : hitsRecoveredAt(load, returnNs, endNs, windowNs, hitRatioBefore);
    const service: PredictService = {
      windowNs,
      rateBefore: recovery.rateBefore,
      hitRatioBefore: hitRatioBefore ?? null,
      rebootNs: bootedNs - rebootNs,
      downNs: Math.round(recovery.downNs),
      returnNs: roundOrNull(recovery.returnNs),
      until90HitsNs: roundOrNull(hits === undefined ? undefined : hits - rebootNs),
      until90RateNs: roundOrNull(recovery.until90Ns),
      late: recovery.late,
      lost: recovery.lost,
    };
    const { count, file } = load.recording.columns;
    const files = load.recording.files.length;
    const [readOfFile, missedOfFile] = [new Float64Array(files), new Float64Array(files)];
    for (let n = 0; n < count; n++)
      if (load.endNs[n]! >= rebootNs && file[n] !== ALL_FILES) {
        readOfFile[file[n]!]! += pagesOf(load, n);
        missedOfFile[file[n]!]! += load.missed[n]!;
      }
    return {
      result: {
        name: this.#name,
        service,
        parts: partsOf(load, firstAfter, { beginNs, rebootNs, returnNs, endNs }),
        pages: pagesOfGuest(guest, named),
        failed: load.isAnswered.reduce((sum, isAnswered) => sum + 1 - isAnswered, 0),
        ...windowsOf(load, { beginNs, rebootNs, endNs }, windowNs),
      },
      readOfFile,
      missedOfFile,
    };
  }

  /** Paths of the files that were read before the reboot, in the order in which they were first. */
  #readBefore(load: TraceLoad): string[] {
    const { kind, file, count } = load.recording.columns;
    const files = new Set<number>();
    for (let n = 0; n < count; n++) if (load.isAnswered[n] === 1 && isReading(kind[n]!)) files.add(file[n]!);
    return [...files].map((number) => this.#paths.pathOf(number));
  }

  #threadsOf(load: TraceLoad, { domain, kernel }: Guest): StartThread {
    const sys = kernel.syscalls;
    return (thread) => {
      const watch = new ReadWatch(sys, this.#waiting);
      const source = new ThreadSource(load, thread, ({ operation, kind, file }, isFailed) => {
        load.missed[operation]! += watch.end();
        const isChange = !isReading(kind) && kind !== OPERATION.open;
        if (isFailed && isChange && file !== ALL_FILES) this.#contents.forget(file);
      });
      const program = this.#program(load, thread, sys, source, watch);
      return { source, task: domain.environment.spawn(`replay ${thread}`, program) };
    };
  }

  *#program(load: TraceLoad, thread: number, sys: Syscalls, source: ThreadSource, watch: ReadWatch): Process {
    const contents = this.#contents;
    const buffer = this.#buffers.pop() ?? new Uint8Array(CALL_BYTES);
    yield* replay({
      ...{ sys, source, kinds: OPERATION, allFiles: ALL_FILES, buffer },
      pathOf: (file) => this.#paths.pathOf(file),
      incarnationOf: (file) => this.#incarnations[file]!,
      onWait: (fd, position, length) => watch.begin(fd, position, length),
      onRead: (file, position, length, bytes, into) => this.#compare(file, position, length, bytes, into),
      onWrite: (file, position, length, into) => contents.wrote(file, position, length, into),
      onCut: (file, size) => contents.cut(file, size),
      onEmpty: (file) => {
        this.#incarnations[file]!++;
        contents.empty(file);
      },
    });
    this.#buffers.push(buffer);
    load.released(thread);
  }

  #compare(file: number, position: number, length: number, bytes: number, buffer: Uint8Array): void {
    const { found } = this;
    const expected = this.#contents.lengthOf(file, position, length);
    if (expected === undefined) return;
    found.bytes += bytes;
    const at = this.#contents.differenceOf(file, position, Math.min(bytes, expected), buffer);
    if (at < 0 && bytes === expected) return;
    const { name } = this.#input.options.trace.files[file]!;
    const what =
      at < 0
        ? `${name}: a read at byte ${position} returned ${bytes} of ${expected} bytes`
        : `${name}: the page at byte ${position + at} was read wrong`;
    found.note({ what, ino: 0, index: Math.floor((position + Math.max(0, at)) / PAGE_SIZE), block: 0 });
  }

  *#tell(load: TraceLoad): Process {
    const { count } = load.recording.columns;
    while (load.ended < count) {
      this.#onProgress(`${this.#name}: ${load.ended} of ${count} operations`, load.ended / count);
      yield PROGRESS_NS;
    }
  }
}

/** Counts the pages of a thread's reads that are missing: those that no guest before has left. */
class ReadWatch {
  readonly #sys: Syscalls;
  readonly #waiting: Set<WaitingRead>;
  #read: WaitingRead | undefined;
  #missing = 0;

  constructor(sys: Syscalls, waiting: Set<WaitingRead>) {
    this.#sys = sys;
    this.#waiting = waiting;
  }

  /** A call waits for its pages. */
  begin(fd: number, position: number, length: number): void {
    this.#settle();
    const { ino, absent } = this.#sys.absentPages(fd, position, length);
    const first = Math.floor(position / PAGE_SIZE);
    this.#read = { ino, first, end: Math.ceil((position + length) / PAGE_SIZE), missing: absent };
    this.#waiting.add(this.#read);
  }

  /** The operation has ended. Returns the pages that were missing. */
  end(): number {
    if (this.#read === undefined && this.#missing === 0) return 0;
    this.#settle();
    const missing = this.#missing;
    this.#missing = 0;
    return missing;
  }

  #settle(): void {
    if (this.#read === undefined) return;
    this.#missing += this.#read.missing;
    this.#waiting.delete(this.#read);
    this.#read = undefined;
  }
}

/** What became of the pages that had a name when the old guest ended. */
function pagesOfGuest({ domain, kernel }: Guest, named: number): PredictPages {
  const { pagesReused, pagesUnclaimed, dataPagesRead, metadataPagesRead } = kernel.stats;
  // A page that is not there has no fate.
  const refused = { ...domain.stats.refused, absent: 0 };
  return {
    named,
    reused: pagesReused,
    unclaimed: pagesUnclaimed,
    refused,
    readAgain: dataPagesRead + metadataPagesRead,
  };
}

const roundOrNull = (ns: number | undefined): number | null => (ns === undefined ? null : Math.round(ns));
