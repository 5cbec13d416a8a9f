// The sources as JavaScript for node itself. Vitest runs a module as a function, where each use of
// an import calls a getter. So the model takes a quarter more time, and longer to load. Instead a
// run compiles src/ once, one file to one file, and tests get these. Only the types are removed.
//
// A file is written when it would change, and in one step: runs at the same time share the folder.
// Mutants have a folder of their own (tools/mutants.mjs). A file in its `src` replaces that of
// src/.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transformSync } from 'rolldown/utils';
import type { Plugin } from 'vitest/config';

const ROOT = resolve(import.meta.dirname, '../..');
const SOURCES = join(ROOT, 'src/');
const FOLDER = process.env['STILLWARM_MUTANTS'];
const INSTEAD = FOLDER === undefined ? undefined : join(ROOT, FOLDER, 'src/');
const COMPILED = join(ROOT, FOLDER === undefined ? '.build/src-for-tests/' : `${FOLDER}/js/`);

/** Modules that vitest leaves to node. */
export const COMPILED_MODULES = /\/\.build\/(src-for-tests|mutants\/\d+\/js)\//;

/** Compiles src/, and gives its modules to those that import a source. */
export function compiledSources(): Plugin {
  compileAll();
  return {
    name: 'compiled-sources',
    enforce: 'pre',
    async resolveId(source, importer) {
      const found = await this.resolve(source, importer, { skipSelf: true });
      if (found?.id.startsWith(SOURCES) !== true || !found.id.endsWith('.ts')) return found;
      return COMPILED + nameOf(found.id.slice(SOURCES.length));
    },
  };
}

const nameOf = (source: string): string => source.replace(/\.ts$/, '.js');

function filesIn(directory: string, end: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith(end));
}

function compileAll(): void {
  mkdirSync(COMPILED, { recursive: true });
  const sources = filesIn(SOURCES, '.ts');
  for (const source of sources) put(COMPILED + nameOf(source), compile(SOURCES + source));
  const wanted = new Set(sources.map(nameOf));
  for (const name of filesIn(COMPILED, '.js')) if (!wanted.has(name)) rmSync(COMPILED + name);
}

function compile(path: string): string {
  const instead = INSTEAD === undefined ? path : path.replace(SOURCES, INSTEAD);
  const { code, map, errors } = transformSync(path, readFileSync(existsSync(instead) ? instead : path, 'utf8'), {
    typescript: { rewriteImportExtensions: 'rewrite', onlyRemoveTypeImports: true },
    // A module that looks for files looks beside its source.
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(path).href) },
    sourcemap: true,
  });
  if (map === undefined || map === null) throw new Error(errors.map(({ message }) => message).join('\n'));
  const url = `data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}`;
  return `${code}\n//# sourceMappingURL=${url}\n`;
}

function put(path: string, text: string): void {
  try {
    if (readFileSync(path, 'utf8') === text) return;
  } catch {
    mkdirSync(dirname(path), { recursive: true });
  }
  const part = `${path}.${process.pid}`;
  writeFileSync(part, text);
  renameSync(part, path);
}
