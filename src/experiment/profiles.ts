/** The profiles that experiments know by name. */

import type { Profile } from '../machine/profile.ts';
import { PENTIUM4_2006 } from '../machine/profiles/pentium4-2006.ts';
import { SERVER_2026 } from '../machine/profiles/server-2026.ts';
import type { ProfileName } from './result.ts';

export const PROFILE: Readonly<Record<ProfileName, Profile>> = {
  'pentium4-2006': PENTIUM4_2006,
  'server-2026': SERVER_2026,
};
