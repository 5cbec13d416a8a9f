/**
 * One strategy on one machine: a guest with Apache, clients on another host, and a reboot.
 *
 * `runs` asks for each file once, twice before the reboot and twice after it. `service` fills the
 * cache in the same way, and then keeps asking over the reboot.
 *
 * Every page that is taken over and every byte that a client gets is compared with the disk. The
 * server writes its log, so the oracle reads the medium through the drive's cache.
 */

import { xenMac } from '../../base/ethernet.ts';
import { Ns } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { Process, Task } from '../../sim/index.ts';
import { Apache } from '../../workload/apache.ts';
import { prefetchFiles, prefetchList } from '../../workload/prefetch.ts';
import { Zipf } from '../../workload/zipf.ts';
import { verifiedInit } from '../guest/boot-reader.ts';
import type { DiskSource } from '../guest/disk-source.ts';
import type { RunListener } from '../guest/runs.ts';
import { domain0CacheOf } from '../host/backend.ts';
import { profileOf } from '../host/profiles.ts';
import { cmdLineOf, STRATEGY, type StrategyName } from '../host/strategies.ts';
import { Testbed, type Guest } from '../host/testbed.ts';
import { WebHost, type HttpAnswer } from '../host/web-host.ts';
import { OracleExt2, type OracleFile } from '../judge/oracle-ext2.ts';
import { recoveryOf } from '../judge/recovery.ts';
import { Verifier, VerifierRecord } from '../judge/verifier.ts';
import { WebLoad, type NextFile, type WebExchange } from './load.ts';
import type { WebOptions } from './options.ts';
import type { WebRun as RunResult, WebService, WebStrategyResult } from './result.ts';
import { errorsOf, latencyOf, windowsOf } from './windows.ts';

const GUEST = xenMac(1);
/** Addresses of hosts begin here; those of guests are lower. */
const CLIENTS = xenMac(0x10_0000);
const LOG = '/stillwarm-access.log';

export interface WebRunInput {
  readonly options: WebOptions;
  readonly disk: DiskSource;
  /** Those that are asked for. */
  readonly files: readonly OracleFile[];
  /** Its contents are lost. */
  readonly memory: MachineMemory;
}

/** The server in the guest that runs. */
interface Server {
  readonly guest: Guest;
  readonly apache: Apache;
  readonly workers: readonly Task[];
}

export class WebRun {
  readonly found = new VerifierRecord();
  /** What init has said of its lists, a line each: one that makes no sense, reads that failed. */
  readonly saidByInit: string[] = [];
  readonly #input: WebRunInput;
  readonly #name: StrategyName;
  readonly #onProgress: RunListener;
  readonly #testbed: Testbed;
  readonly #verifier: Verifier;
  readonly #host: WebHost;

  constructor(input: WebRunInput, name: StrategyName, onProgress: RunListener) {
    this.#input = input;
    this.#name = name;
    this.#onProgress = onProgress;
    const { options, disk, memory } = input;
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
      mac: GUEST,
      init: verifiedInit(disk, () => this.#verifier),
      onReuse: (domain, pfn, ino, index, block) => {
        this.#verifier.reused(ino, index, pfn, block, memory.frame(domain.frameOf(pfn)));
      },
    });
    this.#verifier = new Verifier(new OracleExt2(this.#testbed.contents), this.found);
    this.#host = new WebHost(this.#testbed.simulation, this.#testbed.connectHost(), CLIENTS);
  }

  get digest(): string {
    return this.#testbed.simulation.digest.hex;
  }

  /** Each file once: twice before the reboot, and twice after it. */
  runs(): Pick<WebStrategyResult, 'runs' | 'pages'> {
    return this.#testbed.simulation.runProcess(this.#name, this.#runs());
  }

  /** The service over the reboot. */
  service(): WebService {
    return this.#testbed.simulation.runProcess(this.#name, this.#service());
  }

  *#runs(): Process<Pick<WebStrategyResult, 'runs' | 'pages'>> {
    const before = yield* this.#boot();
    const runs = [yield* this.#each('before', 1), yield* this.#each('before', 2)];
    const { guest } = yield* this.#reboot(before);
    runs.push(yield* this.#each('after', 1), yield* this.#each('after', 2));
    const { pagesReused, dataPagesRead, metadataPagesRead } = guest.kernel.stats;
    const pages = {
      preserved: guest.domain.stats.preserved,
      reused: pagesReused,
      readAgain: dataPagesRead + metadataPagesRead,
    };
    return { runs, pages };
  }

  *#service(): Process<WebService> {
    const { before, after } = this.#input.options;
    const { simulation } = this.#testbed;
    const server = yield* this.#boot();
    yield* this.#each('before', 1);
    const load = this.#load();
    const beginNs = simulation.now;
    const asking = simulation.spawn('load', this.#keepAsking(load));
    yield Ns(before * 1e9);
    const rebootNs = simulation.now;
    yield* this.#reboot(server);
    const bootedNs = simulation.now;
    for (let second = 0; second < after; second++) {
      this.#onProgress(`${this.#name}: ${second} s after the reboot`, (before + second) / (before + after));
      yield Ns(1e9);
    }
    const endNs = simulation.now;
    load.stop();
    yield* asking.join();
    yield* load.drain();
    simulation.digest.addTime(this.found.bytes);
    const { exchanges } = load;
    const recovery = recoveryOf({ exchanges, beginNs, rebootNs, endNs });
    const concerned = exchanges.filter((each) => each.endNs >= rebootNs && each.sentNs < endNs);
    const answered = (from: number, to: number): WebExchange[] =>
      exchanges.filter((each) => each.isAnswered && each.endNs >= from && each.endNs < to);
    const windows = windowsOf(exchanges, { beginNs, rebootNs, endNs });
    return {
      rateBefore: recovery.rateBefore,
      rebootNs: bootedNs - rebootNs,
      downNs: recovery.downNs,
      returnNs: recovery.returnNs ?? null,
      until90Ns: recovery.until90Ns ?? null,
      sent: concerned.length,
      late: recovery.late,
      lost: recovery.lost,
      areaLost: recovery.areaLost,
      loss: { first20s: recovery.loss.first20s ?? null, first33s: recovery.loss.first33s ?? null },
      latency: { before: latencyOf(answered(beginNs, rebootNs)), after: latencyOf(answered(rebootNs, endNs)) },
      errors: errorsOf(concerned),
      windows,
    };
  }

  *#boot(): Process<Server> {
    return yield* this.#serve(yield* this.#testbed.start(cmdLineOf(this.#name, this.#input.options)));
  }

  /** The server stops, the guest is rebooted, and the server starts again. */
  *#reboot({ guest, apache, workers }: Server): Process<Server> {
    const { options, files } = this.#input;
    const { preserve, writeDirty, prefetch } = STRATEGY[this.#name];
    this.#onProgress(`${this.#name}: reboot`, 0.5);
    for (const worker of options.crash ? [] : workers) worker.kill();
    if (!options.crash) apache.close();
    const next = yield* this.#testbed.reboot(guest, options.crash, {
      preserve,
      writeDirty,
      cmdLine: cmdLineOf(this.#name, options),
      module: prefetch ? prefetchList(files.map(({ path }) => path)) : undefined,
      betweenGuests: () => this.#verifier.oracle.invalidate(),
    });
    for (const { text } of [guest, next].flatMap(({ kernel }) => kernel.messages))
      if (text.startsWith('init: ')) this.saidByInit.push(text);
    if (prefetch) next.domain.environment.spawn('prefetch', prefetchFiles(next.kernel.syscalls, options.prefetchRate));
    return yield* this.#serve(next);
  }

  *#serve(guest: Guest): Process<Server> {
    const { workers, sending } = this.#input.options;
    const { environment } = guest.domain;
    const { webRequestNs: requestNs } = this.#testbed.guestCosts;
    const opening = environment.spawn('httpd', Apache.open(guest.kernel.syscalls, { sending, requestNs, log: LOG }));
    const apache = (yield* opening.join())!;
    return {
      guest,
      apache,
      workers: Array.from({ length: workers }, (_, n) => environment.spawn(`httpd ${n}`, apache.worker())),
    };
  }

  /** Each file once. */
  *#each(phase: RunResult['phase'], number: RunResult['number']): Process<RunResult> {
    const { files, options } = this.#input;
    const { simulation } = this.#testbed;
    const load = this.#load();
    let file = 0;
    const start = simulation.now;
    const next: NextFile = () => {
      if (file % 64 === 0) this.#onProgress(`${this.#name}: run ${number} ${phase}`, file / files.length);
      return file < files.length ? file++ : undefined;
    };
    yield* load.closed(options.connections, 0, next);
    const answered = load.exchanges.filter(({ isAnswered }) => isAnswered);
    const bytes = answered.reduce((sum, each) => sum + each.bytes, 0);
    simulation.digest.addTime(bytes);
    return {
      phase,
      number,
      requests: answered.length,
      bytes,
      ns: simulation.now - start,
      ...latencyOf(answered),
      errors: errorsOf(load.exchanges),
    };
  }

  #keepAsking(load: WebLoad): Process {
    const { loop, rate, arrivals, connections, think } = this.#input.options;
    const { random } = this.#testbed.simulation;
    return loop === 'open'
      ? load.open(rate, arrivals, random.stream('arrivals'), this.#endless())
      : load.closed(connections, think * 1e9, this.#endless());
  }

  #endless(): NextFile {
    const { files, options } = this.#input;
    if (options.order === 'once') {
      let file = 0;
      return () => file++ % files.length;
    }
    const popularity = new Zipf(files.length, options.alpha, this.#testbed.simulation.random.stream('popularity'));
    return () => popularity.draw();
  }

  #load(): WebLoad {
    const { files, options } = this.#input;
    return new WebLoad({
      simulation: this.#testbed.simulation,
      host: this.#host,
      server: GUEST,
      paths: files.map(({ path }) => path),
      timeoutNs: Math.round(options.timeout * 1e9),
      check: (file, answer) => this.#isRight(files[file]!, answer),
    });
  }

  /** Whether an answer is a file. Bytes that are not the file's are noted. */
  #isRight(file: OracleFile, { status, body }: HttpAnswer): boolean {
    if (status !== 200) return false;
    this.#verifier.read(file, 0, body.length, body);
    this.#verifier.ended(file, body.length);
    return body.length === file.size;
  }
}
