import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PROFILES, STRATEGIES, WORKLOADS, DISKS } from '../../src/experiment/result.ts';
import { REASON_NAMES } from '../../src/xen/public/reason.ts';
import { property } from '../support/property.ts';
import { sampleResult } from './sample.ts';

const read = (name: string): string => readFileSync(new URL(`../../docs/reference/${name}`, import.meta.url), 'utf8');
const schema = JSON.parse(read('reboot.schema.json')) as Record<string, unknown>;
const validate = new Ajv2020({ strict: true, allErrors: true }).compile(schema);

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
const plainSample = (): Json => JSON.parse(JSON.stringify(sampleResult())) as Json;

/** Every object inside a value, each with its path. */
function objectsOf(value: Json, path = ''): [string, { [key: string]: Json }][] {
  if (value === null || typeof value !== 'object') return [];
  if (Array.isArray(value)) return value.slice(0, 2).flatMap((item, i) => objectsOf(item, `${path}/${i}`));
  return [[path, value], ...Object.entries(value).flatMap(([key, item]) => objectsOf(item, `${path}/${key}`))];
}

describe('the schema of reboot --json', () => {
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

  it('is described field by field', () => {
    const page = read('reboot-schema.md');
    const fields = new Set(objectsOf(plainSample()).flatMap(([, object]) => Object.keys(object)));
    for (const field of fields) expect(page).toMatch(new RegExp(`\\| \`([a-zA-Z.]+\\.)?${field}\` \\|`));
  });
});
