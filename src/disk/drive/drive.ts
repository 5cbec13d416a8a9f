/**
 * A drive: a queue of requests (elevator.ts), a volatile write cache (write-cache.ts), a
 * service-time model and the medium.
 *
 * Bytes move by DMA between the medium and machine frames: the whole request in one instant, when
 * it completes. DMA asks no page table, so write protection does not stop it. A write is on the
 * medium when a flush that was submitted after its completion has completed. A drive without write
 * cache puts it there before it completes.
 *
 * Cache. A write that fits completes once it is in the cache. Reads see it, and a read that the
 * cache holds whole does not wait for the mechanism. A write goes to the medium (destage.ts) when
 * the drive has been idle for `destageDelayNs`. It also goes there when the cache is needed for
 * other writes, and at a flush. A write larger than the whole cache goes straight to the medium.
 * Commands that the cache answers are served while a run is being written out.
 *
 * Ports. Several machines may reach one drive, each through a port with its own memory. They share
 * its arm, its queue and its cache. A reset of one machine leaves the requests of the others alone.
 *
 * Time. Events are scheduled only while there is something to do, so the simulation ends when the
 * work does.
 *
 * Invariants:
 * 1. A request is queued, in service, or over.
 * 2. A granule of the cache belongs to at most one destaging run.
 * 3. At most `model.channels` requests are in service at once.
 * 4. At most `model.channels` services use the mechanism at once: destaging runs, and requests that
 *    the cache cannot answer.
 *
 * Modelled after a SATA drive under a 2.6 block device (barrier: drain, flush, go on). Differs in
 * that it has no tagged queue beyond `channels`, that a failed request moves no bytes, and that bad
 * sectors come from `faults` only.
 *
 * Longer than other files: a request passes from queue over write cache to medium here. A reset may
 * meet it at each step.
 */

import { checkArgument, checkInteger, checkObject, checkOneOf } from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import { Ns, SECTOR_SIZE, SECTORS_PER_PAGE } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { RandomStream, Simulation, StepObserver } from '../../sim/index.ts';
import type { BackingStore, Writer } from '../image/backing-store.ts';
import type { ImageStore, ReadableImage } from '../image/image-store.ts';
import { checkRequest, sectorsOf, type BlockDevice, type BlockRequest } from './block-device.ts';
import { CachedMedium } from './cached-medium.ts';
import { type Channel, makeChannel } from './channel.ts';
import { Destaging } from './destage.ts';
import { DrivePort } from './drive-port.ts';
import { RequestQueue } from './elevator.ts';
import type { ServiceTimeModel } from './service-time.ts';
import { byChance, type Survival, WriteCache } from './write-cache.ts';

/** What a drive is like. */
export interface DriveOptions {
  /**
   * Identity of the drive's store (backing-store.ts); by default one that no other drive of the
   * simulation has. Give one where machine memory or save files outlive the simulation.
   */
  readonly identity?: string;
  /** How long its mechanism takes. */
  readonly model: ServiceTimeModel;
  /** Volatile write cache in bytes; 0 for none. */
  readonly writeCacheBytes: number;
  /** @internal What that cache is, with what it holds; an empty one by default. */
  readonly cache?: WriteCache;
  /** Idle time before the cache is written out, ns; 0, the default, for at once. */
  readonly destageDelayNs?: number;
  /**
   * Order of service; by default elevator when the model serves one request at a time, else fifo.
   */
  readonly scheduler?: 'fifo' | 'elevator';
  /**
   * Called once for each request when its service begins. A failing request takes its time and
   * moves no bytes.
   */
  readonly faults?: (request: BlockRequest) => 'EIO' | undefined;
  /** @internal Is told of requests and completions. */
  readonly steps?: StepObserver | undefined;
}

/** Requests of a drive since it was made. */
export interface DriveCounters {
  /** Reads completed without error. */
  readonly reads: number;
  /** Writes completed without error. */
  readonly writes: number;
  /** Flushes completed without error. */
  readonly flushes: number;
  /** Sectors of 512 bytes in those reads. */
  readonly sectorsRead: number;
  /** Sectors of 512 bytes in those writes. */
  readonly sectorsWritten: number;
  /** Requests completed with EIO. */
  readonly errors: number;
  /** Virtual time during which at least one request or destaging run was in service. */
  readonly busyNs: number;
}

/** A drive: a queue, a volatile write cache, service times and a medium. */
export class Drive implements BlockDevice {
  /** Size in 512-byte sectors. */
  readonly sectorCount: number;
  /** The store of its sectors. */
  readonly store: BackingStore;
  /** The device as a read would find it now: the medium, and what is newer in the cache. */
  readonly contents: ReadableImage;
  readonly #simulation: Simulation;
  readonly #memory: MachineMemory;
  readonly #model: ServiceTimeModel;
  readonly #faults: (request: BlockRequest) => 'EIO' | undefined;
  readonly #random: RandomStream;
  readonly #medium: CachedMedium;
  readonly #cache: WriteCache;
  readonly #destaging: Destaging;
  readonly #queue: RequestQueue;
  readonly #destageDelayNs: number;
  readonly #steps: StepObserver | undefined;

  #channels: Channel[];
  #busyChannels = 0;
  #requestsInService = 0;
  /** Services that use the mechanism. */
  #mechanismInUse = 0;
  /** A flush is in service; nothing else may begin. */
  #isFlushing = false;
  #runsInService = 0;
  /** Granules of the cache promised to writes in service. */
  #reserved = 0;
  #lastRequestAt = 0;
  #hasTimer = false;

  #reads = 0;
  #writes = 0;
  #flushes = 0;
  #sectorsRead = 0;
  #sectorsWritten = 0;
  #errors = 0;
  #busyNs = 0;
  #busySince = 0;

  /** @throws ArgumentError for options that no drive can have */
  constructor(simulation: Simulation, memory: MachineMemory, image: ImageStore, options: DriveOptions) {
    checkObject('simulation', simulation, 'after');
    checkObject('memory', memory, 'frameCount');
    checkObject('options', options);
    const { model, writeCacheBytes, scheduler, destageDelayNs = 0 } = options;
    checkObject('image', image, 'size', 'extents', 'read', 'write');
    checkObject('model', model, 'channels', 'read', 'write', 'transfer');
    checkInteger('model.channels', model.channels, 1);
    checkInteger('writeCacheBytes', writeCacheBytes);
    checkInteger('destageDelayNs', destageDelayNs);
    if (scheduler !== undefined) checkOneOf('scheduler', scheduler, ['fifo', 'elevator']);
    this.sectorCount = Math.floor(image.size / SECTOR_SIZE);
    this.#cache = options.cache ?? new WriteCache(writeCacheBytes);
    this.#medium = new CachedMedium(image, this.#cache, options.identity ?? `drive ${simulation.nextSerial()}`);
    this.store = this.#medium.store;
    this.contents = this.#medium.contents;
    this.#simulation = simulation;
    this.#memory = memory;
    this.#model = model;
    this.#queue = new RequestQueue(scheduler ?? (model.channels === 1 ? 'elevator' : 'fifo'));
    this.#destageDelayNs = destageDelayNs;
    this.#faults = options.faults ?? (() => undefined);
    this.#steps = options.steps;
    this.#random = simulation.random.stream('drive');
    this.#destaging = new Destaging(this.#cache, model, this.sectorCount);
    this.#channels = this.#freshChannels();
  }

  /** Whether no request waits or is in service. The cache may still hold writes. */
  get isIdle(): boolean {
    return this.#queue.length === 0 && this.#requestsInService === 0;
  }

  /** Requests that wait, not counting those in service. */
  get queueLength(): number {
    return this.#queue.length;
  }

  /** Whether completed writes are not on the medium yet. */
  get hasUnflushedWrites(): boolean {
    return !this.#cache.isEmpty;
  }

  /** @internal Blocks of 4 KiB of which completed writes are not on the medium yet, ascending. */
  get unflushedBlocks(): readonly number[] {
    return this.#cache.granules();
  }

  /** @internal Blocks of 4 KiB that the writes in service change, in their order. */
  get blocksInService(): readonly number[] {
    const blocks = new Set<number>();
    for (const { request, sectors } of this.#interrupted())
      for (let at = request.sector; at < request.sector + sectors; at++) blocks.add(Math.floor(at / SECTORS_PER_PAGE));
    return [...blocks];
  }

  /** What the drive has done so far. */
  get counters(): DriveCounters {
    return {
      reads: this.#reads,
      writes: this.#writes,
      flushes: this.#flushes,
      sectorsRead: this.#sectorsRead,
      sectorsWritten: this.#sectorsWritten,
      errors: this.#errors,
      busyNs: this.#busyNs + (this.#busyChannels > 0 ? this.#simulation.now - this.#busySince : 0),
    };
  }

  /**
   * A port for another machine, which reaches the drive with its own memory.
   * @throws ArgumentError for what is no memory of a machine
   */
  port(memory: MachineMemory): DrivePort {
    checkObject('memory', memory, 'frameCount', 'frame');
    return new DrivePort(this, memory);
  }

  /**
   * Queues a request. One that is malformed or leaves the device or memory completes with EIO at
   * this instant.
   * @param memory whose frames it names; by default the memory of the drive's own machine
   * @throws ArgumentError for what is no request, or no memory of a machine
   */
  submit(request: BlockRequest, memory = this.#memory): void {
    checkRequest(request);
    if (memory !== this.#memory) checkObject('memory', memory, 'frameCount', 'frame');
    const sectors = sectorsOf(request, memory.frameCount, this.sectorCount);
    if (sectors < 0) {
      this.#simulation.after(Ns(0), () => {
        this.#errors++;
        request.done('EIO');
      });
      return;
    }
    this.#steps?.before('request', request.op, request.sector, sectors);
    this.#lastRequestAt = this.#simulation.now;
    if (request.op === 'write') this.#medium.note(request.sector, sectors, request.by);
    this.#queue.add(request, memory, sectors);
    this.#pump();
  }

  /**
   * Loses power, together with the machine. Of the completed writes that no flush covered, and of
   * the writes in service, a random part of the sectors has reached the medium. Requests that wait
   * or are in service never complete. Afterwards the drive is as after power-on. Call it while
   * memory still has its contents.
   * @param survival the probability with which a sector has reached the medium, 0 to 1; a random
   * one by default
   * @param random decides which sectors survive; the drive's own stream by default
   * @throws ArgumentError for a probability out of range, or no random stream
   */
  powerLoss(survival?: number, random = this.#random): void {
    checkObject('random', random, 'fraction');
    const share = survival ?? random.fraction();
    checkArgument(share >= 0 && share <= 1, 'survival', 'expected 0 to 1');
    const survives = byChance(random, share);
    this.#medium.powerLoss(survives);
    this.#abort(survives);
  }

  /**
   * @internal The medium as `powerLoss` would leave it now. It is a layer over this drive's
   * medium, and holds until the drive goes on.
   */
  afterPowerLoss(survives: Survival): ImageStore {
    return this.#torn(this.#medium.afterPowerLoss(survives), survives);
  }

  /**
   * @internal The medium as `reset` would leave it now, as `afterPowerLoss` has it, and a copy of
   * the write cache. No other machine may use the drive.
   */
  afterReset(random: RandomStream): { readonly image: ImageStore; readonly cache: WriteCache } {
    checkObject('random', random, 'fraction');
    const survives = byChance(random, random.fraction());
    return { image: this.#torn(this.#medium.layer(), survives), cache: this.#cache.clone() };
  }

  /** An image, with what has reached it of the writes in service. */
  #torn(image: ImageStore, survives: Survival): ImageStore {
    for (const { request, memory } of this.#interrupted()) this.#medium.tear(request, memory, survives, image);
    return image;
  }

  /**
   * @internal Replaces whole sectors of the medium in no time, as a person at the drive would.
   * A write that is under way moves its bytes later.
   * @param by the writer whose account counts the change
   */
  overwrite(sector: number, bytes: Uint8Array, by?: Writer): void {
    this.#medium.overwrite(sector, bytes, by);
  }

  /** Writes in service that a loss of power tears. */
  #interrupted(): { request: BlockRequest; memory: MachineMemory; sectors: number }[] {
    return this.#channels.flatMap(({ request, memory, sectors, failed, abandoned }) =>
      request?.op === 'write' && !failed && !abandoned ? [{ request, memory, sectors }] : [],
    );
  }

  /**
   * A machine resets its bus. Its requests that wait or are in service never complete, and no more
   * of their bytes move. Of its writes in service a random part has reached the medium. They keep
   * the drive busy until their time is over. The volatile cache stays.
   * @param random decides which sectors survive; the drive's own stream by default
   * @param memory of the machine; by default the drive's own
   * @internal
   */
  reset(random = this.#random, memory = this.#memory): void {
    const survives = byChance(random, random.fraction());
    this.#queue.dropOf(memory);
    for (const channel of this.#channels) {
      const { request } = channel;
      if (request === undefined || channel.memory !== memory || channel.abandoned) continue;
      channel.abandoned = true;
      if (request.op === 'write' && !channel.failed) this.#medium.tear(request, memory, survives);
    }
  }

  #abort(survives: Survival): void {
    for (const { request, memory } of this.#interrupted()) this.#medium.tear(request, memory, survives);
    if (this.#busyChannels > 0) this.#busyNs += this.#simulation.now - this.#busySince;
    // Events of the old channels still arrive, and find their channel free.
    for (const channel of this.#channels) channel.state = 'free';
    this.#channels = this.#freshChannels();
    this.#busyChannels = 0;
    this.#requestsInService = 0;
    this.#mechanismInUse = 0;
    this.#isFlushing = false;
    this.#runsInService = 0;
    this.#reserved = 0;
    this.#queue.clear();
    this.#destaging.reset();
  }

  /**
   * Channels: one for each request that the cache answers, and one for each service that uses the
   * mechanism.
   */
  #freshChannels(): Channel[] {
    return Array.from({ length: 2 * this.#model.channels }, () =>
      makeChannel(this.#memory, (channel) => this.#finish(channel)),
    );
  }

  /** Starts every service that can start. */
  #pump(): void {
    while (this.#queue.length > 0 && this.#requestsInService < this.#model.channels && !this.#isFlushing) {
      const at = this.#queue.pick(this.#requestsInService === 0);
      if (at < 0 || !this.#begin(at)) return;
    }
    if (this.#queue.length === 0 && this.#mechanismInUse === 0 && !this.#cache.isEmpty) this.#destageWhenIdle();
  }

  /**
   * Begins the service of a queued request, or of the destaging that must come first. Returns false
   * when neither can begin now.
   */
  #begin(at: number): boolean {
    const { request, memory, sectors } = this.#queue.at(at);
    const { op, sector } = request;
    const now = this.#simulation.now;
    const isCached = op === 'write' && this.#cache.canHold(sector, sectors);
    const mustDestage =
      op === 'flush' ? !this.#cache.isEmpty : isCached && !this.#cache.hasRoomFor(sector, sectors, this.#reserved);
    const isAnswered = op === 'flush' || isCached || (op === 'read' && this.#cache.holds(sector, sectors));
    const usesMechanism = mustDestage || !isAnswered;
    if (usesMechanism && this.#mechanismInUse === this.#model.channels) return false;
    if (mustDestage) return this.#beginDestage(true);

    this.#queue.start(at);
    const channel = this.#take('request', usesMechanism);
    channel.request = request;
    channel.memory = memory;
    channel.sectors = sectors;
    channel.abandoned = false;
    channel.failed = this.#faults(request) !== undefined;
    channel.reserved = isCached ? this.#cache.granulesOf(sector, sectors) : 0;
    this.#reserved += channel.reserved;
    this.#requestsInService++;
    if (op === 'flush') this.#isFlushing = true;
    let delay: number;
    if (!usesMechanism) delay = this.#model.transfer(op, sectors, now);
    else {
      this.#destaging.armMoved();
      if (op === 'read') delay = this.#model.read(sector, sectors, now);
      else {
        delay = this.#model.transfer(op, sectors, now);
        delay += this.#model.write(sector, sectors, Ns(now + delay));
      }
    }
    this.#simulation.after(Ns(delay), channel.finish);
    return true;
  }

  /**
   * Writes out the next run of the sweep. Returns false when everything cached is in service.
   * @param isNeeded whether the cache is needed, so that the drive has not paused since the
   * previous run
   */
  #beginDestage(isNeeded: boolean): boolean {
    const run = this.#destaging.next(isNeeded, this.#runsInService === 0, this.#simulation.now);
    if (run === undefined) return false;
    const channel = this.#take('destage', true);
    channel.runStart = run.first;
    channel.runLength = run.length;
    this.#runsInService++;
    this.#simulation.after(Ns(run.delayNs), channel.finish);
    return true;
  }

  #destageWhenIdle(): void {
    const wait = this.#lastRequestAt + this.#destageDelayNs - this.#simulation.now;
    if (wait <= 0) {
      this.#beginDestage(false);
      return;
    }
    if (this.#hasTimer) return;
    this.#hasTimer = true;
    this.#simulation.after(Ns(wait), () => {
      this.#hasTimer = false;
      this.#pump();
    });
  }

  #take(state: 'request' | 'destage', usesMechanism: boolean): Channel {
    const channel = this.#channels.find((candidate) => candidate.state === 'free');
    assert(channel !== undefined, 'a channel is free');
    if (this.#busyChannels++ === 0) this.#busySince = this.#simulation.now;
    channel.state = state;
    channel.usesMechanism = usesMechanism;
    if (usesMechanism) this.#mechanismInUse++;
    return channel;
  }

  #finish(channel: Channel): void {
    const { state, request, memory, sectors, failed } = channel;
    if (state === 'free') return;
    if (request !== undefined && !channel.abandoned)
      this.#steps?.before('completion', failed ? `${request.op} with EIO` : request.op, request.sector, sectors);
    channel.state = 'free';
    channel.request = undefined;
    if (channel.usesMechanism) this.#mechanismInUse--;
    if (--this.#busyChannels === 0) this.#busyNs += this.#simulation.now - this.#busySince;
    if (request === undefined) {
      this.#runsInService--;
      this.#medium.destage(channel.runStart, channel.runLength);
      this.#pump();
      return;
    }
    this.#requestsInService--;
    if (request.op === 'flush') this.#isFlushing = false;
    this.#reserved -= channel.reserved;
    this.#lastRequestAt = this.#simulation.now;
    if (!channel.abandoned) {
      if (failed) this.#errors++;
      else this.#perform(request, memory, sectors);
      request.done(failed ? 'EIO' : undefined);
    }
    this.#pump();
  }

  /** What the request was for. */
  #perform(request: BlockRequest, memory: MachineMemory, sectors: number): void {
    switch (request.op) {
      case 'read':
        this.#medium.read(request, memory);
        this.#reads++;
        this.#sectorsRead += sectors;
        break;
      case 'write':
        this.#medium.write(request, memory, sectors, this.#simulation.now);
        this.#writes++;
        this.#sectorsWritten += sectors;
        break;
      case 'flush':
        this.#flushes++;
        break;
    }
  }
}
