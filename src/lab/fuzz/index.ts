/**
 * The check `fuzz` of the lab. What is read is damaged in ways that know its structure. Each reader
 * takes it, or says why not.
 */

import { type FuzzCheck, fuzzOf, type KindMaker } from './check.ts';
import { bootKind } from './kind-boot.ts';
import { framesKind } from './kind-frames.ts';
import { imageKind, journalKind } from './kind-image.ts';
import { optionsKind, type OptionsReader } from './kind-options.ts';
import { dumpKind, recordsKind } from './kind-records.ts';
import { profilesKind } from './kind-profiles.ts';
import { resultsKind } from './kind-results.ts';
import { ringsKind } from './kind-rings.ts';
import { saveKind } from './kind-save.ts';
import { storeKind } from './kind-store.ts';
import { tableKind } from './kind-table.ts';
import { tracesKind } from './kind-traces.ts';

export { caseOf, type FuzzCheck, fuzzOf, type KindMaker } from './check.ts';
export { type CorpusEntry, corpusText, parseCorpus } from './corpus.ts';
export { type Kind, playCase } from './kind.ts';
export type { OptionsReader } from './kind-options.ts';

/** The kinds by name. */
export const KINDS = {
  table: () => tableKind(),
  dump: () => dumpKind(),
  records: recordsKind,
  image: imageKind,
  journal: journalKind,
  save: saveKind,
  rings: ringsKind,
  store: storeKind,
  frames: () => framesKind(),
  results: () => resultsKind(),
  profiles: () => profilesKind(),
  boot: bootKind,
  traces: tracesKind,
} as const satisfies Readonly<Record<string, KindMaker>>;

/** The check over all kinds except command lines, whose parser is the program's own. */
export const fuzzCheck: FuzzCheck = fuzzOf(KINDS);

/** The check with command lines as well. */
export function fuzzCheckWith(options: OptionsReader): FuzzCheck {
  return fuzzOf({ ...KINDS, options: () => optionsKind(options) });
}
