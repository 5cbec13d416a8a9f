import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PROFILES, STRATEGIES, WORKLOADS, DISKS } from '../../src/experiment/result.ts';
import { VMM_STRATEGIES } from '../../src/experiment/vmm-result.ts';
import { REASON_NAMES } from '../../src/xen/public/reason.ts';
import { property } from '../support/property.ts';
import { sampleResult } from './sample.ts';
import { sampleVmmResult } from './vmm-sample.ts';

const read = (name: string): string => readFileSync(new URL(`../../docs/reference/${name}`, import.meta.url), 'utf8');
const schemaOf = (name: string) => JSON.parse(read(`${name}.schema.json`)) as Record<string, unknown>;
const schema = schemaOf('reboot');
const validatorOf = (name: string) => new Ajv2020({ strict: true, allErrors: true }).compile(schemaOf(name));
const validate = validatorOf('reboot');

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
const plain = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json;

/** Every command that prints JSON by a schema, with a result of it. */
const RESULTS = [
  ['reboot', () => plain(sampleResult())],
  ['vmm-reboot', () => plain(sampleVmmResult())],
] as const;

/** Every object inside a value, each with its path. */
function objectsOf(value: Json, path = ''): [string, { [key: string]: Json }][] {
  if (value === null || typeof value !== 'object') return [];
  if (Array.isArray(value)) return value.slice(0, 2).flatMap((item, i) => objectsOf(item, `${path}/${i}`));
  return [[path, value], ...Object.entries(value).flatMap(([key, item]) => objectsOf(item, `${path}/${key}`))];
}

describe.each(RESULTS)('the schema of %s --json', (name, plainSample) => {
  const validate = validatorOf(name);

  it('accepts a result', () => {
    validate(plainSample());
    expect(validate.errors).toBeNull();
  });

  property(
    'refuses a result that lacks a field, has another, or has one of another type',
    fc.nat(),
    fc.nat(),
    (which, field) => {
      for (const change of ['remove', 'add', 'retype'] as const) {
        const result = plainSample();
        const objects = objectsOf(result);
        const [path, object] = objects[which % objects.length]!;
        const keys = Object.keys(object);
        const key = keys[field % keys.length]!;
        if (change === 'remove') Reflect.deleteProperty(object, key);
        if (change === 'add') object[`${key}2`] = object[key]!;
        if (change === 'retype') object[key] = typeof object[key] === 'string' ? 17 : 'seventeen';
        if (validate(result)) throw new Error(`accepted: ${change} ${path}/${key}`);
      }
    },
  );

  it('is described field by field', () => {
    const page = read(`${name}-schema.md`);
    const fields = new Set(objectsOf(plainSample()).flatMap(([, object]) => Object.keys(object)));
    for (const field of fields) expect(page).toMatch(new RegExp(`\\| \`([a-zA-Z.]+\\.)?${field}\` \\|`));
  });
});

describe('the schema of reboot --json', () => {
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
  ])('refuses %s', (_what, change) => {
    expect(validate({ ...sampleResult(), ...change })).toBe(false);
  });

  it('knows exactly the names that the options and the reasons have', () => {
    const text = JSON.stringify(schema);
    for (const names of [PROFILES, DISKS, WORKLOADS, STRATEGIES])
      expect(text).toContain(`"enum":${JSON.stringify(names)}`);
    for (const name of REASON_NAMES) expect(text).toContain(`"${name}":{"type":"integer"`);
  });
});

describe('the schema of vmm-reboot --json', () => {
  it('knows exactly the names that the options have', () => {
    const text = JSON.stringify(schemaOf('vmm-reboot'));
    for (const names of [PROFILES, DISKS, VMM_STRATEGIES]) expect(text).toContain(`"enum":${JSON.stringify(names)}`);
  });

  it('lets a guest say why it does not go on', () => {
    const result = sampleVmmResult();
    const [machine] = result.machines;
    const [strategy] = machine!.strategies;
    const guests = strategy!.guests.map((guest) => ({ ...guest, reason: 'a torn record' }));
    expect(
      validatorOf('vmm-reboot')(
        plain({ ...result, machines: [{ ...machine, strategies: [{ ...strategy, guests }] }] }),
      ),
    ).toBe(true);
  });
});
