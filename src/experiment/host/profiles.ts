/** The profiles and drives that are known by name. */

import type { Arch } from '../../base/arch.ts';
import { makeServiceTime } from '../../disk/drive/make-service-time.ts';
import { withConstants } from '../../machine/with-constants.ts';
import type { Profile } from '../../machine/profile.ts';
import { PENTIUM4_2006 } from '../../machine/profiles/pentium4-2006.ts';
import { SERVER_2026 } from '../../machine/profiles/server-2026.ts';

/** Names of the machines that are known. */
export const PROFILES = ['pentium4-2006', 'server-2026'] as const;
/** Name of a machine: its costs, its drive and its architecture. */
export type ProfileName = (typeof PROFILES)[number];

/** Names of the drives that are known. */
export const DISKS = ['profile', 'disk', 'nvme', 'instant'] as const;
/** Service-time model of the drive; `profile` is the one that belongs to the profile. */
export type DiskName = (typeof DISKS)[number];

/** The machines by name. */
export const PROFILE: Readonly<Record<ProfileName, Profile>> = {
  'pentium4-2006': PENTIUM4_2006,
  'server-2026': SERVER_2026,
};

/** The architecture that was asked for, or the profile's. */
export const archOf = ({ arch, profile }: { readonly arch?: Arch | undefined; readonly profile: ProfileName }): Arch =>
  arch ?? PROFILE[profile].arch.value;

/** Other values for constants of a profile, by name: `guest.copyNsPerByte`. Plain data. */
export type Constants = Readonly<Record<string, number>>;

interface Asked {
  readonly profile: ProfileName;
  readonly constants?: Constants | undefined;
}

/**
 * The profile that was asked for, with the values that were given for its constants.
 * @throws ArgumentError that names the constant
 */
export const profileOf = ({ profile, constants = {} }: Asked): Profile => withConstants(PROFILE[profile], constants);

/** @internal What was given, for a result. */
export const settingsOf = ({ constants = {} }: Asked): { constant: string; value: number }[] =>
  Object.entries(constants).map(([constant, value]) => ({ constant, value }));

/** @internal @throws ArgumentError that names the constant: no machine can have it */
export function checkConstants(asked: Asked): void {
  makeServiceTime(profileOf(asked).disk);
}
