// Stack traces that name sources, where what runs is what compiled-sources.ts made of them.
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';

/** A place in a trace: the module, as a path or an address, its line and its column. */
const PLACE = /(?:file:\/\/)?(\/[^\s()]*\/)\.build\/src-for-tests\/([^\s()]+)\.js:(\d+):(\d+)/g;

const maps = new Map<string, SourceMap>();

function mapOf(path: string): SourceMap {
  let map = maps.get(path);
  if (map === undefined) {
    const encoded = readFileSync(path, 'utf8').split('base64,').at(-1)!;
    map = new SourceMap(JSON.parse(Buffer.from(encoded, 'base64').toString()) as SourceMap['payload']);
    maps.set(path, map);
  }
  return map;
}

function inSources(trace: string): string {
  return trace.replace(PLACE, (place: string, root: string, name: string, line: string, column: string) => {
    const path = place.startsWith('file://')
      ? fileURLToPath(place.replace(/:\d+:\d+$/, ''))
      : `${root}.build/src-for-tests/${name}.js`;
    const entry = mapOf(path).findEntry(Number(line) - 1, Number(column) - 1);
    return 'originalLine' in entry
      ? `${root}src/${name}.ts:${entry.originalLine + 1}:${entry.originalColumn + 1}`
      : place;
  });
}

/** What makes traces, with sources in the place of what was made of them. */
const tracers = new WeakSet<object>();

/** Makes every trace that vitest prepares name sources; once, however often it is called. */
export function traceSources(): void {
  const prepare = Error.prepareStackTrace;
  if (prepare === undefined || tracers.has(prepare)) return;
  const tracer: typeof prepare = (error, frames) => {
    const trace: unknown = prepare(error, frames);
    return typeof trace === 'string' ? inSources(trace) : trace;
  };
  tracers.add(tracer);
  Error.prepareStackTrace = tracer;
}
