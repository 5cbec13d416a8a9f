/** The profile that `--profile` names: one that is known, or that of a file. */

import { resolve } from 'node:path';
import type { NamedPath } from '../../experiment/guest/output-file.ts';
import { parseProfile, PROFILE_BYTES_MAX } from '../../experiment/host/profile-file.ts';
import type { ProfileChoice, ProfileName } from '../../experiment/host/profiles.ts';
import type { Io } from './io.ts';
import { textOf } from './read-text.ts';
import type { ProfileFileName } from './values.ts';

/** @throws InputError that names the file, and the key or the place */
export function profileIn(given: ProfileName | ProfileFileName, io: Pick<Io, 'cwd' | 'stdin'>): ProfileChoice {
  if (typeof given === 'string') return given;
  const { profileFile: path } = given;
  return parseProfile(path, textOf(path, io, PROFILE_BYTES_MAX, 'a profile'));
}

/** The file that is read for `--profile`, if one is. */
export const profileInput = (given: ProfileName | ProfileFileName, cwd: string): readonly NamedPath[] =>
  typeof given === 'string' ? [] : [{ name: '--profile', path: resolve(cwd, given.profileFile) }];
