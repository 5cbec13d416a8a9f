import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ARCHS, PAGE_SIZE } from '../../src/base/index.ts';
import { runCampaign } from '../../src/experiment/campaign/campaign.ts';
import { PROFILES, STRATEGIES, WORKLOADS, DISKS } from '../../src/experiment/guest/result.ts';
import { VMM_STRATEGIES } from '../../src/experiment/vmm/result.ts';
import { inspectMemory, type MachineReport } from '../../src/xen/inspect.ts';
import { PROVENANCE_NAMES } from '../../src/xen/frames/provenance.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { REASON_NAMES } from '../../src/xen/public/reason.ts';
import { findings } from '../../src/cli/inspect.ts';
import { bootMachine, cacheBlocks, restartGuest, startGuest } from '../support/machine.ts';
import { property } from '../support/property.ts';
import { sampleResult } from './sample.ts';
import { sampleVmmResult } from './vmm-sample.ts';

const read = (name: string): string => readFileSync(new URL(`../../docs/reference/${name}`, import.meta.url), 'utf8');
/** Of a machine whose first guest has shut down and told its recency. */
const inspected = ((): MachineReport => {
  const machine = bootMachine(1);
  const guest = startGuest(machine, 'a');
  startGuest(machine, 'b');
  cacheBlocks(machine, guest, [1, 2, 3]);
  restartGuest(machine, guest);
  return inspectMemory(machine.memory);
})();
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
  ['inspect', () => plain(findings(inspected))],
] as const;

/** Every object inside a value, each with its path. */
function objectsOf(value: Json, path = ''): [string, { [key: string]: Json }][] {
  if (value === null || typeof value !== 'object') return [];
  if (Array.isArray(value)) return value.slice(0, 2).flatMap((item, i) => objectsOf(item, `${path}/${i}`));
  return [[path, value], ...Object.entries(value).flatMap(([key, item]) => objectsOf(item, `${path}/${key}`))];
}

describe.each(RESULTS)('the schema of %s --json', (name, plainSample) => {
  const validate = validatorOf(name);

  it('the schema accepts a result', () => {
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

  it('the schema is described field by field', () => {
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
  ])('the schema of reboot --json refuses %s', (_what, change) => {
    expect(validate({ ...sampleResult(), ...change })).toBe(false);
  });

  it('the schema of reboot --json knows exactly the names that the options and the reasons have', () => {
    const text = JSON.stringify(schema);
    for (const names of [PROFILES, DISKS, WORKLOADS, STRATEGIES])
      expect(text).toContain(`"enum":${JSON.stringify(names)}`);
    for (const name of REASON_NAMES) expect(text).toContain(`"${name}":{"type":"integer"`);
  });
});

describe('the schema of vmm-reboot --json', () => {
  it('the schema of vmm-reboot --json knows exactly the names that the options have', () => {
    const text = JSON.stringify(schemaOf('vmm-reboot'));
    for (const names of [PROFILES, DISKS, VMM_STRATEGIES]) expect(text).toContain(`"enum":${JSON.stringify(names)}`);
  });

  it('the schema of vmm-reboot --json lets a guest say why it does not go on', () => {
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

describe('the schema of inspect --json', () => {
  const validate = validatorOf('inspect');

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
    const text = JSON.stringify(schemaOf('inspect'));
    expect(text).toContain(`"enum":${JSON.stringify(ARCHS)}`);
    expect(text).toContain(`"required":${JSON.stringify(PROVENANCE_NAMES)}`);
  });
});

/** Paths of all fields of a value, without the numbers of entries. */
function pathsOf(value: Json): Set<string> {
  return new Set(
    objectsOf(value).flatMap(([path, object]) =>
      Object.keys(object).map((key) =>
        `${path}/${key}`
          .slice(1)
          .replaceAll(/\/\d+(?=\/)/g, '[]')
          .replaceAll('/', '.'),
      ),
    ),
  );
}

/** Fields of a page's tables; those in a section that is named after an object lie in it. */
function documented(page: string, sections: Readonly<Record<string, string>>): Set<string> {
  return new Set(
    page.split('\n## ').flatMap((section) => {
      const prefix = sections[section.split('\n')[0]!];
      if (prefix === undefined) return [];
      return [...section.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell]) =>
        cell!.split(', ').map((name) => `${prefix}${name.replaceAll('`', '')}`),
      );
    }),
  );
}

describe('a page describes exactly the fields that are printed:', () => {
  it('a page describes exactly the fields that inspect prints', () => {
    const sections = { 'The object': '', map: 'map.', domain: 'domains[].' };
    expect(documented(read('inspect-schema.md'), sections)).toEqual(pathsOf(plain(findings(inspected))));
  });

  it('a page describes exactly the fields that campaign prints', () => {
    const result = runCampaign({ faults: ['bit-flip'], runs: 1, seed: 1, without: [] });
    // The five numbers have a table of their own.
    const paths = [...pathsOf(plain(result))].filter((path) => !/(protected|unguarded)\./.test(path));
    expect(documented(read('campaign.md'), { JSON: '' })).toEqual(new Set(paths));
    const numbers = Object.keys(result.faults[0]!.protected);
    expect(documented(read('campaign.md'), { Numbers: '' })).toEqual(new Set(numbers));
  });
});
