// What the room knows of each result, held against the definitions of the results: a field that is
// added or renamed there is noticed here.
import { describe, expect, it } from 'vitest';
import { KNOWN, unitOf, type Unit } from '../../src/diff/results.ts';
import { RESULTS } from './results.ts';

interface Schema {
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly $ref?: string;
  readonly description?: string;
  readonly type?: string;
  readonly const?: string;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

interface FieldFound {
  readonly name: string;
  readonly schema: Schema;
  /** As a comparison finds it. */
  readonly unit: Unit;
}

/** Every field of a definition, once for each place where its object may lie. */
function fieldsOf(root: Schema, schema: Schema = root, inherited: Unit = 'number'): FieldFound[] {
  const { $ref, anyOf = [], items, properties = {} } = schema;
  return [
    ...($ref === undefined ? [] : fieldsOf(root, root.$defs![$ref.replace('#/$defs/', '')], inherited)),
    ...anyOf.flatMap((each) => fieldsOf(root, each, inherited)),
    ...(items === undefined ? [] : fieldsOf(root, items, inherited)),
    ...Object.entries(properties).flatMap(([name, field]) => {
      const unit = unitOf(name, inherited);
      return [{ name, schema: field, unit }, ...fieldsOf(root, field, unit)];
    }),
  ];
}

const isScalar = ({ items, properties, $ref }: Schema): boolean =>
  items === undefined && properties === undefined && $ref === undefined;

describe.each(RESULTS)('what is known of a result of %s', (name, definition) => {
  const root = definition as Schema;
  const { inputs, things, samples } = KNOWN[root.properties!['schema']!.const!]!;
  const fields = fieldsOf(root);

  it(`the inputs of ${name} are fields of the whole, each once`, () => {
    expect(inputs.filter((input) => !Object.hasOwn(root.properties!, input))).toEqual([]);
    expect(new Set(inputs).size).toBe(inputs.length);
  });

  it(`each field of the whole of ${name} is an input, or a result`, () => {
    const results = Object.entries(root.properties!).flatMap(([field, schema]) =>
      inputs.includes(field) || ['schema', 'digest'].includes(field) || !isScalar(schema) ? [] : [field],
    );
    expect(results).toEqual(
      {
        inspect: ['problemCount', 'map'],
        profile: ['disk'],
        paper: ['study'],
        predict: ['restore'],
        check: ['done', 'verdict'],
        curve: ['pageAccesses', 'distinctPages', 'sample'],
        restore: [
          'pageAccesses',
          'distinctPages',
          'hitRatioBefore',
          'keptPages',
          'accessesAfter',
          'coldHits',
          'warmHits',
        ],
        trace: [
          ...[
            'title',
            'shows',
            'unit',
            'lines',
            'problemCount',
            'operations',
            'files',
            'threads',
            'spanNs',
            'backwards',
          ],
          ...['pageAccesses', 'distinctPages', 'bytesRead', 'bytesWritten'],
        ],
      }[name as string] ?? [],
    );
  });

  it(`each list of objects in a result of ${name} has fields that tell its things apart, or is one of samples`, () => {
    const lists = fields.filter(({ schema }) => schema.items?.$ref !== undefined);
    // A profile has no lists.
    expect(lists.length > 0).toBe(name !== 'profile');
    for (const { name: list, schema } of lists) {
      if (samples.includes(list)) continue;
      const item = root.$defs![schema.items!.$ref!.replace('#/$defs/', '')]!;
      expect(item.required, list).toEqual(expect.arrayContaining([...(things[list]?.by ?? ['nothing'])]));
    }
    const known = [...Object.keys(things), ...samples].sort();
    expect([...new Set(lists.map(({ name: list }) => list))].sort()).toEqual(known);
  });

  it(`each figure of ${name} has the unit that its description says`, () => {
    const numbers = fields.filter(({ schema }) => schema.type === 'integer' || schema.type === 'number');
    expect(numbers.length).toBeGreaterThan(4);
    for (const { name: field, schema, unit } of numbers) {
      const text = schema.description!;
      const said = /(\bns\b|^Time )/.test(text)
        ? 'ns'
        : /^(Bytes|Of these, the bytes)|, bytes\.$/.test(text)
          ? 'bytes'
          : /^(Pages(?! (and|or) reads)|Named|Kept|Taken over|Not taken|Dirty pages|File and metadata pages|Data and metadata pages)\b/.test(
                text,
              )
            ? 'pages'
            : undefined;
      if (said !== undefined) expect([field, unit]).toEqual([field, said]);
      if (unit === 'bytes' || unit === 'ns') expect(`${field}: ${text}`).toMatch(/ns|Ns|[Bb]ytes|: When|Time/);
    }
  });
});
