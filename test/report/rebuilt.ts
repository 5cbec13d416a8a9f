// The state that a table of places shows, put together again from its rows.

/** A row: the way to a value, and the value as JSON, or `{…}` and `[…]` where it has parts. */
export type Row = readonly [path: string, value: string];

const STEPS = /\[("(?:[^"\\]|\\.)*"|\d+)\]|[^.[\]]+/g;

/** The value of which these are the rows. Its own path is empty. */
export function rebuilt(all: readonly Row[]): unknown {
  const rows = all.filter(([path]) => path !== '');
  if (rows.length === 0) return parsed(all[0]![1]);
  const first = [...rows[0]![0].matchAll(STEPS)][0]!;
  const root: unknown = keyOf(first) === 0 ? [] : {};
  for (const [path, value] of rows) {
    const keys = [...path.matchAll(STEPS)].map(keyOf);
    let at = root as Record<string | number, unknown>;
    keys.forEach((key, n) => {
      const next = keys[n + 1];
      if (next === undefined) put(at, key, parsed(value));
      else if (!Object.hasOwn(at, key)) put(at, key, typeof next === 'number' ? [] : {});
      at = (Object.getOwnPropertyDescriptor(at, key)!.value ?? {}) as typeof at;
    });
  }
  return root;
}

const keyOf = ([whole, inner]: RegExpMatchArray): string | number =>
  inner === undefined ? whole : inner.startsWith('"') ? (JSON.parse(inner) as string) : Number(inner);

const parsed = (value: string): unknown => (value === '{…}' ? {} : value === '[…]' ? [] : JSON.parse(value));

/** Also a name that every object has. */
function put(at: object, key: string | number, value: unknown): void {
  Object.defineProperty(at, key, { value, enumerable: true, writable: true, configurable: true });
}
