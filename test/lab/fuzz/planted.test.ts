// A mistake in a reader is found, shrunk to one edit, and told in a form that replays it.
import { describe, expect, it } from 'vitest';
import { getField, Mfn } from '../../../src/base/index.ts';
import { CacheTable } from '../../../src/doors/table/index.ts';
import { fuzzOf, type Kind, parseCorpus, playCase } from '../../../src/lab/fuzz/index.ts';
import { framesKind } from '../../../src/lab/fuzz/kind-frames.ts';
import { optionsKind } from '../../../src/lab/fuzz/kind-options.ts';
import { dumpKind } from '../../../src/lab/fuzz/kind-records.ts';
import { profileFrom } from '../../../src/experiment/host/profile-file.ts';
import { profilesKind } from '../../../src/lab/fuzz/kind-profiles.ts';
import { resultsKind } from '../../../src/lab/fuzz/kind-results.ts';
import { tableKind } from '../../../src/lab/fuzz/kind-table.ts';
import { decodeFrame } from '../../../src/base/ethernet.ts';
import { inspectMemory } from '../../../src/xen/index.ts';
import { ROOT_RECORD } from '../../../src/xen/records/layouts.ts';
import type { ReadResult } from '../../../src/diff/index.ts';
import type { PartResult } from '../../../src/lab/part.ts';
import { COMMAND_LINES } from '../../../src/cli/command-lines.ts';

const PLANTED: readonly (readonly [what: string, law: string, kind: Kind, cases: number])[] = [
  [
    'an inspector that looks for the last frame where the record says it is',
    'every refusal is typed',
    dumpKind((memory) => {
      const bytes = memory.frame(Mfn(0));
      memory.readU32(Mfn(getField(ROOT_RECORD.x86_64, bytes, 0, 'frameCount') - 1), 0);
      return inspectMemory(memory);
    }),
    200,
  ],
  [
    'a table that believes records without their check word',
    'every refusal is typed',
    tableKind((bytes, options) => CacheTable.recover(bytes, { ...options, protections: { recordCheck: false } })),
    400,
  ],
  [
    'a receiver of frames that does not look how long one is',
    'every refusal is typed',
    framesKind((bytes) =>
      bytes.length < 14 ? { ...decodeFrame(bytes)!, type: bytes[13]!.valueOf() } : decodeFrame(bytes),
    ),
    300,
  ],
  [
    'a reader of results that leaves it to JSON.parse',
    'every refusal is typed',
    resultsKind((name, text): ReadResult => {
      const value = JSON.parse(text) as Record<string, string>;
      return { name, schema: value['schema']!, root: new Map(Object.entries(value)) };
    }),
    50,
  ],
  [
    'a reader of profiles that leaves it to JSON.parse',
    'every refusal is typed',
    profilesKind((_, text) => profileFrom(JSON.parse(text))),
    50,
  ],
  [
    'a parser of options that looks them up in an object',
    'every refusal is typed',
    optionsKind({
      ...COMMAND_LINES,
      refusalOf: (argv) => {
        const known: Record<string, { value: string }> = { seed: { value: 'N' } };
        for (const word of argv) if (word.startsWith('--x')) return known[word.slice(2)]!.value;
        for (const word of argv) if (word === '-x') return known['x']!.value;
        return COMMAND_LINES.refusalOf(argv);
      },
    }),
    400,
  ],
];

describe('a mistake in a reader', () => {
  it.each(PLANTED)('%s is found, and shrunk', (_, law, kind, cases) => {
    const check = fuzzOf({ [kind.name]: () => kind });
    const options = { kind: kind.name, cases, seed: 1 };
    const violationsAt = (n: number): PartResult['violations'] =>
      check.play({ check: 'fuzz', options, from: n, to: n + 1 }, () => true).violations;
    let found: PartResult['violations'][number] | undefined;
    for (let n = 0; n < cases && found === undefined; n++) [found] = violationsAt(n);
    expect(found).toMatchObject({ law: `${kind.name}: ${law}` });
    expect(found!.replay).toBe(
      `stillwarm check fuzz --kind ${kind.name} --cases ${cases} --seed 1 --case ${found!.at}`,
    );
    const entry = parseCorpus(found!.history.join('\n'));
    expect(entry.case.edits.length).toBeLessThanOrEqual(1);
    expect(playCase(kind, entry.case)).toMatchObject({ law });
  });
});
