// `npm run api`: each number of the public API says what it counts, or its unit. Reads what typedoc
// has written to .build/api.json. A number says so in one of three ways:
// - its name is one that docs/reference/api.md explains, under "Names of numbers";
// - its name ends in a unit, as `totalNs` and `sizeBytes` do;
// - its comment names a unit, a range or a thing that is counted.
import { readFileSync } from 'node:fs';

const read = (/** @type {string} */ path) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

const [, table = ''] = /^## Names of numbers$([^]*?)^## /m.exec(read('docs/reference/api.md')) ?? [];
const rows = [...table.matchAll(/^\| (`[^|]+`) \|/gm)];
const names = new Set(rows.flatMap(([, cell = '']) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name)));
if (names.size === 0) throw new Error('api-numbers: docs/reference/api.md has no names of numbers');

const UNIT_NAME = /(?:Ns|Ms|Bytes|Pages|Blocks|Sectors|Frames|Count|Seconds|MBps|Index)$/;
const UNITS =
  'bytes? ns ms seconds? pages? blocks? sectors? frames? bits? words? MB/s MiB GiB rpm integer counted number ' +
  'numbered share ratio count events? inodes? links? errno code flags? place slots? index runs files calls requests ' +
  'entries names dentries packets segments records messages transactions reads writes flushes items users? groups? ' +
  'connections domains port states steps observations';
const SAYS = new RegExp(
  `\\b(?:${UNITS.split(' ').join('|')}|how (?:many|often)|\\d+ (?:to|…) \\S+|0 or more|0: none)(?!\\w)`,
  'i',
);

/**
 * @typedef {object} Type
 * @property {string} type
 * @property {string} [name]
 * @property {Type[]} [types]
 * @property {Type} [elementType]
 * @property {Reflection} [declaration]
 */
/** @typedef {{ readonly text: string }[]} Text */
/** @typedef {{ readonly content: Text }} Tag */
/**
 * @typedef {object} Reflection
 * @property {string} name
 * @property {number} kind
 * @property {{ readonly summary?: Text, readonly blockTags?: Tag[] }} [comment]
 * @property {Type} [type]
 * @property {Reflection[]} [children]
 * @property {Reflection[]} [signatures]
 * @property {Reflection[]} [parameters]
 * @property {Reflection} [getSignature]
 */

/** Kinds of typedoc: a variable, a property, a signature, a parameter, a getter. */
const KINDS = new Set([32, 1024, 4096, 32768, 524288]);
const PARAMETER = 32768;

/** @param {Type | undefined} type @returns {boolean} */
const isNumber = (type) =>
  type !== undefined &&
  ((type.type === 'intrinsic' && type.name === 'number') ||
    [type.elementType, ...(type.types ?? [])].some((part) => part !== undefined && isNumber(part)));

/** @param {Reflection} reflection */
const textOf = ({ comment }) =>
  [...(comment?.summary ?? []), ...(comment?.blockTags ?? []).flatMap(({ content }) => content)]
    .map(({ text }) => text)
    .join('');

let numbers = 0;
/** @type {string[]} */
const silent = [];

/**
 * @param {Reflection} reflection
 * @param {string} path
 * @param {string} outer comment of what it is of
 */
function walk(reflection, path, outer) {
  const { name, kind, type } = reflection;
  const here = path === '' ? name : `${path}.${name}`;
  const own = textOf(reflection);
  if (KINDS.has(kind) && isNumber(type)) {
    numbers++;
    const said = kind === PARAMETER || own === '' || path.endsWith('.__type') ? `${own} ${outer}` : own;
    if (!names.has(name) && !UNIT_NAME.test(name) && !SAYS.test(said)) silent.push(here);
  }
  const { children = [], signatures = [], parameters = [], getSignature } = reflection;
  for (const one of [...children, ...signatures, ...parameters, getSignature, type?.declaration])
    if (one) walk(one, here, own || outer);
}

/** @type {unknown} */
const project = JSON.parse(read('.build/api.json'));
walk(/** @type {Reflection} */ (project), '', '');
for (const path of silent) console.error(`${path}: a number that says neither its unit nor what it counts`);
console.log(`api-numbers: ${numbers} numbers, ${silent.length} without a unit`);
process.exitCode = silent.length === 0 ? 0 : 1;
