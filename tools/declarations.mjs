// Takes what is internal out of the doors' declarations.
// `node tools/declarations.mjs`
//
// A door exports what is marked @internal for the other rooms, and its users are not to see it.
// What is internal in a class or an interface stays: the types of other members are made of it.
import { readFileSync, writeFileSync } from 'node:fs';

const { exports } = /** @type {{ exports: Record<string, string | { types: string }> }} */ (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
);
const INTERNAL = /\/\*\* @internal \*\/\nexport [^;]*;\n/g;

for (const target of Object.values(exports)) {
  if (typeof target === 'string') continue;
  const path = new URL(`../${target.types}`, import.meta.url);
  writeFileSync(path, readFileSync(path, 'utf8').replace(INTERNAL, ''));
}
