// Bundles an entry, with all that it imports, into one file.
//
// `node tools/bundle.mjs FILE [ENTRY]` bundles the command line for node, or another entry: opening
// some two hundred modules takes longer than `stillwarm --version` should. Not minified, so that a
// stack trace is legible. A package that is bundled stays a dependency all the same: its licence is
// installed with it.
//
// `node tools/bundle.mjs --browser ENTRY FILE` bundles an entry for browsers: an ES module that
// imports nothing. It fails when something is left that a browser does not have.
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const { browser, optionalDependencies, peerDependencies } =
  /** @type {Record<'browser' | 'optionalDependencies' | 'peerDependencies', Record<string, string>>} */ (
    JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  );

/**
 * The sources that package.json replaces in browsers. It names what users get, `./dist/a.js`, which
 * is made of src/a.ts.
 * @returns {Map<string, string>}
 */
function browserTwins() {
  /** @param {string} path */
  const sourceOf = (path) => join(ROOT, path.replace(/^\.\/dist\//, 'src/').replace(/\.js$/, '.ts'));
  return new Map(Object.entries(browser).map(([from, to]) => [sourceOf(from), sourceOf(to)]));
}

/**
 * The bundle of an entry for browsers: the text of an ES module.
 * @param {string} entry path
 * @returns {Promise<string>}
 * @throws Error that names each import that a browser cannot follow, and where it is
 */
export async function bundleForBrowser(entry) {
  const twins = browserTwins();
  /** @type {string[]} */
  const lost = [];
  const { output } = await build({
    cwd: ROOT,
    input: resolve(entry),
    platform: 'browser',
    write: false,
    output: { format: 'esm', codeSplitting: false, comments: { jsdoc: false } },
    plugins: [
      {
        name: 'browser-twins',
        load: (id) => {
          const twin = twins.get(id);
          return twin === undefined ? null : readFileSync(twin, 'utf8');
        },
      },
    ],
    onLog: (level, log, report) => {
      if (log.code === 'UNRESOLVED_IMPORT') lost.push(log.message.split('\n')[0] ?? log.message);
      else report(level, log);
    },
  });
  const [chunk] = output;
  const left = [...chunk.imports, ...chunk.dynamicImports];
  if (left.length > 0) throw new Error(`bundle for browsers: ${left.join(', ')}\n${lost.join('\n')}`);
  return chunk.code;
}

/**
 * Bundles the command line for node. Peer and optional dependencies stay outside: the program
 * imports them where it needs them, and its user may have none.
 * @param {string} [to] the file to be written; none by default
 * @param {string} [entry] path
 * @returns {Promise<string[]>} paths of the modules that the bundle is made of
 */
export async function bundleProgram(to, entry = 'src/cli/main.ts') {
  const { output } = await build({
    cwd: ROOT,
    input: resolve(ROOT, entry),
    platform: 'node',
    external: Object.keys({ ...peerDependencies, ...optionalDependencies }),
    write: to !== undefined,
    output: { ...(to !== undefined && { file: to }), comments: { jsdoc: false } },
  });
  return output.flatMap((part) => (part.type === 'chunk' ? part.moduleIds : []));
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [first, entry, to] = process.argv.slice(2);
  if (first === '--browser') {
    if (entry === undefined || to === undefined) throw new Error('bundle: name the entry and the file to be written');
    writeFileSync(to, await bundleForBrowser(entry));
  } else {
    if (first === undefined) throw new Error('bundle: which file is to be written?');
    await bundleProgram(first, entry);
  }
}
