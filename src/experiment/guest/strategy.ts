/**
 * One strategy of the reboot experiment: boot, the workload twice, reboot, the workload twice more.
 * Every page that is reused and every byte that a read returns is compared with the disk.
 */

import type { Mfn } from '../../base/units.ts';
import { assert, unreachable } from '../../base/assert.ts';
import { ModelError } from '../../base/errno.ts';
import type { Syscalls } from '../../kernel/index.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { Profile } from '../../machine/profile.ts';
import type { Process } from '../../sim/index.ts';
import {
  readAllFiles,
  readRandomPages,
  readZipfFiles,
  READ_SIZE,
  type ReaderContext,
} from '../../workload/file-reader.ts';
import { readAndLog } from '../../workload/log-writer.ts';
import { prefetchFiles, prefetchList } from '../../workload/prefetch.ts';
import { verifiedInit } from './boot-reader.ts';
import type { DiskSource } from './disk-source.ts';
import { OracleExt2 } from '../judge/oracle-ext2.ts';
import { Verifier, VerifierRecord } from '../judge/verifier.ts';
import { PageHistory, type PageInQuestion } from '../judge/page-history.ts';
import type { ProgressListener } from './progress.ts';
import type { RebootOptions } from './options.ts';
import type { StrategyName } from '../host/strategies.ts';
import type { Mismatch, RunResult, StrategyResult } from './result.ts';
import { Testbed, type Guest } from '../host/testbed.ts';
import { cmdLineOf, STRATEGY } from '../host/strategies.ts';
import { Timeline } from './timeline.ts';
import type { FioWork } from './fio-plan.ts';
import { FioWorkload } from './fio-run.ts';

/** Runs of the workload: half of them before the reboot, half after it. */
const RUNS = 4;
/** Reads between two reports of progress. */
const PROGRESS_EVERY = 1024;

/** Logs of the workload `log`, before the reboot and after it. */
const LOG = { before: '/stillwarm-before.log', after: '/stillwarm-after.log' } as const;

/** Whether a strategy keeps pages over the reboot. */
export function preserves(name: StrategyName): boolean {
  return STRATEGY[name].preserve;
}

export interface StrategyInput {
  readonly options: RebootOptions;
  readonly profile: Profile;
  readonly disk: DiskSource;
  /** With the workload fio: its jobs on this disk. */
  readonly fio?: FioWork | undefined;
  /** Bytes of domain 0's page cache; undefined: the disk is a partition. */
  readonly domain0Cache: number | undefined;
  /** Its contents are lost. */
  readonly memory: MachineMemory;
  /** Called at the moment between the two guests. */
  readonly betweenGuests?: ((testbed: Testbed) => void) | undefined;
}

export interface StrategyOutcome {
  readonly result: StrategyResult;
  /** Digest of the run, hexadecimal. */
  readonly digest: string;
  readonly mismatches: readonly Mismatch[];
  /** What init has said of its lists, a line each: one that makes no sense, reads that failed. */
  readonly saidByInit: readonly string[];
}

/**
 * Runs one strategy. A mismatch does not end the run: it is counted, and its page's history is
 * found by running again.
 */
export function runStrategy(input: StrategyInput, name: StrategyName, onProgress: ProgressListener): StrategyOutcome {
  const run = new StrategyRun(input, name, onProgress, undefined);
  const result = run.result();
  const mismatches = run.found.described.map((found) => ({
    strategy: name,
    what: found.what,
    history: historyOf(input, name, found),
  }));
  return { result, digest: run.testbed.simulation.digest.hex, mismatches, saidByInit: run.saidByInit };
}

function historyOf(input: StrategyInput, name: StrategyName, page: PageInQuestion): string[] {
  const frames = new Set<Mfn>();
  let history: PageHistory | undefined;
  for (let pass = 0; pass < 2; pass++) {
    const run: StrategyRun = new StrategyRun(
      input,
      name,
      () => undefined,
      (now) => {
        history = new PageHistory(page, frames, now);
        return history;
      },
    );
    run.result();
  }
  return history?.lines ?? [];
}

/**
 * Reads the log that was written before the reboot; returns the bytes up to the first that is
 * missing or wrong.
 */
function* readBack(sys: Syscalls, logged: Uint8Array): Process<number> {
  const seen = new Uint8Array(logged.length);
  try {
    const fd = yield* sys.open(LOG.before);
    for (let at = 0, bytes = -1; bytes !== 0; at += bytes) bytes = yield* sys.read(fd, seen, at, seen.length - at);
    yield* sys.close(fd);
  } catch (error) {
    // Its name, or a directory on its path, is lost.
    if (!(error instanceof ModelError)) throw error;
  }
  const wrong = seen.findIndex((byte, at) => byte !== logged[at]);
  return wrong < 0 ? logged.length : wrong;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((bytes, { length }) => bytes + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

class StrategyRun {
  readonly testbed: Testbed;
  readonly saidByInit: string[] = [];
  readonly found = new VerifierRecord();
  readonly #input: StrategyInput;
  readonly #name: StrategyName;
  readonly #onProgress: ProgressListener;
  readonly #timeline = new Timeline();
  readonly #buffer = new Uint8Array(READ_SIZE);
  readonly #filesRead = new Set<number>();
  readonly #fio: FioWorkload | undefined;
  readonly #verifier: Verifier;
  /** The contents of the log before the reboot. */
  readonly #logged: Uint8Array[] = [];
  #hypercallNsInRuns = 0;

  constructor(
    input: StrategyInput,
    name: StrategyName,
    onProgress: ProgressListener,
    observe: ((now: () => number) => PageHistory) | undefined,
  ) {
    this.#input = input;
    this.#name = name;
    this.#onProgress = onProgress;
    const { options, profile, disk, memory } = input;
    // A medium counts its drives and its changes, so each run has one of its own. Where guests
    // write, the oracle reads it through the drive's cache.
    const isWriting = options.workload === 'log' || options.workload === 'fio';
    const image = disk.copy();
    this.testbed = new Testbed({
      seed: options.seed,
      profile,
      arch: options.arch,
      disk: options.disk,
      diskLimit: options.diskLimit,
      image,
      memory,
      guestMemory: options.memory,
      protections: { checksum: options.checksum },
      domain0Cache: input.domain0Cache,
      ...(observe && { observer: observe(() => this.testbed.simulation.now) }),
      onReuse: (domain, pfn, ino, index, block) => {
        this.#verifier.reused(ino, index, pfn, block, memory.frame(domain.frameOf(pfn)));
      },
      init: verifiedInit(disk, () => this.#verifier),
    });
    const oracle = isWriting ? new OracleExt2(this.testbed.contents) : disk.oracleOf(image);
    this.#verifier = new Verifier(oracle, this.found);
    this.#fio = input.fio && this.#fioOf(input.fio);
  }

  #fioOf(work: FioWork): FioWorkload {
    const { random } = this.testbed.simulation;
    return new FioWorkload(work, {
      oracle: () => this.#verifier.oracle,
      record: this.found,
      random: (name) => random.stream(name),
      limit: this.#input.options.limit ?? Infinity,
      onBytes: (now, bytes) => this.#timeline.add(now, bytes),
    });
  }

  result(): StrategyResult {
    return this.testbed.simulation.runProcess(this.#name, this.#main());
  }

  *#main(): Process<StrategyResult> {
    const { options } = this.#input;
    const strategy = STRATEGY[this.#name];
    const asked = cmdLineOf(this.#name, options);
    const cmdLine = options.expire === undefined ? asked : `${asked} cachemap_expire=${options.expire}`;
    const { simulation } = this.testbed;
    const before = yield* this.testbed.start(cmdLine);
    if (this.#fio !== undefined) yield* this.#fio.layOut(before.kernel.syscalls);
    const runs = [yield* this.#run(before, 'before', 1), yield* this.#run(before, 'before', 2)];
    const { files } = this.#input.disk;
    const beforeStats = before.domain.stats;
    const { pagesDirty } = before.kernel.stats;
    const fioWritten = this.#fio?.written ?? 0;
    const rebootStart = simulation.now;
    this.#report('reboot', 2);
    const after = yield* this.testbed.reboot(before, options.crash, {
      preserve: strategy.preserve,
      writeDirty: strategy.writeDirty,
      cmdLine,
      module: strategy.prefetch
        ? prefetchList(this.#fio?.paths ?? [...this.#filesRead].map((file) => files[file]!.path))
        : undefined,
      betweenGuests: () => {
        this.#verifier.oracle.invalidate();
        this.#input.betweenGuests?.(this.testbed);
      },
    });
    const rebootNs = simulation.now - rebootStart;
    const fioLost = this.#fio?.settle(options.crash) ?? 0;
    if (strategy.prefetch) after.domain.environment.spawn('prefetch', prefetchFiles(after.kernel.syscalls));
    runs.push(yield* this.#run(after, 'after', 1), yield* this.#run(after, 'after', 2));
    for (const { text } of [before, after].flatMap(({ kernel }) => kernel.messages))
      if (text.startsWith('init: ')) this.saidByInit.push(text);
    const { stats } = after.kernel;
    const pagesWrittenBack = after.domain.stats.dirty.written;
    const logged = joined(this.#logged);
    const bytesLost = logged.length === 0 ? 0 : logged.length - (yield* readBack(after.kernel.syscalls, logged));
    const hypercallNs = beforeStats.hypercalls.ns + after.domain.stats.hypercalls.ns;
    return {
      name: this.#name,
      runs,
      rebootNs,
      boots: { before: before.kernel.bootStats, after: after.kernel.bootStats },
      pages: {
        preserved: after.domain.stats.preserved,
        reused: stats.pagesReused,
        readAgain: stats.dataPagesRead + stats.metadataPagesRead,
        refused: after.domain.stats.refused,
        recency: after.domain.stats.recency,
      },
      metadataReads: stats.metadataPagesRead,
      hypercalls: {
        count: beforeStats.hypercalls.count + after.domain.stats.hypercalls.count,
        ns: Math.round(hypercallNs),
        share: this.#hypercallNsInRuns / runs.reduce((sum, { ns }) => sum + ns, 0),
      },
      writes: {
        bytes: logged.length + fioWritten,
        bytesLost: bytesLost + fioLost,
        dirtyPages: pagesDirty,
        pagesWrittenBack,
        pagesLost: options.crash ? Math.max(0, pagesDirty - pagesWrittenBack) : 0,
      },
      domain0: this.testbed.files?.counters ?? null,
      verified: this.found.verified,
      timeline: this.#timeline.samples(rebootStart),
    };
  }

  *#run(guest: Guest, phase: RunResult['phase'], number: RunResult['number']): Process<RunResult> {
    return this.#fio === undefined
      ? yield* this.#runFiles(guest, phase, number)
      : yield* this.#runFio(this.#fio, guest, phase, number);
  }

  *#runFio(fio: FioWorkload, guest: Guest, phase: RunResult['phase'], number: RunResult['number']): Process<RunResult> {
    const { simulation } = this.testbed;
    this.#report(`run ${number} ${phase}`, (phase === 'before' ? 0 : RUNS / 2) + number - 1);
    const start = simulation.now;
    const hypercallNs = guest.domain.stats.hypercalls.ns;
    this.#timeline.begin(start);
    const figures = yield* fio.run(guest);
    this.#timeline.end(simulation.now);
    this.#hypercallNsInRuns += guest.domain.stats.hypercalls.ns - hypercallNs;
    const bytes = figures.all.readBytes + figures.all.writtenBytes;
    simulation.digest.addTime(bytes);
    return { phase, number, bytes, ns: simulation.now - start, fio: figures };
  }

  *#runFiles(guest: Guest, phase: RunResult['phase'], number: RunResult['number']): Process<RunResult> {
    const { options, disk } = this.#input;
    const { simulation } = this.testbed;
    const sys = guest.kernel.syscalls;
    const total = Math.min(options.limit ?? Infinity, disk.bytes);
    const runsBefore = (phase === 'before' ? 0 : RUNS / 2) + number - 1;
    let bytes = 0;
    let reads = 0;
    const context: ReaderContext = {
      sys,
      files: disk.files,
      buffer: this.#buffer,
      limit: options.limit ?? Infinity,
      onRead: (file, position, length) => {
        this.#filesRead.add(file);
        this.#verifier.read(disk.files[file]!, position, length, this.#buffer);
        bytes += length;
        this.#timeline.add(sys.now(), length);
        if (reads++ % PROGRESS_EVERY === 0)
          this.#report(`run ${number} ${phase}`, runsBefore + Math.min(1, bytes / total));
      },
      onEnd: (file, position) => {
        this.#verifier.ended(disk.files[file]!, position);
      },
    };
    const start = simulation.now;
    const hypercallNs = guest.domain.stats.hypercalls.ns;
    this.#timeline.begin(start);
    yield* this.#workload(context, phase);
    this.#timeline.end(simulation.now);
    this.#hypercallNsInRuns += guest.domain.stats.hypercalls.ns - hypercallNs;
    simulation.digest.addTime(bytes);
    return { phase, number, bytes, ns: simulation.now - start };
  }

  /** @param runs that are done, including a part of one */
  #report(what: string, runs: number): void {
    this.#onProgress({ phase: `${this.#name}: ${what}`, done: runs, total: RUNS });
  }

  #workload(context: ReaderContext, phase: RunResult['phase']): Process<number> {
    const { workload } = this.#input.options;
    assert(workload !== 'fio', 'strategy 1: the jobs of fio have a run of their own');
    // A fresh stream of the same name each time, so that all four runs read the same.
    const random = this.testbed.simulation.random.stream('workload');
    switch (workload) {
      case 'files':
        return readAllFiles(context);
      case 'random':
        return readRandomPages(context, random);
      case 'zipf':
        return readZipfFiles(context, random);
      case 'log':
        return readAndLog(context, LOG[phase], (bytes) => {
          if (phase === 'before') this.#logged.push(bytes);
        });
      default:
        return unreachable(workload);
    }
  }
}
