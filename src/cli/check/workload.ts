/**
 * `--workload FILE`: a user's program, as a module that exports it by default. A thread imports it
 * (../worker.ts).
 *
 * A file of TypeScript loses its types and keeps every line and column, as node does it since its
 * version 22. So do the files of TypeScript that it imports. Whatever else it imports, `stillwarm`
 * too, is found from where the file lies.
 */

import type * as Stripper from '@swc/wasm-typescript';
import { readFileSync } from 'node:fs';
import { register } from 'node:module';
import { pathToFileURL } from 'node:url';
import { InputError } from '../../base/index.ts';
import type { Program } from '../../doors/machine/index.ts';

/** What a workload may be called. */
export const WORKLOAD_NAME = /\.(mjs|mts|ts)$/;

/**
 * The hooks of node's loader, which run in a thread of their own. That is why they are a text. They
 * are told where the package is that removes types.
 */
const HOOKS = `
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
let stripper;
export async function initialize(data) {
  stripper = data.stripper;
  if (data.isNeeded) await import(stripper);
}
export async function load(url, context, next) {
  if (!/^file:[^?]*\\.m?ts(\\?|$)/.test(url)) return next(url, context);
  const path = fileURLToPath(url);
  const { transformSync } = (await import(stripper)).default;
  try {
    const { code } = transformSync(readFileSync(path, 'utf8'), { mode: 'strip-only', module: true, filename: path });
    return { format: 'module', source: code, shortCircuit: true };
  } catch (error) {
    if (error instanceof Error) throw error;
    throw new SyntaxError(url.split('?')[0] + ':' + error.startLine + ': ' + error.message);
  }
}`;

/** Where the package is that removes types. It is large, and loaded only where it is used. */
const stripper = (): string => import.meta.resolve('@swc/wasm-typescript');

let isRegistered = false;

/**
 * Has node import TypeScript from now on.
 * @param isNeeded whether what removes types is loaded at once
 */
export function registerHooks(isNeeded = false): void {
  if (isRegistered) return;
  isRegistered = true;
  register(`data:text/javascript,${encodeURIComponent(HOOKS)}`, {
    parentURL: import.meta.url,
    data: { stripper: stripper(), isNeeded },
  });
}

/**
 * Imports the file anew, and gives its program.
 * @param instance each has modules of its own, except those that the file imports
 * @throws InputError of one line that names the file and the line
 */
export async function loadWorkload(path: string, instance: number): Promise<Program> {
  const { default: exported } = await loadModule(path, instance);
  if (typeof exported === 'function') return exported as Program;
  throw new InputError(
    `${path}:1: expected a program: export default function* (sys) { … }; the default export is ${typeof exported}`,
  );
}

/**
 * Imports the file anew.
 * @throws InputError of one line that names the file and the line
 */
export async function loadModule(path: string, instance: number): Promise<{ readonly default?: unknown }> {
  registerHooks();
  try {
    return (await import(`${pathToFileURL(path).href}?${instance}`)) as { readonly default?: unknown };
  } catch (error) {
    throw new InputError(blamed(error, path) ?? (await syntaxErrorOf(path)) ?? `${path}: ${firstLine(error)}`);
  }
}

/**
 * What the file is to blame for, in one line with the place in it. Undefined when the error does
 * not come from there.
 */
export function blamed(error: unknown, path: string): string | undefined {
  const text = error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : '';
  const url = pathToFileURL(path).href;
  const at = text.indexOf(`${url}?`) >= 0 ? text.indexOf(`${url}?`) : text.indexOf(`${url}:`);
  const line = at < 0 ? lineOfImport(text, path) : /^(?:\?\d+)?:(\d+)/.exec(text.slice(at + url.length))?.[1];
  if (line === undefined) return otherFile(text, error);
  return `${path}:${line}: ${firstLine(error)}`;
}

/** What does not parse in the file, with its line, which node does not tell. */
async function syntaxErrorOf(path: string): Promise<string | undefined> {
  const { transformSync } = ((await import(stripper())) as { readonly default: typeof Stripper }).default;
  try {
    transformSync(readFileSync(path, 'utf8'), { mode: 'strip-only', module: true });
    return undefined;
  } catch (error) {
    const { startLine, message } = error as { readonly startLine?: number; readonly message: string };
    return startLine === undefined ? undefined : `${path}:${startLine}: ${message}`;
  }
}

/** Another file of the user's that does not parse. */
function otherFile(text: string, error: unknown): string | undefined {
  if (!(error instanceof SyntaxError)) return undefined;
  const [, place, line] = /^(file:\/\/[^\s?:]+)(?:\?\d+)?:(\d+)/m.exec(text) ?? [];
  return place === undefined ? undefined : `${decodeURI(place).replace(/^file:\/\//, '')}:${line}: ${firstLine(error)}`;
}

/** The line with the name of what cannot be found. Node does not tell it. */
function lineOfImport(text: string, path: string): string | undefined {
  const name = /^(?:Cannot find (?:package|module)|The requested module) '([^']+)'/.exec(text)?.[1];
  if (name === undefined) return undefined;
  const end = name.split('/').at(-1)!;
  const line = readFileSync(path, 'utf8')
    .split('\n')
    .findIndex((each) => /\b(from|import)\b/.test(each) && each.includes(end));
  return `${line + 1 || 1}`;
}

/** Of the message, without the place. */
function firstLine(error: unknown): string {
  const message = error instanceof Error && error.message !== '' ? error.message : String(error);
  return message.split('\n')[0]!.replace(/^file:\S+:\d+: /, '');
}
