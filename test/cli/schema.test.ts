import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ARCHS, PAGE_SIZE } from '../../src/base/index.ts';
import { ALL_WORKLOADS } from '../../src/experiment/guest/options.ts';
import { PROFILE, profileText } from '../../src/experiment/host/profile-file.ts';
import { DISKS } from '../../src/experiment/host/profiles.ts';
import { STRATEGIES } from '../../src/experiment/host/strategies.ts';
import { VMM_STRATEGIES } from '../../src/experiment/host/strategies.ts';
import { inspectMemory, type MemoryReport } from '../../src/xen/inspect.ts';
import { PROVENANCE_NAMES } from '../../src/xen/frames/provenance.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { REASON_NAMES } from '../../src/xen/public/reason.ts';
import { CheckResult } from '../../src/cli/check/result.ts';
import { findings } from '../../src/cli/inspect.ts';
import { CurveResult, RestoreResult } from '../../src/experiment/accesses/result.ts';
import { TraceResult } from '../../src/cli/trace-result.ts';
import { ProfileResult } from '../../src/cli/profile-result.ts';
import { InspectResult } from '../../src/cli/inspect-result.ts';
import { compareResults, diffResult, readResult } from '../../src/diff/index.ts';
import { DiffResult } from '../../src/diff/result.ts';
import { VERDICT_NAMES } from '../../src/lab/faults/table.ts';
import { RebootResult } from '../../src/experiment/guest/result.ts';
import { VmmExperimentResult } from '../../src/experiment/vmm/result.ts';
import { PredictResult } from '../../src/experiment/predict/result.ts';
import { WebResult } from '../../src/experiment/web/result.ts';
import { PaperResult } from '../../src/experiment/paper/result.ts';
import { bootMachine, cacheBlocks, restartGuest, startGuest } from '../support/machine.ts';
import { property } from '../support/property.ts';
import { madeUpPaper } from '../report/paper-sample.ts';
import { samplePredictResult } from '../report/predict-sample.ts';
import { sampleResult } from '../report/sample.ts';
import { sampleVmmResult } from '../report/vmm-sample.ts';
import { sampleWebResult } from '../report/web-sample.ts';
import { ProtocolResult } from '../../src/cli/check/protocol-result.ts';
import { sampleProtocolResult } from './check/protocol-sample.ts';
import { sampleCurveResult, sampleRestoreResult } from './replay-samples.ts';
import { sampleTraceResult } from './trace-sample.ts';
import { sampleCheckResult } from './check/sample.ts';
import { schemaFile, schemaPage } from './schema-page.ts';

const file = (name: string): URL => new URL(`../../docs/reference/${name}`, import.meta.url);
const read = (name: string): string => readFileSync(file(name), 'utf8');
/** Of a machine whose first guest has shut down and told its recency. */
const inspected = ((): MemoryReport => {
  const machine = bootMachine(1);
  const guest = startGuest(machine, 'a');
  startGuest(machine, 'b');
  cacheBlocks(machine, guest, [1, 2, 3]);
  restartGuest(machine, guest);
  return inspectMemory(machine.memory);
})();
const validatorOf = (definition: object) => new Ajv2020({ strict: true, allErrors: true }).compile(definition);

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
const plain = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json;

/** Every command that prints JSON, with the definition of its result, and a result. */
const RESULTS = [
  ['reboot', RebootResult, () => plain(sampleResult())],
  ['vmm-reboot', VmmExperimentResult, () => plain(sampleVmmResult())],
  ['web', WebResult, () => plain(sampleWebResult())],
  ['predict', PredictResult, () => plain(samplePredictResult())],
  ['profile', ProfileResult, () => JSON.parse(profileText(PROFILE['server-2026'])) as Json],
  ['inspect', InspectResult, () => plain(findings(inspected))],
  ['check', CheckResult, () => plain(sampleCheckResult())],
  ['check-protocol', ProtocolResult, () => plain(sampleProtocolResult())],
  ['paper', PaperResult, () => plain(madeUpPaper({ study: true }).result)],
  ['trace', TraceResult, () => plain(sampleTraceResult())],
  ['curve', CurveResult, () => plain(sampleCurveResult())],
  ['restore', RestoreResult, () => plain(sampleRestoreResult())],
  ['diff', DiffResult, () => plain(compared())],
] as const;

/** With something in each list. */
function compared(): DiffResult {
  const [first, ...rest] = sampleResult().strategies;
  const b = {
    ...sampleResult(),
    seed: 2,
    expire: undefined,
    strategies: [{ ...first, rebootNs: 1 }, ...rest.slice(1)],
  };
  const [inA, inB] = [sampleResult(), { ...b, more: 1 }].map((value) => readResult('', JSON.stringify(value)));
  return diffResult(compareResults(inA!, inB!, { tolerance: 0.5, only: '' }));
}

/** Every object inside a value, each with its path. */
function objectsOf(value: Json, path = ''): [string, { [key: string]: Json }][] {
  if (value === null || typeof value !== 'object') return [];
  if (Array.isArray(value)) return value.slice(0, 2).flatMap((item, i) => objectsOf(item, `${path}/${i}`));
  return [[path, value], ...Object.entries(value).flatMap(([key, item]) => objectsOf(item, `${path}/${key}`))];
}

describe.each(RESULTS)('the schema of %s --json', (name, definition, plainSample) => {
  const validate = validatorOf(definition);
  let text: string | undefined;
  /** A result of one's own. */
  const sample = (): Json => JSON.parse((text ??= JSON.stringify(plainSample()))) as Json;

  it.each([
    [`${name}.schema.json`, schemaFile(definition)],
    [`${name}-schema.md`, schemaPage(name, definition)],
  ])('docs/reference/%s is what the definition says; UPDATE_DOCS=1 writes it', (path, text) => {
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(file(path), text);
    expect(read(path)).toBe(text);
  });

  it('the schema accepts a result', () => {
    validate(sample());
    expect(validate.errors).toBeNull();
  });

  property(
    'the schema refuses a result that lacks a field, has another, or has one of another type',
    fc.nat(),
    fc.nat(),
    (which, field) => {
      for (const change of ['remove', 'add', 'retype'] as const) {
        const result = sample();
        const objects = objectsOf(result);
        const [path, object] = objects[which % objects.length]!;
        const keys = Object.keys(object);
        const key = keys[field % keys.length]!;
        if (change === 'remove') Reflect.deleteProperty(object, key);
        if (change === 'add') object[`${key}2`] = object[key]!;
        // A value that differs may be any scalar.
        const takesAny = name === 'diff' && ['a', 'b'].includes(key);
        if (change === 'retype') object[key] = takesAny ? {} : typeof object[key] === 'string' ? 17 : 'seventeen';
        if (validate(result)) throw new Error(`accepted: ${change} ${path}/${key}`);
      }
    },
  );
});

describe('the schema of reboot --json', () => {
  const validate = validatorOf(RebootResult);

  it.each([
    ['another schema', { schema: 'stillwarm/reboot@2' }],
    ['a strategy that does not exist', { strategies: [{ ...sampleResult().strategies[0]!, name: 'hot' }] }],
    ['no strategy', { strategies: [] }],
    [
      'three runs',
      { strategies: [{ ...sampleResult().strategies[0]!, runs: sampleResult().strategies[0]!.runs.slice(1) }] },
    ],
    ['a negative size', { bytes: -1 }],
    ['half a nanosecond', { strategies: [{ ...sampleResult().strategies[0]!, rebootNs: 1.5 }] }],
    ['a digest that is none', { digest: 'none' }],
  ])('the schema of reboot --json refuses %s', (_what, change) => {
    expect(validate({ ...sampleResult(), ...change })).toBe(false);
  });

  it('the schema of reboot --json knows exactly the names that the options and the reasons have', () => {
    const text = JSON.stringify(RebootResult);
    for (const names of [DISKS, ALL_WORKLOADS, STRATEGIES]) expect(text).toContain(`"enum":${JSON.stringify(names)}`);
    for (const name of REASON_NAMES) expect(text).toContain(`"${name}":{"type":"integer"`);
  });
});

describe('the schema of vmm-reboot --json', () => {
  it('the schema of vmm-reboot --json knows exactly the names that the options have', () => {
    const text = JSON.stringify(VmmExperimentResult);
    for (const names of [DISKS, VMM_STRATEGIES]) expect(text).toContain(`"enum":${JSON.stringify(names)}`);
  });

  it('the schema of vmm-reboot --json lets a guest say why it does not go on', () => {
    const result = sampleVmmResult();
    const [machine] = result.machines;
    const [strategy] = machine!.strategies;
    const guests = strategy!.guests.map((guest) => ({ ...guest, reason: 'a torn record' }));
    expect(
      validatorOf(VmmExperimentResult)(
        plain({ ...result, machines: [{ ...machine, strategies: [{ ...strategy, guests }] }] }),
      ),
    ).toBe(true);
  });
});

describe('the schema of inspect --json', () => {
  const validate = validatorOf(InspectResult);

  it('the schema of inspect --json accepts a memory without a root record, and a domain that told no recency', () => {
    const blank = plain(findings(inspectMemory(new MachineMemory(64 * PAGE_SIZE))));
    expect(blank).toMatchObject({ map: null, domains: [], problemCount: 1 });
    expect(validate(blank)).toBe(true);
    const [domain] = inspected.domains;
    for (const recencyCrc of [undefined, 0, 0xffff_ffff]) {
      const json = plain(findings({ ...inspected, domains: [{ ...domain!, recencyCrc }] }));
      expect(json).toMatchObject({ domains: [{ recencyCrc: recencyCrc ?? null }] });
      expect(validate(json)).toBe(true);
    }
  });

  it('the schema of inspect --json knows exactly the names of architectures and provenances', () => {
    const text = JSON.stringify(InspectResult);
    expect(text).toContain(`"enum":${JSON.stringify(ARCHS)}`);
    expect(text).toContain(`"required":${JSON.stringify(PROVENANCE_NAMES)}`);
  });
});

it('docs/reference/faults.md explains each of the five numbers', () => {
  const section = read('faults.md').split('\n## Numbers\n')[1]!.split('\n## ')[0]!;
  const explained = [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name);
  expect(explained.sort()).toEqual([...VERDICT_NAMES].sort());
});
