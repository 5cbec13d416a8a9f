/** Options that several commands have, in the same words. */

import { ARCHS } from '../../base/index.ts';
import { choice, flag, integer, type Option } from './option-kinds.ts';

export const JOBS_MAX = 1024;
const SEED_MAX = 0xffff_ffff;

export const HELP = { ...flag('print this help (also -h)'), otherwise: { value: false, words: '' } };

export const SEED = integer('N', 'seed of everything random', [0, SEED_MAX], { value: 1, text: '1' });

export const ARCH = choice('architecture of the machine, which says how wide numbers of frames are', ARCHS);

export const JSON_OUT = (page: string): Option<boolean> =>
  flag('print the result as one JSON object', `[${page}](${page}) describes it`);
