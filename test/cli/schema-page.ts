// What docs/reference says of the object that a command prints with --json, from the definition of
// its result.

/** As much of JSON Schema as the definitions use. */
interface Schema {
  readonly $schema?: string;
  readonly $id?: string;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly const?: string;
  readonly enum?: readonly (string | number)[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
}

const code = (value: string | number): string => `\`${JSON.stringify(value)}\``;
const nameOf = (ref: string): string => ref.replace('#/$defs/', '');

function typeOf(schema: Schema): string {
  const { $ref, const: only, enum: names, anyOf, items, type } = schema;
  if ($ref !== undefined) return `[${nameOf($ref)}](#${nameOf($ref)})`;
  if (only !== undefined) return code(only);
  if (names !== undefined) return names.map(code).join(', ');
  if (anyOf !== undefined) return anyOf.map(typeOf).join(' or ');
  if (items !== undefined) return `array of ${items.enum === undefined ? typeOf(items) : `(${typeOf(items)})`}`;
  return type!;
}

/** A row for each field, and for each field of an object that has no name of its own. */
function rows({ properties, required = [] }: Schema, prefix = ''): string[] {
  return Object.entries(properties!).flatMap(([name, field]) => [
    `| \`${prefix}${name}\` | ${typeOf(field)}${required.includes(name) ? '' : ', optional'} | ${field.description} |`,
    ...(field.properties === undefined ? [] : rows(field, `${prefix}${name}.`)),
  ]);
}

const table = (schema: Schema): string[] => ['| field | type | meaning, unit |', '|---|---|---|', ...rows(schema)];

/** The machine-readable form. */
export function schemaFile(definition: object): string {
  const { $schema, $id, title, description, ...root } = definition as Schema;
  return `${JSON.stringify({ $schema, $id, title, description, ...root }, null, 2)}\n`;
}

/** The page for people. */
export function schemaPage(command: string, definition: object): string {
  const { $id, $defs, title, description, ...root } = definition as Schema;
  return [
    `# ${title!.replace(/stillwarm .*/, '`$&`')}`,
    '',
    'Generated from the definition of the result; do not edit. `UPDATE_DOCS=1 npx vitest run test/cli/schema.test.ts` writes it anew.',
    '',
    `One JSON object on standard output, schema \`${$id}\`. The machine-readable form of this page is`,
    `[${command}.schema.json](${command}.schema.json) (JSON Schema 2020-12). Every field is there unless it is called optional, and`,
    'there are no others. A change that removes a field or changes its meaning gets a new number after the `@`.',
    '',
    description!,
    '',
    '## The object',
    '',
    ...table(root),
    ...Object.entries($defs!).flatMap(([name, kind]) => ['', `## ${name}`, '', kind.description!, '', ...table(kind)]),
    '',
  ].join('\n');
}
