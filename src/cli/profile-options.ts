/** The commands that print a profile and make one, and their options. */

import { flag, type CommandSpec } from './kit/option-kinds.ts';
import { HELP, JSON_OUT } from './kit/shared-options.ts';

export const SHOW_PROFILE = {
  name: 'profile',
  positionals: [{ name: 'NAME|FILE.json', optional: true }],
  summary: 'print a profile, the costs of a machine: one that is known, or that of a file',
  options: {
    list: flag('print the names of the profiles that are known, and what machines they are'),
    json: {
      ...JSON_OUT('profile-schema.md'),
      help: 'print the profile as one JSON object, as --profile FILE.json reads it',
      more: '[profile-schema.md](profile-schema.md) describes it. Change what you know better, and give it a `name` of its own',
    },
    help: HELP,
  },
} as const satisfies CommandSpec;
