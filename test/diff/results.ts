// Results of every command that `stillwarm diff` compares, with their definitions, and what the
// tests say of the places in them by hand.
import { ProtocolResult } from '../../src/cli/check/protocol-result.ts';
import { CheckResult } from '../../src/cli/check/result.ts';
import { findings } from '../../src/cli/inspect.ts';
import { InspectResult } from '../../src/cli/inspect-result.ts';
import { CurveResult, RestoreResult } from '../../src/experiment/accesses/result.ts';
import { ProfileResult } from '../../src/cli/profile-result.ts';
import { TraceResult } from '../../src/cli/trace-result.ts';
import { readResult, type ReadResult } from '../../src/diff/index.ts';
import { PROFILE, profileText } from '../../src/experiment/host/profile-file.ts';
import { PaperResult } from '../../src/experiment/paper/result.ts';
import { RebootResult } from '../../src/experiment/guest/result.ts';
import { VmmExperimentResult } from '../../src/experiment/vmm/result.ts';
import { PredictResult } from '../../src/experiment/predict/result.ts';
import { WebResult } from '../../src/experiment/web/result.ts';
import { inspectMemory } from '../../src/xen/inspect.ts';
import { sampleProtocolResult } from '../cli/check/protocol-sample.ts';
import { sampleCheckResult } from '../cli/check/sample.ts';
import { sampleCurveResult, sampleRestoreResult } from '../cli/replay-samples.ts';
import { sampleTraceResult } from '../cli/trace-sample.ts';
import { madeUpPaper } from '../report/paper-sample.ts';
import { samplePredictResult } from '../report/predict-sample.ts';
import { sampleResult } from '../report/sample.ts';
import { sampleVmmResult } from '../report/vmm-sample.ts';
import { sampleWebResult } from '../report/web-sample.ts';
import { bootMachine, cacheBlocks, startGuest } from '../support/machine.ts';

export type Plain = null | boolean | number | string | Plain[] | PlainObject;
export interface PlainObject {
  [key: string]: Plain;
}

export const plain = (value: unknown): PlainObject => JSON.parse(JSON.stringify(value)) as PlainObject;
export const asRead = (value: Plain, name = 'A.json'): ReadResult => readResult(name, JSON.stringify(value));

function inspected(): unknown {
  const machine = bootMachine(1);
  const guest = startGuest(machine, 'a');
  startGuest(machine, 'b');
  cacheBlocks(machine, guest, [1, 2, 3]);
  return findings(inspectMemory(machine.memory));
}

export const RESULTS = [
  ['reboot', RebootResult, plain(sampleResult())],
  ['vmm-reboot', VmmExperimentResult, plain(sampleVmmResult())],
  ['web', WebResult, plain(sampleWebResult())],
  ['predict', PredictResult, plain(samplePredictResult())],
  ['paper', PaperResult, plain(madeUpPaper({ study: true }).result)],
  ['profile', ProfileResult, plain(JSON.parse(profileText(PROFILE['server-2026'])))],
  ['check', CheckResult, plain(sampleCheckResult())],
  ['check-protocol', ProtocolResult, plain(sampleProtocolResult())],
  ['inspect', InspectResult, plain(inspected())],
  ['trace', TraceResult, plain(sampleTraceResult())],
  ['curve', CurveResult, plain(sampleCurveResult())],
  ['restore', RestoreResult, plain(sampleRestoreResult())],
] as const;

/** What a thing of a list is called, by the field that holds the list. */
const NAMES: Readonly<Record<string, (thing: Readonly<Record<string, string>>) => string | undefined>> = {
  set: (thing) => thing['constant'],
  profileConstants: (thing) => thing['constant'],
  strategies: (thing) => thing['name'] ?? thing['strategy'],
  runs: (thing) => `${thing['phase']}, ${thing['number']}`,
  machines: (thing) => `${thing['vms']}, ${Number(thing['memory']) / 2 ** 20}MiB`,
  guests: (thing) => thing['name'],
  figures: (thing) => nameOfScalar(thing['name']!),
  swings: (thing) => thing['constant'],
  readings: (thing) => thing['strategy'],
  services: (thing) => thing['name'],
  domain0Curve: (thing) => `${Number(thing['domain0Cache']) / 2 ** 20}MiB`,
  rates: (thing) => `${thing['mbps']}`,
  timeline: (thing) => thing['name'],
  options: (thing) => thing['name'],
  counts: (thing) => thing['name'],
  reached: (thing) => thing['name'],
  violations: (thing) => `${thing['at']}, ${thing['law']}`,
  domains: (thing) => `${thing['domid']}`,
  protocols: (thing) => thing['protocol'],
  searches: (thing) => nameOfScalar(thing['fault']!),
  steps: (thing) => `${thing['number']}`,
  parts: (thing) => nameOfScalar(thing['name']!),
  topFiles: (thing) => `${thing['file']}`,
  misses: (thing) => thing['strategy'],
  problems: (thing) => `${thing['line']}`,
  leftOut: (thing) => thing['what'],
  largest: (thing) => `${thing['number']}`,
  curves: ({ policy }) => policy!,
  points: (thing) => `${thing['pages']}`,
  curve: (thing) => `${thing['pages']}`,
  sweep: (thing) => `${thing['order']}, ${thing['percent']}`,
};

const KEYS: Readonly<Record<string, readonly string[]>> = {
  set: ['constant'],
  profileConstants: ['constant'],
  runs: ['phase', 'number'],
  machines: ['vms', 'memory'],
  strategies: ['name', 'strategy'],
  guests: ['name'],
  figures: ['name'],
  swings: ['constant'],
  readings: ['strategy'],
  services: ['name'],
  domain0Curve: ['domain0Cache'],
  rates: ['mbps'],
  timeline: ['name'],
  options: ['name'],
  counts: ['name'],
  reached: ['name'],
  violations: ['at', 'law'],
  domains: ['domid'],
  protocols: ['protocol'],
  searches: ['fault'],
  steps: ['number'],
  parts: ['name'],
  topFiles: ['file'],
  misses: ['strategy'],
  problems: ['line'],
  leftOut: ['what'],
  largest: ['number'],
  curves: ['policy'],
  points: ['pages'],
  curve: ['pages'],
  sweep: ['order', 'percent'],
};

/** A place in a result: what holds it, and the path that a comparison gives it. */
export interface Spot {
  readonly path: string;
  readonly holder: Plain[] | PlainObject;
  readonly key: string | number;
  readonly value: Plain;
}

/**
 * Every scalar and every named thing of a result that a comparison tells of, except the schema, the
 * digest and what names a thing.
 */
export function spotsOf(holder: PlainObject, path = '', without = ['schema', 'digest']): Spot[] {
  return Object.entries(holder).flatMap(([key, value]): Spot[] => {
    if (without.includes(key)) return [];
    const at = path === '' ? key : `${path}.${key}`;
    if (value === null || typeof value !== 'object') return [{ path: at, holder, key, value }];
    if (!Array.isArray(value)) return spotsOf(value, at, []);
    return value.flatMap((item, index): Spot[] => {
      const isThing = item !== null && typeof item === 'object' && !Array.isArray(item);
      const name = isThing ? NAMES[key]?.(item as Record<string, string>) : nameOfScalar(item);
      const spot = { path: `${at}[${name ?? `#${index + 1}`}]`, holder: value, key: index, value: item };
      const inside = isThing ? spotsOf(item, spot.path, name === undefined ? [] : [...KEYS[key]!]) : [];
      // What is known by its place alone is not taken away: the others would move up.
      return name === undefined ? inside : [spot, ...inside];
    });
  });
}

const nameOfScalar = (item: Plain): string =>
  typeof item === 'string' && /^[A-Za-z][\w.+:-]*( [\w.+:-]+)*$/.test(item) ? item : JSON.stringify(item);

/** Scalars in it, without what names the things. */
export const figuresIn = ({ path, value }: Spot): number => {
  if (value === null || typeof value !== 'object') return 1;
  const list = /(\w+)\[[^[]*$/.exec(path)?.[1] ?? '';
  return spotsOf(value as PlainObject, '', Array.isArray(value) ? [] : [...(KEYS[list] ?? [])]).filter(
    (spot) => spot.value === null || typeof spot.value !== 'object',
  ).length;
};
