/**
 * The words in which the result of a command is defined. One definition is its type, its JSON
 * Schema (2020-12) and its page in docs/reference. Code takes only the type from a definition, so
 * that no run loads typebox.
 */

import { Type, type Static, type TArrayOptions, type TObject, type TProperties, type TSchema } from 'typebox';

/**
 * The type of what a definition describes. Nothing in it changes; a field that JSON leaves out may
 * be undefined.
 */
export type Described<T extends TSchema> = Frozen<Static<T>>;

type Frozen<T> = T extends object
  ? { readonly [K in keyof T]: object extends Pick<T, K> ? Frozen<T[K]> | undefined : Frozen<T[K]> }
  : T;

/** An integer from `minimum` on. */
export const count = (description: string, minimum = 0) => Type.Integer({ description, minimum });

export const integer = (description: string) => Type.Integer({ description });

export const text = (description: string) => Type.String({ description });

export const boolean = (description: string) => Type.Boolean({ description });

export const oneOf = <const Values extends readonly (string | number)[]>(description: string, values: Values) =>
  Type.Unsafe<Values[number]>({ enum: values, description });

export const orNull = <T extends TSchema>(description: string, item: T) =>
  Type.Union([item, Type.Null()], { description });

/** An object that has these fields and no other. */
export const object = <Fields extends TProperties>(description: string, fields: Fields) =>
  Type.Object(fields, { description, additionalProperties: false });

/** An object with a name, under which results refer to it: a section of the page. */
export const kind = <Fields extends TProperties>(title: string, description: string, fields: Fields) =>
  Type.Object(fields, { title, description, additionalProperties: false });

/** A field that holds one object of a kind. */
export const one = <Kind extends TObject>(description: string, of: Kind) =>
  Type.Unsafe<Static<Kind>>(refer(of, description));

/** An object of a kind, or null. */
export const oneOrNull = <Kind extends TObject>(description: string, of: Kind) =>
  orNull(description, Type.Unsafe<Static<Kind>>(refer(of)));

/** A list of objects of a kind. */
export const many = <Kind extends TObject>(description: string, of: Kind, bounds: TArrayOptions = {}) =>
  Type.Array(Type.Unsafe<Static<Kind>>(refer(of)), { description, ...bounds });

export const list = <Item extends TSchema>(description: string, item: Item, bounds: TArrayOptions = {}) =>
  Type.Array(item, { description, ...bounds });

const refer = (kind: TObject, description?: string): object => ({
  $ref: `#/$defs/${(kind as { title?: string }).title}`,
  ...(description === undefined ? {} : { description }),
});

/**
 * The whole object that a command prints.
 * @param id name and version of the format
 * @param description paragraphs for the page
 * @param kinds all that it refers to, in the order of the page
 */
export const result = <const Id extends string, Fields extends TProperties>(
  id: Id,
  title: string,
  description: string,
  fields: Fields,
  kinds: readonly TObject[],
) =>
  Type.Object(
    { schema: Type.Literal(id, { description: 'Name and version of this format.' }), ...fields },
    {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: id,
      title,
      description,
      additionalProperties: false,
      $defs: Object.fromEntries(kinds.map((kind) => [(kind as { title?: string }).title, kind])),
    },
  );
