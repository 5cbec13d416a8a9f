/**
 * A server of 2026: DDR5, NVMe, a hypervisor that uses hardware virtualization. No figure of the
 * paper concerns it, so nothing is fitted. Nearly everything is assumed, to one digit and known to
 * a factor of two.
 */

import type { ConstantRange, FirmConstant, LooseConstant, Profile } from '../profile.ts';

/** Known to a factor of two, unless the range says otherwise. */
const assumed = (
  value: number,
  unit: string,
  note: string,
  range: ConstantRange = [value / 2, value * 2],
): LooseConstant => ({ value, range, unit, provenance: 'assumed', fitted: false, note });
const dataSheet = (value: number, unit: string, note: string): FirmConstant => ({
  value,
  unit,
  provenance: 'data sheet',
  fitted: false,
  note,
});

/** A server of 2026, with a flash drive. Nothing in it was fitted. */
export const SERVER_2026: Profile = {
  name: 'server-2026',
  description:
    'A server of 2026: a 4 GHz core, DDR5, one enterprise NVMe drive with protected buffers, hardware virtualization. ' +
    'Nothing in it was measured for this model; use it to see which conclusions survive fast storage.',
  arch: { value: 'x86_64', provenance: 'assumed', note: 'every server processor of the time' },
  guest: {
    syscallNs: assumed(120, 'ns', 'with mitigations against speculation'),
    pageLookupNs: assumed(50, 'ns', 'one cache miss, two atomic operations'),
    copyNsPerByte: assumed(0.08, 'ns/B', '12 GB/s, one core, source not in the processor cache'),
    clearNsPerByte: assumed(0.04, 'ns/B', '25 GB/s, one core'),
    pageAllocNs: assumed(50, 'ns', 'per-CPU list, memory-cgroup charge'),
    pageFreeNs: assumed(40, 'ns', 'as pageAllocNs'),
    pathComponentNs: assumed(60, 'ns', 'lockless walk, one cache miss'),
    direntNs: assumed(5, 'ns', 'length compare, rarely a name compare', [2, 10]),
    inodeFillNs: assumed(300, 'ns', 'slab allocation, about forty fields, hash insertion'),
    getBlockNs: assumed(40, 'ns', 'block-pointer path and one load'),
    bioSubmitNs: assumed(700, 'ns', 'multi-queue block layer and one ring slot with its grants'),
    interruptNs: assumed(600, 'ns', 'posted interrupt and handler'),
    packetNs: assumed(900, 'ns', 'TCP/IP both ways through a socket, about 3,000 cycles'),
    pageFaultNs: assumed(500, 'ns', 'exception in and out with mitigations, lookup of the range, one entry'),
    contextSwitchNs: assumed(1_000, 'ns', 'with mitigations against speculation'),
    bootKernelNs: assumed(0.8e9, 'ns', 'a small virtual machine kernel'),
    bootServicesNs: assumed(3e9, 'ns', 'services started in parallel'),
    shutdownServicesNs: assumed(2e9, 'ns', 'services stopped in parallel'),
    killWaitNs: assumed(0, 'ns', 'systemd goes on as soon as the last process has ended', [0, 1e9]),
    suspendNs: assumed(20e6, 'ns', 'freezing processes and devices of a small guest'),
    resumeNs: assumed(1e6, 'ns', 'rebinding events, clock'),
    webRequestNs: assumed(25_000, 'ns', 'about 100,000 cycles: the same instructions on a wider core'),
    crashDetectNs: assumed(0.1e9, 'ns', 'an event to a daemon that listens'),
  },
  hypervisor: {
    hypercallNs: assumed(400, 'ns', 'VM exit and entry'),
    cacheMapInsertNs: assumed(50, 'ns', 'two cache misses, partly overlapped'),
    cacheMapEraseNs: assumed(40, 'ns', 'one record, one hash bucket'),
    cacheMapClaimNs: assumed(70, 'ns', 'hash probe, compare, two stores'),
    cacheMapReleaseNs: assumed(40, 'ns', 'as cacheMapEraseNs'),
    cacheMapRecencyNs: assumed(25, 'ns', 'two loads, of which one misses: P2M entry and recency', [15, 50]),
    cacheMapDirtyNs: assumed(50, 'ns', 'as cacheMapInsertNs, without the bucket; one word more is compared'),
    eventSendNs: assumed(600, 'ns', 'VM exit and an interrupt to another core'),
    domainSwitchNs: assumed(1_500, 'ns', 'state of a virtual processor'),
    faultNs: assumed(1_000, 'ns', 'exit for a second-level page-table violation'),
    protectNs: assumed(200, 'ns', 'one second-level entry; the flush is batched'),
    blkbackRequestNs: assumed(2_000, 'ns', 'back-end thread, bio, completion and response'),
    blkbackSegmentNs: assumed(150, 'ns', 'persistent grants: checks only'),
    nicPacketNs: assumed(700, 'ns', 'interrupt, driver and forwarding'),
    netbackPacketNs: assumed(600, 'ns', 'persistent grants, request and response'),
    netbackNsPerByte: assumed(0.08, 'ns/B', 'a copy at 12 GB/s'),
    netbackFlips: dataSheet(0, '', 'the back-end of Linux copies'),
    netbackFlipNs: assumed(600, 'ns', 'not charged here; two page-table entries and a TLB flush'),
    scrubNsPerByte: assumed(0.04, 'ns/B', 'as clearNsPerByte'),
    frameAllocNs: assumed(50, 'ns', 'from large orders, split'),
    indexRebuildNs: assumed(20, 'ns', 'one sequential read, one bucket elsewhere'),
    preserveNs: assumed(10, 'ns', 'one record read in order, one store'),
    crcNsPerByte: assumed(0.06, 'ns/B', 'crc32 instruction, three streams, bound by memory'),
    storeMessageNs: assumed(
      50_000,
      'ns',
      'a daemon that keeps everything in memory, and two switches',
      [20_000, 200_000],
    ),
    hotplugNs: assumed(20e6, 'ns', '10 to 40 programs started by a shell, 1 ms each', [10e6, 40e6]),
    domainBuildNs: assumed(0.15e9, 'ns', 'configuration and kernel image'),
    savePageNs: assumed(800, 'ns', 'copying 4 KiB twice at 20 GB/s, mapping in batches, the file system'),
    restorePageNs: assumed(800, 'ns', 'as savePageNs'),
    domain0ShutdownNs: assumed(3e9, 'ns', 'a tool stack and real devices, in parallel'),
    handoverNs: assumed(10e6, 'ns', 'a few kilobytes a domain, write-back of the caches'),
    processors: assumed(16, '', 'cores of a small server'),
    installedBytes: assumed(64 * 2 ** 30, 'B', 'a small server'),
    domain0OwnBytes: assumed(1 * 2 ** 30, 'B', 'a server distribution with its services'),
    resetNs: assumed(2e9, 'ns', 'kexec: no firmware'),
    vmmBootNs: assumed(1e9, 'ns', 'a hypervisor with few devices of its own'),
    domain0BootNs: assumed(4.2e9, 'ns', 'real devices and a tool stack of a server distribution'),
    resumeSetupNs: assumed(0.1e9, 'ns', 'start of the tool stack'),
  },
  disk: {
    kind: 'nvme',
    model: 'enterprise NVMe, PCIe 4.0 ×4',
    constants: {
      readLatencyNs: dataSheet(70_000, 'ns', '4 KiB random read, queue depth 1: 65 to 85 µs'),
      writeLatencyNs: dataSheet(
        10_000,
        'ns',
        '4 KiB random write into the protected buffer: 10 to 15 µs with the command',
      ),
      commandNs: assumed(3_000, 'ns', 'doorbell, fetch of the command, completion entry'),
      channels: assumed(64, '', 'commands that the flash serves in parallel'),
      readMBps: dataSheet(6_800, 'MB/s', '128 KiB sequential read'),
      writeMBps: dataSheet(4_000, 'MB/s', '128 KiB sequential write'),
      writeCacheBytes: dataSheet(0, 'B', 'the buffer is protected against power loss, so it is not volatile'),
    },
  },
  nic: {
    model: '25 gigabit Ethernet, a cable without a switch',
    constants: {
      lineMBps: dataSheet(3_125, 'MB/s', '25 Gbit/s (IEEE 802.3by)'),
      segmentBytes: assumed(
        1_448,
        'B',
        '1500 B less IP and TCP headers with timestamps: 2,942 MB/s of payload; jumbo frames carry 8,948 B',
        [1_448, 8_948],
      ),
      segmentOverheadBytes: assumed(
        90,
        'B',
        '38 B of Ethernet with preamble and gap, 20 B IP, 32 B TCP, 12 of them time stamps',
        [78, 90],
      ),
      latencyNs: assumed(5_000, 'ns', 'DMA on both sides and an interrupt'),
      queueBytes: assumed(1_048_576, 'B', 'a ring of 1,024 descriptors, about 1 KiB each', [262_144, 4_194_304]),
    },
  },
};
