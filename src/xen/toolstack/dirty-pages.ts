/**
 * Dirty pages of a guest that has crashed, written home by domain 0: what Rio does at its warm
 * reboot.
 *
 * The guest registers which block a page is newer than (cache_map_op dirty), in the frame's record.
 * When the guest is gone and its requests have drained, every registered page is written to its
 * block. Pages are written upwards, neighbours in one request, and then the drive's cache is
 * flushed. A page that has been written is clean like any other. Whether it is kept or scrubbed
 * then is decided afterwards (rebuild.ts).
 *
 * A page is written only if all of this verifies:
 * - the record's check word;
 * - owner and pfn are those of the P2M list;
 * - the CRC-32C, where checksums are on;
 * - nothing else has written to the disk since the guest was booted;
 * - the device has the block, and no other page wants it.
 *
 * Each page that is not written is counted with the reason. A damaged record is counted whether its
 * page was dirty or not, since that is unknown.
 *
 * Modelled after Rio (Chen et al., ASPLOS 1996). Rio keeps its registry in protected memory, and
 * restores the file cache in two steps while the kernel boots. Differs in that domain 0 does it,
 * which has not crashed. All pages are written by block: metadata too are blocks here. A page that
 * a program stores to through its own page table has no checksum.
 */

import { runsOf } from '../../base/runs.ts';
import { type DomId, Mfn, PAGE_SIZE, SECTORS_PER_PAGE } from '../../base/units.ts';
import { type Process, WaitQueue } from '../../sim/simulation.ts';
import { Completion } from '../../sim/completion.ts';
import type { BoundDevice } from '../records/devices.ts';
import type { DirtyPages } from '../domain/domain.ts';
import { ownerOfDomain } from '../frames/frame-record.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { NO_FRAME, type P2mList } from '../frames/p2m.ts';
import { noReasons, Reason, REASON_NAMES, type ReasonCode, type ReasonCounts } from '../public/reason.ts';

/** Pages of one request: 128 KiB, about what a request of 2.6 holds (max_sectors 255). */
const PAGES_PER_REQUEST = 32;
/** Requests in flight: the queue of a 2.6 block device. */
const REQUESTS = 128;

/** What the pages are found and written with. */
export type WriterHost = Pick<Hypervisor, 'frames' | 'map' | 'protections' | 'costs' | 'domain0Cpu'>;

/** A page and the block it goes to. */
interface Registered {
  readonly mfn: Mfn;
  readonly block: number;
}

/**
 * Writes the dirty pages of a domain that was taken down and drained; the time is domain 0's and
 * the drive's.
 */
export function* writeDirtyPages(
  hypervisor: WriterHost,
  domid: DomId,
  disk: BoundDevice,
  p2m: P2mList,
): Process<DirtyPages> {
  const lost = noReasons();
  const pages = registeredPages(hypervisor, domid, disk, p2m, lost);
  const writer = new HomeWriter(hypervisor, disk);
  const failed = yield* writer.write(runsOf(pages, ({ block }) => block, PAGES_PER_REQUEST));
  // One bad sector costs one page.
  const single = yield* writer.write(failed.map((page) => [page]));
  lost.ioError += single.length;
  const written = pages.length - single.length;
  if (written > 0) yield* writer.flush();
  return { written, lost };
}

/** The pages that may be written, by block. */
function registeredPages(
  { frames, map, protections, costs, domain0Cpu }: WriterHost,
  domid: DomId,
  disk: BoundDevice,
  p2m: P2mList,
  lost: ReasonCounts,
): Registered[] {
  const owner = ownerOfDomain(domid);
  const blocks = Math.floor(disk.device.sectorCount / SECTORS_PER_PAGE);
  const found: Registered[] = [];
  const refuse = (reason: ReasonCode): void => {
    lost[REASON_NAMES[reason]!]++;
  };
  domain0Cpu.charge(costs.preserveNs * p2m.length);
  for (let pfn = 0; pfn < p2m.length; pfn++) {
    const mfn = Mfn(p2m.at(pfn));
    if (mfn === NO_FRAME || mfn < map.firstDomainMfn || mfn >= map.frameCount) continue;
    const isIntact = frames.isIntact(mfn) && frames.ownerOf(mfn) === owner && frames.pfnOf(mfn) === pfn;
    if (!isIntact) refuse(Reason.corruptRecord);
    else if (frames.isDirty(mfn)) {
      const block = frames.blockOf(mfn);
      const isChecked = protections.checksum && !frames.isOpen(mfn);
      if (isChecked) domain0Cpu.charge(costs.crcNsPerByte * PAGE_SIZE);
      if (disk.isChanged) refuse(Reason.diskChanged);
      else if (block >= blocks) refuse(Reason.ioError);
      else if (isChecked && !frames.matchesChecksum(mfn)) refuse(Reason.checksum);
      else found.push({ mfn, block });
    }
  }
  found.sort((a, b) => a.block - b.block || a.mfn - b.mfn);
  // Of several pages that want one block none can be told to be the right one.
  return found.filter(({ block }, i) => {
    const isAlone = found[i - 1]?.block !== block && found[i + 1]?.block !== block;
    if (!isAlone) refuse(Reason.duplicate);
    return isAlone;
  });
}

class HomeWriter {
  readonly #hypervisor: WriterHost;
  readonly #device: BoundDevice;
  readonly #ended = new WaitQueue('a write of dirty pages to end');
  #inFlight = 0;

  constructor(hypervisor: WriterHost, device: BoundDevice) {
    this.#hypervisor = hypervisor;
    this.#device = device;
  }

  /** Writes runs of pages; returns the pages of those that failed. */
  *write(all: readonly Registered[][]): Process<Registered[]> {
    const { costs, domain0Cpu } = this.#hypervisor;
    const failed: Registered[] = [];
    for (const run of all) {
      while (this.#inFlight === REQUESTS) yield this.#ended;
      domain0Cpu.charge(costs.blkbackRequestNs + costs.blkbackSegmentNs * run.length);
      yield* domain0Cpu.settle();
      this.#submit(run, failed);
    }
    while (this.#inFlight > 0) yield this.#ended;
    return failed;
  }

  #submit(run: readonly Registered[], failed: Registered[]): void {
    const { frames } = this.#hypervisor;
    const { number } = this.#device;
    for (const { mfn, block } of run) frames.beginWrite(mfn, number, block, block, true);
    this.#inFlight++;
    this.#device.submit({
      op: 'write',
      sector: run[0]!.block * SECTORS_PER_PAGE,
      segments: run.map(({ mfn }) => ({ mfn, offset: 0, length: PAGE_SIZE })),
      done: (error) => {
        for (const { mfn, block } of run) frames.endWrite(mfn, number, block, block, true, error === undefined);
        if (error !== undefined) failed.push(...run);
        this.#inFlight--;
        this.#ended.wakeAll();
      },
    });
  }

  /**
   * Whether it succeeds or not: what a drive does not write from its cache nobody learns any more.
   */
  *flush(): Process {
    const ended = new Completion('a flush of dirty pages to end');
    this.#device.submit({
      op: 'flush',
      sector: 0,
      segments: [],
      done: () => {
        ended.complete();
      },
    });
    yield* ended.wait();
  }
}
