/**
 * The paper's server: Pentium 4 3.0 GHz, 2 GB PC3200, a 160 GB SATA disk, Xen 3.0.0 and Linux
 * 2.6.12.
 *
 * The slides print the machine, the four boot and shutdown times and the ratio of a cold run to a
 * warm one; hardly any cost. Constants that follow from them are marked fitted. Everything else is
 * a figure of that time, and was not adjusted to the paper.
 */

import type { ConstantRange, ConstantSource, FirmConstant, LooseConstant, Profile } from '../profile.ts';

const constant = (
  value: number,
  unit: string,
  provenance: Exclude<ConstantSource, 'assumed'>,
  note: string,
): FirmConstant => ({ value, unit, provenance, fitted: false, note });
const fitted = (
  value: number,
  range: ConstantRange,
  unit: string,
  provenance: ConstantSource,
  note: string,
): LooseConstant => ({ value, range, unit, provenance, fitted: true, note });
const assumed = (value: number, range: ConstantRange, unit: string, note: string): LooseConstant => ({
  value,
  range,
  unit,
  provenance: 'assumed',
  fitted: false,
  note,
});

/** The machine of the paper, of 2006. */
export const PENTIUM4_2006: Profile = {
  name: 'pentium4-2006',
  description:
    "The paper's server: Pentium 4 3.0 GHz, 2 GB PC3200 DDR, 160 GB SATA disk, Xen 3.0.0 with Linux 2.6.12 guests. " +
    'A cached 4 KiB `read()` costs `syscallNs` + `pageLookupNs` + 4096 × `copyNsPerByte` = 3.3 µs.',
  arch: {
    value: 'x86_32',
    provenance: 'derived',
    note: 'the slides name x86_64 and larger memories as future work',
  },
  guest: {
    syscallNs: assumed(
      400,
      [144, 500],
      'ns',
      '144 ns (sysenter) to 500 ns (int 0x80) reported for a Pentium 4; a Xen guest uses int 0x80',
    ),
    pageLookupNs: assumed(180, [100, 300], 'ns', 'radix tree of height 2 to 3, one cache miss, two locked operations'),
    copyNsPerByte: fitted(
      0.667,
      [0.667, 1.25],
      'ns/B',
      'derived',
      '1.5 GB/s; machines of the time copied 0.8 to 1.5 GB/s. Makes a cached read of 4 KiB cost 3.3 µs, of the 3.0 to 3.5 µs that follow from a cold file run at 4.3 % of a warm one',
    ),
    clearNsPerByte: assumed(0.5, [0.4, 0.667], 'ns/B', '2 GB/s; 1.5 to 2.5 GB/s on PC3200'),
    pageAllocNs: assumed(150, [75, 300], 'ns', 'per-CPU list, now and then a batch from the buddy allocator'),
    pageFreeNs: assumed(120, [60, 240], 'ns', 'as pageAllocNs, without accounting'),
    pathComponentNs: assumed(300, [150, 600], 'ns', 'hash of the name, one chain, one or two cache misses'),
    direntNs: assumed(25, [10, 50], 'ns', 'length compare, rarely a name compare'),
    inodeFillNs: assumed(1_000, [500, 2_000], 'ns', 'slab allocation, about forty fields, hash insertion'),
    getBlockNs: assumed(150, [75, 300], 'ns', 'block-pointer path and one load'),
    bioSubmitNs: assumed(
      2_000,
      [1_000, 4_000],
      'ns',
      'bio and request allocation, merging, one ring slot with its grants',
    ),
    interruptNs: assumed(1_500, [750, 3_000], 'ns', 'upcall, dispatch of the port, handler entry and exit'),
    packetNs: assumed(5000, [2_500, 10_000], 'ns', 'TCP/IP both ways through a socket, about 15,000 cycles'),
    pageFaultNs: assumed(
      2_000,
      [1_420, 4_000],
      'ns',
      'a trap through the hypervisor, the lookup of the range, one page-table update by hypercall',
    ),
    contextSwitchNs: assumed(
      3_000,
      [1_500, 6_000],
      'ns',
      'page-table switch through the hypervisor and the TLB refill after it',
    ),
    bootKernelNs: assumed(
      1.5e9,
      [0.8e9, 3e9],
      'ns',
      'a kernel without firmware and few drivers; calibration, memory map, network, first programs',
    ),
    bootServicesNs: assumed(
      5e9,
      [3e9, 8e9],
      'ns',
      'start scripts of a server run 600 to 1,600 processes; one by a shell takes 4.8 ms under Xen on a processor of that time (lmbench: Barham et al., SOSP 2003)',
    ),
    shutdownServicesNs: assumed(
      1.5e9,
      [0.8e9, 3e9],
      'ns',
      'as bootServicesNs; stop scripts run about a third as many processes',
    ),
    killWaitNs: assumed(5e9, [3e9, 10e9], 'ns', 'stop scripts of sysvinit call killall5 -15, sleep 5, killall5 -9'),
    suspendNs: fitted(
      0.38e9,
      [0.1e9, 0.5e9],
      'ns',
      'derived',
      'six VMs, one after the other, are suspended in 2.3 s. No mechanism is known: the handler is not known to do anything that takes so long',
    ),
    resumeNs: assumed(1e6, [0.1e6, 10e6], 'ns', 'rebinding events, P2M frame lists, clock: microseconds each'),
    crashDetectNs: assumed(
      1e9,
      [0.05e9, 2e9],
      'ns',
      'the event reaches the tool stack at once; its daemon acts within a second',
    ),
    webRequestNs: assumed(
      100_000,
      [50_000, 200_000],
      'ns',
      'Apache 1.3 takes some 300,000 cycles a request in the measurements of its time, half of them or more in the kernel',
    ),
  },
  hypervisor: {
    hypercallNs: assumed(350, [200, 500], 'ns', '0.2 to 0.5 µs on this processor'),
    cacheMapInsertNs: assumed(
      200,
      [100, 400],
      'ns',
      'checks, four words into the record, one hash bucket: two cache misses',
    ),
    cacheMapEraseNs: assumed(150, [75, 300], 'ns', 'one record, one hash bucket'),
    cacheMapClaimNs: assumed(250, [125, 500], 'ns', 'hash probe, compare, two stores'),
    cacheMapReleaseNs: assumed(150, [75, 300], 'ns', 'as cacheMapEraseNs'),
    cacheMapRecencyNs: assumed(100, [50, 200], 'ns', 'two loads that miss: P2M entry and recency'),
    cacheMapDirtyNs: assumed(
      200,
      [100, 400],
      'ns',
      'as cacheMapInsertNs, without the bucket; one word more is compared',
    ),
    eventSendNs: assumed(1_000, [500, 2_000], 'ns', 'hypercall, two bitmap words, waking the other domain'),
    domainSwitchNs: assumed(4_000, [3_000, 5_000], 'ns', '3 to 5 µs with the address-space switch'),
    faultNs: constant(
      2_730,
      'ns',
      'measured',
      'page fault under Xen 2.73 µs, native 1.42 µs (Barham et al., SOSP 2003)',
    ),
    protectNs: assumed(300, [150, 600], 'ns', 'one page-table entry and one TLB entry'),
    blkbackRequestNs: assumed(8_000, [4_000, 16_000], 'ns', 'back-end thread, bio, completion and response'),
    blkbackSegmentNs: assumed(800, [400, 1_600], 'ns', 'grant map and unmap, each with a TLB entry'),
    nicPacketNs: assumed(4000, [2_000, 8_000], 'ns', 'interrupt, driver and forwarding'),
    netbackPacketNs: assumed(
      5000,
      [2_500, 10_000],
      'ns',
      'grant map and unmap, request and response; the three together are more than the 12.3 µs of a full packet at line rate',
    ),
    netbackNsPerByte: assumed(
      0.9,
      [0.667, 1.25],
      'ns/B',
      'as savePageNs: a copy at about 1.1 GB/s. Where pages are given, of the 64 bytes of headers of what is sent',
    ),
    netbackFlips: constant(
      1,
      '',
      'derived',
      'netback of Xen 3.0.0 transfers a page for each received packet; copying into pages of the guest came with 3.0.3',
    ),
    netbackFlipNs: assumed(
      2_000,
      [1_000, 4_000],
      'ns',
      'a batch of hypercalls: two page-table entries, the P2M entry, the change of the owner, and a share of the TLB flush',
    ),
    scrubNsPerByte: assumed(0.5, [0.4, 0.667], 'ns/B', 'as clearNsPerByte'),
    frameAllocNs: assumed(300, [150, 1_000], 'ns', 'order-0 allocation, P2M and M2P entries through the tool stack'),
    indexRebuildNs: assumed(80, [40, 160], 'ns', 'one sequential read, one bucket elsewhere'),
    preserveNs: assumed(60, [30, 120], 'ns', 'one record read in order, one store'),
    crcNsPerByte: assumed(0.9, [0.6, 2.5], 'ns/B', 'table-driven, eight bytes a step, about 2.7 cycles a byte'),
    storeMessageNs: {
      ...constant(
        5.8e6,
        'ns',
        'derived',
        '84 to 92 ms from the request until a guest had suspended, through xend and the store, and 1 ms by an event channel, on a Pentium 4 (Cully, xen-devel, July 2008), in 15 messages: three transactions of xend, one of the guest, two watches. A run of May 2007 gives 3.2 to 6.5 ms. With the waits of the processes that take part',
      ),
      range: [3.2e6, 6.5e6],
    },
    hotplugNs: assumed(
      0.1e9,
      [0.05e9, 0.2e9],
      'ns',
      '10 to 40 programs started by a shell; one takes 4.8 ms under Xen (lmbench: Barham et al., SOSP 2003)',
    ),
    domainBuildNs: assumed(
      0.3e9,
      [0.1e9, 1e9],
      'ns',
      'start of xm, a program in Python; configuration, unpacking the kernel image',
    ),
    savePageNs: assumed(
      7_500,
      [6_000, 13_000],
      'ns',
      'copying 4 KiB twice, to the tool and to the page cache, at copyNsPerByte; mapping the frame, and the file system: 1 µs each',
    ),
    restorePageNs: assumed(7_500, [6_000, 13_000], 'ns', 'as savePageNs, the other way round'),
    domain0ShutdownNs: fitted(
      10.5e9,
      [5e9, 15e9],
      'ns',
      'derived',
      'warm-VM hides about 17 s of a cycle of about 55 s, during which the guests still serve; less shutdownServicesNs and killWaitNs. How the paper stopped domain 0, and what ran there, is not known',
    ),
    handoverNs: {
      ...constant(
        1.5e6,
        'ns',
        'derived',
        'a second-level cache of 1 MiB (data sheet: 512 KiB to 2 MiB), all of it dirty, at the 0.5 to 1 GB/s of writing back single lines; the states are a few kilobytes',
      ),
      range: [0.5e6, 4e6],
    },
    processors: constant(1, '', 'slide', 'one Pentium 4 3.0 GHz'),
    installedBytes: constant(2 * 2 ** 30, 'B', 'slide', '2 GB PC3200 DDR'),
    domain0OwnBytes: assumed(
      128 * 2 ** 20,
      [64 * 2 ** 20, 256 * 2 ** 20],
      'B',
      'a kernel, xend in Python and a login; of the order of 100 MB in 2006',
    ),
    resetNs: assumed(8e9, [3e9, 15e9], 'ns', 'quick boot of a BIOS of the time'),
    vmmBootNs: assumed(2e9, [1e9, 4e9], 'ns', 'Xen 3.0, boot loader included'),
    domain0BootNs: fitted(
      19.1e9,
      [9.6e9, 28.6e9],
      'ns',
      'derived',
      'the rest of the cycle of about 55 s: less 17 s, resetNs, vmmBootNs, bootKernelNs, bootServicesNs and 2.4 s in which services read their 40 MB. Finding disks and network, and the start of xend: each takes seconds, none was measured there',
    ),
    resumeSetupNs: assumed(
      0.2e9,
      [0.1e9, 0.6e9],
      'ns',
      'start of xm, a program in Python, right after a boot: reading its modules',
    ),
  },
  disk: {
    kind: 'disk',
    model: '160 GB SATA, 7200 rpm, 8 MB buffer (2004)',
    constants: {
      capacityBytes: constant(160e9, 'B', 'slide', '160 GB SATA disk'),
      rpm: constant(7200, '1/min', 'data sheet', '7200 rpm drives of 2004'),
      heads: constant(4, '', 'data sheet', 'two platters of 80 GB'),
      zones: assumed(16, [8, 32], '', 'data sheets of the time rarely say; 16 steps are near a straight line'),
      outerMBps: {
        ...constant(61, 'MB/s', 'measured', 'drive reviews of 2004 and 2005: 61 to 68 MB/s'),
        range: [61, 68],
      },
      innerMBps: {
        ...constant(30, 'MB/s', 'measured', 'drive reviews of 2004 and 2005: 30 to 33 MB/s'),
        range: [30, 33],
      },
      trackToTrackNs: { ...constant(1e6, 'ns', 'data sheet', '0.8 ms (read) to 1.0 ms (write)'), range: [0.8e6, 1e6] },
      averageSeekNs: constant(8.5e6, 'ns', 'data sheet', '8.5 ms'),
      fullStrokeNs: constant(14.7e6, 'ns', 'data sheet', 'about 14.7 ms'),
      headSwitchNs: constant(1.4e6, 'ns', 'data sheet', '1.4 ms in a data sheet of a slightly older drive'),
      readHitNs: assumed(0.2e6, [0.05e6, 0.6e6], 'ns', '0.07 to 0.6 ms in drives of 1997 and 1998 (DiskSim 4.0)'),
      readMissNs: assumed(0.2e6, [0.1e6, 0.6e6], 'ns', '0.1 to 0.6 ms in the same drives'),
      writeNs: assumed(
        0.2e6,
        [0.1e6, 1.1e6],
        'ns',
        '0.5 to 1.1 ms in the same drives, whose controllers are seven years older',
      ),
      busMBps: constant(150, 'MB/s', 'data sheet', 'SATA at 1.5 Gbit/s'),
      readAheadBytes: assumed(393_216, [131_072, 1_048_576], 'B', '6 MiB of the 8 MiB buffer in 16 segments'),
      readSegments: assumed(16, [4, 32], '', 'data sheets of the time say up to 16 adaptive segments'),
      writeCacheBytes: assumed(2_097_152, [1_048_576, 6_291_456], 'B', '2 MiB of the 8 MiB buffer'),
      destageDelayNs: constant(
        0,
        'ns',
        'measured',
        'response times of a Barracuda and a Cheetah of 1997 and 1998 (DiskSim 4.0) fit best when destaging begins at once',
      ),
    },
  },
  nic: {
    model: 'gigabit Ethernet, a cable without a switch',
    constants: {
      lineMBps: constant(125, 'MB/s', 'data sheet', '1 Gbit/s (IEEE 802.3ab)'),
      segmentBytes: constant(
        1_448,
        'B',
        'derived',
        '1500 B less IP and TCP headers with timestamps: 117.7 MB/s of payload',
      ),
      segmentOverheadBytes: constant(90, 'B', 'derived', '38 B of Ethernet with preamble and gap, 20 B IP, 32 B TCP'),
      latencyNs: assumed(
        30_000,
        [10_000, 100_000],
        'ns',
        'DMA on both sides and an interrupt that the adapter holds back a little',
      ),
      queueBytes: assumed(262_144, [131_072, 1_048_576], 'B', 'a ring of 256 descriptors, about 1 KiB each'),
    },
  },
};
