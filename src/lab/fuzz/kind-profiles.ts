/**
 * Files of profiles, damaged, as `--profile` reads them. What is read can be printed and run on.
 */

import { InputError } from '../../base/input-error.ts';
import { makeServiceTime } from '../../disk/drive/make-service-time.ts';
import { parseProfile, PROFILE, profileText } from '../../experiment/host/profile-file.ts';
import { constantsOf, type Profile } from '../../machine/profile.ts';
import { type Kind, must, refusedFor, TAKEN, type Verdict } from './kind.ts';
import { drawText, editedText, tokensOfJson } from './text.ts';

/** What stands for a token: edges of the constants, and names that mean something. */
const WORDS = [
  ...['0', '-0', '1', '-1', '0.5', '1e-9', '1e15', '1e308', '1e999', '9007199254740993', 'NaN', '01', '1000000000'],
  ...['null', 'true', 'false', '""', '"ns"', '"us"', '"MB/s"', '"measured"', '"assumed"', '"fitted"', '"guessed"'],
  ...['"__proto__"', '"constructor"', '"extends"', '"server-2026"', '"pentium4-2006"', '"mine"', '"x86_32"', '"nvme"'],
  ...[
    '"value"',
    '"unit"',
    '"range"',
    '"note"',
    '"name"',
    '"disk"',
    '"syscallNs"',
    '{}',
    '[]',
    '[1,2]',
    '[2,1]',
    '{',
    '}',
  ],
  ...['"\\u0000"', '"\\ud800"', '"\\n"', `"${'x'.repeat(5000)}"`, '['.repeat(70)],
] as const;

/** A whole profile of each machine that is known, and two short ones. */
function specimens(): string[] {
  const whole = Object.values(PROFILE).map((profile) => profileText({ ...profile, name: 'mine' }));
  const constant = { value: 250, unit: 'ns', provenance: 'assumed', note: 'by hand', range: [100, 500] };
  const short = {
    schema: 'stillwarm/profile@1',
    name: 'short',
    extends: 'server-2026',
    guest: { syscallNs: constant },
  };
  const { kind, model, constants } = PROFILE['server-2026'].disk;
  const drive = { ...short, extends: 'pentium4-2006', disk: { kind, model, constants } };
  return [...whole, ...[short, drive].map((each) => JSON.stringify(each, undefined, 1))];
}

/** Why constants are refused. */
const REASONS = [
  ...['expected an integer', 'expected [least, most]', 'expected text', 'is none of', 'does not lie within', 'has no'],
] as const;

/** What reads a profile. A test gives one with a mistake in it. */
export type ReadProfile = (name: string, text: string) => Profile;

/** @param read that of `--profile` by default */
export function profilesKind(read: ReadProfile = parseProfile): Kind {
  const texts = specimens().map(tokensOfJson);
  return {
    name: 'profiles',
    cases: 4000,
    reasons: [...['expected a value', 'the object has this key already'], ...REASONS],
    draw: (random) => drawText(random, texts, WORDS),
    play: (fuzzCase) => playProfile(read, editedText(fuzzCase, texts)),
  };
}

function playProfile(read: ReadProfile, text: string): Verdict {
  let profile: Profile;
  try {
    profile = read('A.json', text);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    must('a refusal names the file', error.message.startsWith('A.json: '), () => error.message);
    must('a refusal is one line', !error.message.includes('\n'), () => 'the message has several lines');
    return refusedFor(reasonOf(error.message));
  }
  const printed = profileText(profile);
  must(
    'a profile that was printed is read as the same',
    profileText(read('B.json', printed)) === printed,
    () => 'it is not',
  );
  for (const [name, { value, range, provenance, fitted }] of constantsOf(profile)) {
    must('each value is a number', Number.isFinite(value) && value >= 0, () => `${name} is ${value}`);
    const isLoose = provenance === 'assumed' || fitted;
    must('what was assumed or fitted has a range', !isLoose || range !== undefined, () => `${name} has none`);
    const [low, high] = range ?? [value, value];
    must('a value lies in its range', low <= value && value <= high, () => `${name} is ${value}`);
  }
  makeServiceTime(profile.disk);
  return TAKEN;
}

/** The reason without the key, of which there are hundreds. */
function reasonOf(message: string): string {
  const reason = message.replace(/^A\.json: (line \d+, column \d+: |[^:]*: )?/, '');
  return REASONS.find((each) => reason.includes(each)) ?? reason.replace(/".*/, '…');
}
