/**
 * Cost profiles: every cost of the model as a named constant with its unit and where it comes from.
 *
 * A profile describes one machine. The names and meanings below are the only ones there are; a
 * profile gives each of them a value. The rooms that charge costs take plain numbers (`values`) and
 * declare what they need structurally, so that none of them depends on this file's shape. Units are
 * last in a name and repeated in `unit`.
 *
 * `fitted` marks constants that were chosen so that the model meets a figure of the paper. A result
 * that rests on them is no evidence for that figure. What was assumed or fitted has a `range`, and
 * `withConstants` (with-constants.ts) gives another value for it.
 *
 * Longer than other files: half of it is the table of meanings, a row a constant.
 */

import { checkObject } from '../base/argument-error.ts';
import type { Arch } from '../base/arch.ts';
import { type DriveTables, tablesText } from './drive-tables.ts';

export type { BufferRules, DriveTables } from './drive-tables.ts';

/**
 * Where values come from:
 * - slide: printed in the paper's slides;
 * - data sheet: printed in a data sheet or a published standard;
 * - derived: arithmetic on figures of the other kinds;
 * - assumed: a plausible figure of the time, from general knowledge; see the note;
 * - measured: measured, and published by others or noted down with the way it was done.
 */
export const CONSTANT_SOURCES = ['slide', 'data sheet', 'derived', 'assumed', 'measured'] as const;
/** Where a value comes from. */
export type ConstantSource = (typeof CONSTANT_SOURCES)[number];

/** Least and most that a constant may well be, both included. */
export type ConstantRange = readonly [low: number, high: number];

/** What every constant says of itself. */
export interface ConstantFigure {
  /** The number, in `unit`. */
  readonly value: number;
  /** ns, ns/B, ns/frame, B, MB/s (10^6 bytes), 1/min or none. */
  readonly unit: string;
  /** Where it comes from. */
  readonly provenance: ConstantSource;
  /** Chosen so that the model meets a figure of the paper. */
  readonly fitted: boolean;
  /** One line: the source, the derivation, or why it is plausible. */
  readonly note: string;
}

/** A constant that has a source. */
export interface FirmConstant extends ConstantFigure {
  readonly provenance: Exclude<ConstantSource, 'assumed'>;
  readonly fitted: false;
  /** How far the sources differ, where they do. */
  readonly range?: ConstantRange;
}

/** A constant that was assumed or fitted. */
export type LooseConstant = ConstantFigure &
  (
    | {
        /** Nothing better is known. */
        readonly provenance: 'assumed';
      }
    | {
        /** Chosen so that the model meets a figure of the paper. */
        readonly fitted: true;
      }
  ) & {
    /** Where the true value most likely lies; `value` is in it. */
    readonly range: ConstantRange;
  };

/** A cost or a size, and where it comes from. */
export type Constant = FirmConstant | LooseConstant;

const GUEST_MEANINGS = {
  syscallNs: 'one system call, in and out',
  pageLookupNs: 'finding one page in the page cache and taking and dropping a reference',
  copyNsPerByte: 'copying between the page cache and a program',
  clearNsPerByte: 'zeroing memory',
  pageAllocNs: 'allocating one page',
  pageFreeNs: 'freeing one page',
  pathComponentNs: 'looking up one path component that the dcache knows',
  direntNs: 'comparing one directory entry',
  inodeFillNs: 'filling an inode in memory from its block',
  getBlockNs: 'mapping one block of a file through a cached pointer',
  bioSubmitNs: 'the block layer and the front-end, per bio',
  interruptNs: 'taking one interrupt or event upcall',
  packetNs: 'one segment through the protocol stack and the network front-end',
  pageFaultNs: 'a page fault of a program, in and out, with the page-table entry set',
  contextSwitchNs: 'switching to another process',
  bootKernelNs: 'booting, from the first instruction to the root file system, without disk time',
  bootServicesNs: 'what services spend of the processor to start, without disk time',
  shutdownServicesNs: 'what services spend of the processor to stop, without disk time',
  killWaitNs: 'waiting between SIGTERM and SIGKILL for all processes, without the processor',
  suspendNs: 'the suspend handler, from the event to the hypercall',
  resumeNs: 'the resume handler, without what the drivers do',
  webRequestNs: "a web server's own instructions for one request, without its system calls",
  crashDetectNs: 'until the tool stack notices that a domain has crashed',
} as const;

const HYPERVISOR_MEANINGS = {
  hypercallNs: 'a hypercall that does nothing',
  cacheMapInsertNs: 'naming one page in the cache-mapping table',
  cacheMapEraseNs: 'erasing one name',
  cacheMapClaimNs: 'looking up one page and handing it over, or refusing it',
  cacheMapReleaseNs: 'giving one preserved page back',
  cacheMapRecencyNs: 'telling or asking the recency of one page',
  cacheMapDirtyNs: 'registering one page as dirty',
  eventSendNs: 'sending an event',
  domainSwitchNs: 'switching the processor to another domain',
  faultNs: 'a write-protection trap, in and out',
  protectNs: 'write-protecting one frame or undoing it, with the TLB entry',
  blkbackRequestNs: 'the block back-end, per request',
  blkbackSegmentNs: 'the block back-end, per segment: grant mapping and checks',
  nicPacketNs: 'one segment through the adapter: interrupt, driver and bridge',
  netbackPacketNs: 'the network back-end, per segment: grant mapping, checks and response',
  netbackNsPerByte: 'the network back-end, per byte: copying',
  netbackFlips: 'whether the network back-end gives pages to the guest (1) or copies into the pages of the guest (0)',
  netbackFlipNs: 'giving the page of a received segment to the guest, where the back-end does so',
  scrubNsPerByte: 'zeroing the memory of a domain that is gone',
  frameAllocNs: 'allocating one frame at domain build, with its P2M entry',
  indexRebuildNs: 'rebuilding the hash index, per record',
  preserveNs: 'examining one frame of a dying domain',
  crcNsPerByte: 'CRC-32C over a frame',
  storeMessageNs: 'one message to the store or from it, which serves one after the other',
  hotplugNs: 'the script that runs when a device is plugged in or out',
  domainBuildNs: 'the tool stack building a domain, without frames, devices and messages to the store',
  savePageNs: 'saving one page to a file, without the checksum and the disk',
  restorePageNs: 'restoring one page from a file, without the checksum, the frame and the disk',
  domain0ShutdownNs: 'stopping domain 0, beyond what a guest takes, while its back-ends work',
  handoverNs: 'the hypervisor writing down all suspended domains and emptying the CPU caches',
  processors: 'processors, which the guests share',
  installedBytes: 'memory of the machine; says only how much domain 0 has for its page cache',
  domain0OwnBytes: 'memory of domain 0 that its page cache does not get: kernel, programs',
  resetNs: 'reset of the machine, with the firmware',
  vmmBootNs: 'the hypervisor booting, without what depends on the memory',
  domain0BootNs: 'domain 0 booting, beyond what a guest takes, until its tool stack works',
  resumeSetupNs: 'the tool stack preparing to resume suspended domains, all of them together',
} as const;

const ROTATING_DISK_MEANINGS = {
  capacityBytes: 'size of the drive; an image lies at its outer edge',
  rpm: 'spindle speed',
  heads: 'recording surfaces',
  zones: 'zones of equal width with one number of sectors per track each',
  outerMBps: 'sustained rate of the outermost zone',
  innerMBps: 'sustained rate of the innermost zone',
  trackToTrackNs: 'seek over one cylinder',
  averageSeekNs: 'seek, mean over all pairs of cylinders',
  fullStrokeNs: 'seek over all cylinders',
  headSwitchNs: 'switch to another head of the same cylinder',
  readHitNs: 'overhead of a read that the buffer or the write cache holds',
  readMissNs: 'overhead of a read from the medium',
  writeNs: 'overhead of a write or flush',
  busMBps: 'host interface',
  readAheadBytes: 'one read segment: how far the drive reads ahead',
  readSegments: 'number of read segments',
  writeCacheBytes: 'volatile write cache',
  destageDelayNs: 'idle time before the write cache is written out',
} as const;

const NVME_MEANINGS = {
  readLatencyNs: 'a read alone, without its transfer',
  writeLatencyNs: 'a write alone, without command and transfer',
  commandNs: 'overhead of a write or flush command',
  channels: 'commands served at once',
  readMBps: 'sustained sequential read',
  writeMBps: 'sustained sequential write',
  writeCacheBytes: 'volatile write cache',
} as const;

const NIC_MEANINGS = {
  lineMBps: 'rate of the line, headers and gaps included',
  segmentBytes: 'payload of one full segment',
  segmentOverheadBytes: 'headers, preamble and gap of one segment',
  latencyNs: 'from the last bit sent until the other machine is interrupted',
  queueBytes: 'payload that the adapter takes before it says it is full',
} as const;

/**
 * What each constant of a section means. `disk` is a disk with platters, `nvme` a flash drive.
 * @internal
 */
export const MEANINGS = {
  guest: GUEST_MEANINGS,
  hypervisor: HYPERVISOR_MEANINGS,
  disk: ROTATING_DISK_MEANINGS,
  nvme: NVME_MEANINGS,
  nic: NIC_MEANINGS,
} as const;

const UNITS = [
  ['NsPerByte', 'ns/B'],
  ['Ns', 'ns'],
  ['Bytes', 'B'],
  ['MBps', 'MB/s'],
  ['rpm', '1/min'],
] as const;

/** The unit of a constant, in which its name ends; none for a count. @internal */
export const unitOfConstant = (name: string): string => UNITS.find(([end]) => name.endsWith(end))?.[1] ?? '';

/** Names of the costs of a guest; docs/reference/profiles.md has their meanings. */
export type GuestConstant = keyof typeof GUEST_MEANINGS;
/** Names of the costs of a hypervisor. */
export type HypervisorConstant = keyof typeof HYPERVISOR_MEANINGS;
/** Names of the constants of a disk with platters. */
export type RotatingDiskConstant = keyof typeof ROTATING_DISK_MEANINGS;
/** Names of the constants of a flash drive. */
export type NvmeConstant = keyof typeof NVME_MEANINGS;
/** Names of the constants of a network adapter. */
export type NicConstant = keyof typeof NIC_MEANINGS;

/** A value for each of `Name`, with its provenance. */
export type Section<Name extends string> = Readonly<Record<Name, Constant>>;
/** A plain number for each of `Name`. */
export type Values<Name extends string> = Readonly<Record<Name, number>>;

/** Costs of a guest as plain numbers: ns, or ns a byte. */
export type GuestCosts = Values<GuestConstant>;
/** Costs of a hypervisor as plain numbers: ns, or ns a byte. */
export type HypervisorCosts = Values<HypervisorConstant>;

/** A constant of a guest or of the hypervisor, as `fittedConstants` names it. */
export type CostName = `guest.${GuestConstant}` | `hypervisor.${HypervisorConstant}`;
/** Any constant of a profile, by its section and name. */
export type ConstantName = CostName | `disk.${RotatingDiskConstant | NvmeConstant}` | `nic.${NicConstant}`;

/** The drive of a profile. */
export type DiskSection = RotatingDiskSection | NvmeSection;

/** A disk with platters. */
export interface RotatingDiskSection {
  /** Says that it is one. */
  readonly kind: 'disk';
  /** What it is called. */
  readonly model: string;
  /** Its constants. */
  readonly constants: Section<RotatingDiskConstant>;
  /** Tables that were measured at it; by default the constants say all. */
  readonly tables?: DriveTables;
}

/** A flash drive. */
export interface NvmeSection {
  /** Says that it is one. */
  readonly kind: 'nvme';
  /** What it is called. */
  readonly model: string;
  /** Its constants. */
  readonly constants: Section<NvmeConstant>;
}

/** A network adapter. */
export interface NicSection {
  /** What it is called. */
  readonly model: string;
  /** Its constants. */
  readonly constants: Section<NicConstant>;
}

/** The architecture of a machine, and where that comes from. */
export interface ArchSection {
  /** The architecture. */
  readonly value: Arch;
  /** Where it comes from. */
  readonly provenance: ConstantSource;
  /** One line: the source, or why it is plausible. */
  readonly note: string;
}

/** A machine. */
export interface Profile {
  /** Its name on the command line, and in results. */
  readonly name: string;
  /** One paragraph: what machine this is and which of its figures are firm. */
  readonly description: string;
  /** What experiments on this machine run on by default. */
  readonly arch: ArchSection;
  /** Costs of a guest kernel. */
  readonly guest: Section<GuestConstant>;
  /** Costs of the hypervisor and of domain 0. */
  readonly hypervisor: Section<HypervisorConstant>;
  /** Its drive. */
  readonly disk: DiskSection;
  /** Its network adapter. */
  readonly nic: NicSection;
}

/**
 * A profile as a user writes it, whole or a part of one. What it leaves out is that of the profile
 * that it extends.
 */
export interface ProfileSource {
  /** Name and version of the format of a file. */
  readonly schema?: 'stillwarm/profile@1';
  /** A letter or digit, then up to 63 of those, `.`, `_`, `+` and `-`. */
  readonly name: string;
  /**
   * Name of the profile from which it takes what it leaves out; without it, nothing is left out.
   */
  readonly extends?: string;
  /** What machine this is. */
  readonly description?: string;
  /** What experiments on this machine run on by default. */
  readonly arch?: ArchSection;
  /** Costs of a guest kernel. */
  readonly guest?: Partial<Section<GuestConstant>>;
  /** Costs of the hypervisor and of domain 0. */
  readonly hypervisor?: Partial<Section<HypervisorConstant>>;
  /** Its drive. A drive of another kind than that of the extended profile leaves nothing out. */
  readonly disk?: PartialDiskSection;
  /** Its network adapter. */
  readonly nic?: {
    /** What it is called. */
    readonly model?: string;
    /** Its constants. */
    readonly constants?: Partial<Section<NicConstant>>;
  };
}

/** A drive, or what differs of it from that of the profile that is extended. */
export type PartialDiskSection =
  | {
      /** A disk with platters. */
      readonly kind: 'disk';
      /** What it is called. */
      readonly model?: string;
      /** Its constants. */
      readonly constants?: Partial<Section<RotatingDiskConstant>>;
    }
  | {
      /** A flash drive. */
      readonly kind: 'nvme';
      /** What it is called. */
      readonly model?: string;
      /** Its constants. */
      readonly constants?: Partial<Section<NvmeConstant>>;
    };

/** The plain numbers of a section, as the rooms that charge them want them. */
export function values<Name extends string>(section: Section<Name>): Values<Name> {
  checkObject('section', section);
  // Made in one go: an object that gets many properties one by one becomes a hash table.
  const entries = Object.entries<Constant>(section).map(([name, { value }]) => [name, value]);
  return Object.fromEntries(entries) as Record<Name, number>;
}

/** Every constant by its name, such as `guest.copyNsPerByte`, in the order of the tables. */
export function constantsOf(profile: Profile): Map<ConstantName, Constant> {
  checkObject('profile', profile, 'guest', 'hypervisor', 'disk', 'nic');
  return new Map(
    sectionsOf(profile).flatMap(({ prefix, meanings, constants }) =>
      Object.keys(meanings).map((name) => [`${prefix}.${name}` as ConstantName, constants[name]!]),
    ),
  );
}

/**
 * Names of the constants that were fitted to the paper, as `guest.copyNsPerByte`, in the order of
 * the tables.
 * @param unused constants that the result does not rest on
 */
export function fittedConstants(profile: Profile, unused: readonly CostName[] = []): string[] {
  return [...constantsOf(profile)]
    .filter(([name, { fitted }]) => fitted && !(unused as readonly string[]).includes(name))
    .map(([name]) => name);
}

/** The profile as Markdown, for docs/reference/profiles.md. */
export function profileTable(profile: Profile): string {
  const { value, provenance, note } = profile.arch;
  const parts = [`## ${profile.name}`, profile.description, `Architecture: \`${value}\` (${provenance}: ${note}).`];
  for (const section of sectionsOf(profile)) parts.push(`### ${section.title}`, sectionTable(section));
  return parts.join('\n\n');
}

/** A drive that belongs to no machine as Markdown. */
export function driveTable(disk: DiskSection): string {
  const section = diskSectionOf(disk);
  const tables = disk.kind === 'disk' && disk.tables !== undefined ? `\n\n${tablesText(disk.tables)}` : '';
  return `### ${section.title}\n\n${sectionTable(section)}${tables}`;
}

function sectionTable({ meanings, constants }: TitledSection): string {
  const rows = Object.entries(meanings).map(([name, meaning]) => {
    const { value, range, unit, provenance, fitted, note } = constants[name]!;
    const from = fitted ? `${provenance}, **fitted**` : provenance;
    const spread = range?.map(grouped).join(' – ') ?? '';
    return `| \`${name}\` | ${grouped(value)} | ${spread} | ${unit} | ${meaning} | ${from} | ${note} |`;
  });
  return [
    '| constant | value | range | unit | meaning | provenance | note |',
    '|---|---:|---:|---|---|---|---|',
    ...rows,
  ].join('\n');
}

interface TitledSection {
  readonly title: string;
  readonly prefix: 'guest' | 'hypervisor' | 'disk' | 'nic';
  readonly meanings: Readonly<Record<string, string>>;
  readonly constants: Readonly<Record<string, Constant>>;
}

function diskSectionOf(disk: DiskSection): TitledSection {
  const meanings = disk.kind === 'disk' ? ROTATING_DISK_MEANINGS : NVME_MEANINGS;
  return { title: `Drive: ${disk.model}`, prefix: 'disk', meanings, constants: disk.constants };
}

function sectionsOf({ guest, hypervisor, disk, nic }: Profile): TitledSection[] {
  return [
    { title: 'Guest', prefix: 'guest', meanings: GUEST_MEANINGS, constants: guest },
    { title: 'Hypervisor', prefix: 'hypervisor', meanings: HYPERVISOR_MEANINGS, constants: hypervisor },
    diskSectionOf(disk),
    { title: `Network: ${nic.model}`, prefix: 'nic', meanings: NIC_MEANINGS, constants: nic.constants },
  ];
}

/** 8500000 → 8,500,000; fractions keep their digits. */
function grouped(value: number): string {
  const [whole, fraction] = String(value).split('.');
  const separated = whole!.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? separated : `${separated}.${fraction}`;
}
