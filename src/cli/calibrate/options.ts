/** The options of `stillwarm calibrate`. */

import { UserError } from '../../base/index.ts';
import { PROFILE_NAME } from '../../experiment/host/profile-file.ts';
import type { DiskSection } from '../../machine/profile.ts';
import { PROFILES } from '../../experiment/host/profiles.ts';
import { choice, integer, type CommandSpec, type Option, path } from '../kit/option-kinds.ts';
import { HELP, JSON_OUT } from '../kit/shared-options.ts';
import { parseSheet, SHEET_HELP } from './data-sheet.ts';
import { oneLine, parseSize, sizeText } from '../kit/values.ts';

const MIB = 1 << 20;
const ROUNDS_MAX = 1000;
const SCRATCH_MAX = 2 ** 40;

/** Name of the profile, where none is given. */
export const DEFAULT_NAME = 'this-host';

const SCRATCH_SIZE: Option<number> = {
  value: 'SIZE',
  help: `with --scratch: bytes of the scratch file, whole MiB, 1MiB to ${sizeText(SCRATCH_MAX)}`,
  more: 'A drive with a cache of its own must be asked for more than that holds',
  parse: (option, text) => {
    const bytes = parseSize(option, text);
    if (bytes % MIB === 0 && bytes <= SCRATCH_MAX) return bytes;
    throw new UserError(`${option}: ${oneLine(text)} is not whole MiB, 1MiB to ${sizeText(SCRATCH_MAX)}`);
  },
  otherwise: { value: 256 * MIB, text: '256MiB' },
};

const NAME: Option<string> = {
  value: 'TEXT',
  help: 'name of the profile, by which results call it',
  parse: (option, text) => {
    if (PROFILE_NAME.test(text) && !(PROFILES as readonly string[]).includes(text)) return text;
    throw new UserError(
      `${option}: ${oneLine(text)} is not letters, digits, '.', '_', '+' and '-' that begin with a letter or digit, 64 at most, and no profile that is known`,
    );
  },
  otherwise: { value: DEFAULT_NAME, text: DEFAULT_NAME },
};

const DRIVE_SHEET: Option<DiskSection | undefined> = {
  value: 'NAME=NUMBER',
  help: 'the drive by figures of its data sheet, comma-separated, instead of --scratch',
  more: `A drive ${SHEET_HELP}. The unit is at the end of a name. What is left out is in proportion to a drive that is known, or that drive's, and its note says so`,
  parse: parseSheet,
  otherwise: { value: undefined, words: 'none' },
};

export const CALIBRATE = {
  name: 'calibrate',
  positionals: [],
  summary: 'measure what this host tells honestly, and print a profile of it, or write it to a file',
  options: {
    base: {
      ...choice('profile from which comes what is not measured', PROFILES.toReversed()),
      more: 'Each of its constants keeps its provenance, and a note says where it comes from',
    },
    name: NAME,
    rounds: {
      ...integer('N', 'how often each measurement is repeated', [1, ROUNDS_MAX], { value: 7, text: '7' }),
      more: 'The value is the median, and the range has the middle 80 % of the rounds',
    },
    scratch: {
      ...path('DIR', 'measure the drive of DIR: write a scratch file there, read it directly, and remove it'),
      more: 'Without it nothing is written, and the drive is that of the base. The file has no name, so that nothing of it is left',
    },
    'scratch-size': SCRATCH_SIZE,
    'drive-sheet': DRIVE_SHEET,
    'drive-log': {
      ...path('FILE', 'fit the drive of --drive-sheet, or of the base, to a log of requests that a real one served'),
      more: 'A line is `R|W Hit|Miss sector sectors response gap`, the times in µs. The demerit is printed, before the fit and after it: the distance of the two distributions of response times, in percent of the mean',
    },
    out: path('FILE', 'write the profile to the new file FILE'),
    json: {
      ...JSON_OUT('profile-schema.md'),
      help: 'print the profile as one JSON object, and the rest on standard error',
    },
    help: HELP,
  },
} as const satisfies CommandSpec;
