/** The profile and the drive of an experiment. */

import type { Arch } from '../../base/arch.ts';
import { makeServiceTime } from '../../disk/drive/make-service-time.ts';
import { constantsOf, type Profile, type ProfileSource } from '../../machine/profile.ts';
import { withConstants } from '../../machine/with-constants.ts';
import { PROFILE, type ProfileName, PROFILES, resolveProfile } from './profile-file.ts';

export { checkDiskLimit, type DiskLimit } from '../../disk/drive/limited-disk.ts';
export { PROFILE, type ProfileName, PROFILES };

/** Names of the drives that are known. */
export const DISKS = ['profile', 'disk', 'nvme', 'instant'] as const;
/** Service-time model of the drive; `profile` is the one that belongs to the profile. */
export type DiskName = (typeof DISKS)[number];

/** A machine by its name, or a profile of the user's own. Plain data. */
export type ProfileChoice = ProfileName | ProfileSource;

/** The architecture that was asked for, or the profile's. */
export const archOf = ({
  arch,
  profile,
}: {
  readonly arch?: Arch | undefined;
  readonly profile: ProfileChoice;
}): Arch => arch ?? resolveProfile(profile).arch.value;

/** Other values for constants of a profile, by name: `guest.copyNsPerByte`. Plain data. */
export type Constants = Readonly<Record<string, number>>;

interface Asked {
  readonly profile: ProfileChoice;
  readonly constants?: Constants | undefined;
}

/**
 * The profile that was asked for, with the values that were given for its constants.
 * @throws ArgumentError that names the key or the constant
 */
export const profileOf = ({ profile, constants = {} }: Asked): Profile =>
  withConstants(resolveProfile(profile), constants);

/** @internal What it is called in messages and results. */
export const nameOfProfile = (profile: ProfileChoice): string => (typeof profile === 'string' ? profile : profile.name);

/** A constant and its value, as results have them. */
interface SettingOf {
  readonly constant: string;
  readonly value: number;
}

/** @internal What was given, for a result. */
export const settingsOf = ({ constants = {} }: Asked): SettingOf[] =>
  Object.entries(constants).map(([constant, value]) => ({ constant, value }));

/**
 * @internal The profile, for a result: its name and, unless the name says which they are, its
 * constants.
 */
export function profileInResult({ profile }: Asked): { profile: string; profileConstants?: SettingOf[] } {
  if (typeof profile === 'string') return { profile };
  const constants = [...constantsOf(resolveProfile(profile))];
  return { profile: profile.name, profileConstants: constants.map(([constant, { value }]) => ({ constant, value })) };
}

/** @internal @throws ArgumentError that names the constant: no machine can have it */
export function checkConstants(asked: Asked): void {
  makeServiceTime(profileOf(asked).disk);
}
