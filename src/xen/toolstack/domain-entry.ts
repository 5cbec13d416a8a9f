/**
 * What the tool stack knows of one domain: its configuration, as a configuration file would say it,
 * and where its frames are.
 */

import { checkObject, checkText } from '../../base/argument-error.ts';
import type { MacAddress } from '../../base/ethernet.ts';
import type { DomId, Mfn } from '../../base/units.ts';
import { type BlockDevice, checkBlockDevice } from '../../disk/drive/block-device.ts';
import type { LeftDomain } from '../core/quick-reload.ts';
import type { Domain } from '../domain/domain.ts';
import type { Lifecycle } from '../domain/lifecycle.ts';
import { P2mList } from '../frames/p2m.ts';
import type { ReasonCode, ReasonCounts } from '../public/reason.ts';
import type { BoundDevice } from '../records/devices.ts';

/** What a domain is made of. */
export interface DomainConfig {
  /** At most 31 bytes of UTF-8. */
  readonly name: string;
  /** A multiple of 4096. */
  readonly memoryBytes: number;
  /** Its disk. */
  readonly device: BlockDevice;
  /** Address of its network interface; none by default. */
  readonly mac?: MacAddress | undefined;
  /** Bytes that the guest finds at start_info.modulePfn. */
  readonly module?: Uint8Array;
  /** At most 1023 bytes of UTF-8. */
  readonly cmdLine?: string;
  /**
   * What the domain's random streams are named after; by default, its name. Each boot has streams
   * of its own.
   */
  readonly seedName?: string;
}

/** What a machine has for a domain: its disk, and its place on the network. */
export type DomainDevices = Pick<DomainConfig, 'device' | 'mac'>;

/** What is remembered of a domain. */
export interface DomainEntry {
  readonly life: Lifecycle;
  readonly domid: DomId;
  readonly name: string;
  readonly seedName: string;
  /** Its disk, until the entry is removed. */
  disk: BoundDevice;
  readonly mac: MacAddress | undefined;
  memoryBytes: number;
  boots: number;
  p2mMfn: Mfn;
  /**
   * Undefined while the domain is being built or rebuilt, and when nothing but its preserved pages
   * is there.
   */
  domain: Domain | undefined;
  /** Its frames: the living P2M list, or a copy while the domain is being built. */
  p2m: P2mList;
  /** Frames taken from the allocator for a domain that will grow. */
  held: Uint32Array;
  /** Pages that were lost between two hypervisors, by reason. */
  readonly refused: Readonly<ReasonCounts>;
}

/** A domain that was left, with a number for its disk. */
export interface TakenUp extends LeftDomain {
  readonly disk: BoundDevice;
  /**
   * Why nothing that is known of its disk's blocks is believed: `otherDisk`, `diskChanged`; else
   * `ok`.
   */
  readonly distrust: ReasonCode;
}

export const NO_FRAMES = new Uint32Array(0);
/** Of a domain that has no frames, or none yet. */
export const NO_PAGES = new P2mList(NO_FRAMES);

/**
 * What a domain is made of, whichever its guest is. Each boot has random streams of its own, named
 * by its number.
 */
export function planOf({ life, domid, name, seedName, boots, disk, mac, p2m }: DomainEntry) {
  return { life, domid, name, seedName: `${seedName}#${boots - 1}`, disk, mac, p2m };
}

/** @throws ArgumentError for a configuration without name, memory or device */
export function checkConfig(config: DomainConfig): void {
  checkObject('config', config, 'name', 'memoryBytes', 'device');
  checkText('config.name', config.name);
  checkBlockDevice('config.device', config.device);
}
