/**
 * What is known of each result. It is a tree, some fields of which say what was run. Some fields
 * tell the things of a list apart, and each figure has a unit.
 *
 * A field that is not named here is compared all the same: a figure, in a list by its place. A test
 * holds this table against the definitions of the results.
 */

import { InputError } from '../base/index.ts';
import { isObject, parseJson, type JsonObject } from '../base/json.ts';

/** The things of a list. */
export interface Things {
  /** The fields that tell them apart. */
  readonly by: readonly string[];
  /** Whether each has a table of its own in the text. */
  readonly isSection?: true;
}

export interface Known {
  /** Fields of the whole that say what was run. */
  readonly inputs: readonly string[];
  /** Lists of things, by the name of the field. */
  readonly things: Readonly<Record<string, Things>>;
  /** Lists of samples, in the order of time: the text only counts which differ. */
  readonly samples: readonly string[];
}

const COMMON = ['seed', 'profile', 'profileConstants', 'arch', 'disk', 'set'] as const;

/** By the schema that the result names. */
export const KNOWN: Readonly<Record<string, Known>> = {
  'stillwarm/reboot@1': {
    inputs: [
      ...COMMON,
      'policy',
      'diskLimit',
      'workload',
      'fio',
      'crash',
      'checksum',
      'expire',
      'memory',
      'backend',
      'domain0Cache',
      'files',
      'bytes',
      'fitted',
    ],
    things: {
      set: { by: ['constant'] },
      profileConstants: { by: ['constant'] },
      strategies: { by: ['name'], isSection: true },
      runs: { by: ['phase', 'number'] },
      jobs: { by: ['name'] },
      domain0Curve: { by: ['domain0Cache'] },
    },
    samples: ['timeline'],
  },
  'stillwarm/vmm-reboot@1': {
    inputs: [...COMMON, 'files', 'bytes', 'limit', 'backend', 'fitted'],
    things: {
      set: { by: ['constant'] },
      profileConstants: { by: ['constant'] },
      machines: { by: ['vms', 'memory'], isSection: true },
      strategies: { by: ['strategy'], isSection: true },
      guests: { by: ['name'] },
      timeline: { by: ['name'] },
    },
    samples: [],
  },
  'stillwarm/web@1': {
    inputs: [
      ...COMMON,
      ...[
        'policy',
        'diskLimit',
        'memory',
        'backend',
        'domain0Cache',
        'crash',
        'files',
        'bytes',
        'served',
        'workers',
        'send',
        'connections',
        'loop',
        'rate',
        'arrivals',
      ],
      ...['thinkNs', 'timeoutNs', 'order', 'alpha', 'prefetchRate', 'before', 'after', 'fitted'],
    ],
    things: {
      set: { by: ['constant'] },
      profileConstants: { by: ['constant'] },
      strategies: { by: ['name'], isSection: true },
      runs: { by: ['phase', 'number'] },
    },
    samples: ['windows'],
  },
  'stillwarm/predict@1': {
    inputs: [
      ...COMMON,
      ...[
        'policy',
        'diskLimit',
        'memory',
        'backend',
        'domain0Cache',
        'format',
        'operations',
        'byKind',
        'leftOut',
        'threads',
        'files',
      ],
      ...['distinctPages', 'bytesRead', 'bytesWritten', 'hasTimes', 'spanNs', 'pace', 'speed', 'rebootAt'],
      ...['prefetchRate', 'depth', 'pageAccesses', 'fitted'],
    ],
    things: {
      set: { by: ['constant'] },
      profileConstants: { by: ['constant'] },
      strategies: { by: ['name'], isSection: true },
      parts: { by: ['name'] },
      topFiles: { by: ['file'] },
      misses: { by: ['strategy'] },
      curve: { by: ['pages'], isSection: true },
      sweep: { by: ['order', 'percent'] },
    },
    samples: ['windows'],
  },
  'stillwarm/paper@1': {
    inputs: [...COMMON, 'fitted'],
    things: {
      set: { by: ['constant'] },
      profileConstants: { by: ['constant'] },
      figures: { by: ['name'] },
      swings: { by: ['constant'] },
      machines: { by: ['vms', 'memory'], isSection: true },
      strategies: { by: ['strategy'] },
      readings: { by: ['strategy'] },
      services: { by: ['name'] },
      domain0Curve: { by: ['domain0Cache'] },
      rates: { by: ['mbps'] },
    },
    samples: ['windows'],
  },
  'stillwarm/profile@1': { inputs: ['name', 'extends', 'description'], things: {}, samples: [] },
  'stillwarm/check@1': {
    inputs: ['version', 'check', 'options', 'cases'],
    things: {
      options: { by: ['name'] },
      counts: { by: ['name'] },
      reached: { by: ['name'] },
      violations: { by: ['at', 'law'] },
    },
    samples: [],
  },
  'stillwarm/check-protocol@1': {
    inputs: ['version'],
    things: {
      protocols: { by: ['protocol'], isSection: true },
      searches: { by: ['fault'] },
      reached: { by: ['name'] },
      steps: { by: ['number'] },
    },
    samples: [],
  },
  'stillwarm/inspect@1': {
    inputs: [],
    things: { domains: { by: ['domid'], isSection: true } },
    samples: [],
  },
  'stillwarm/trace@1': {
    inputs: ['format', 'isGiven', 'packer', 'bytes', 'partitionOffset'],
    things: { problems: { by: ['line'] }, leftOut: { by: ['what'] }, largest: { by: ['number'] } },
    samples: [],
  },
  'stillwarm/curve@1': {
    inputs: ['format'],
    things: { curves: { by: ['policy'], isSection: true }, points: { by: ['pages'] } },
    samples: [],
  },
  'stillwarm/restore@1': {
    inputs: ['format', 'cachePages', 'rebootAt', 'pagesPerAccess', 'bytesPerSecond'],
    things: { sweep: { by: ['order', 'percent'] } },
    samples: [],
  },
};

/** Units of figures. */
export const UNITS = ['ns', 's', 'bytes', 'pages', 'number'] as const;
export type Unit = (typeof UNITS)[number];

/**
 * The unit of a field, by its name, and of the fields inside it. Names end in their unit.
 * @param inherited what the object around it says
 */
export function unitOf(name: string, inherited: Unit): Unit {
  if (name === 'ns' || name.endsWith('Ns')) return 'ns';
  if (name === 'expire') return 's';
  if (/^(memory|limit|bytes|bytesLost|bytesRead|bytesWritten|domain0Cache)$|Bytes$/.test(name)) return 'bytes';
  if (/^pages|Pages$|^(protected|unguarded|reusable)$/.test(name)) return 'pages';
  return inherited;
}

/** A result as it was read. */
export interface ReadResult {
  /** Of the file, for messages. */
  readonly name: string;
  readonly schema: string;
  readonly root: JsonObject;
}

/**
 * A result from the text of a file.
 * @throws InputError that names the file and the place
 */
export function readResult(name: string, text: string): ReadResult {
  const root = parseJson(name, text);
  const schema = isObject(root) ? root.get('schema') : undefined;
  if (!isObject(root) || typeof schema !== 'string')
    throw new InputError(`${name}: not the result of a command: it is not an object with a schema`);
  if (!Object.hasOwn(KNOWN, schema)) {
    const shown = JSON.stringify(schema.slice(0, 80));
    throw new InputError(`${name}: schema ${shown} is none of ${Object.keys(KNOWN).join(', ')}`);
  }
  const digest = root.get('digest') ?? '';
  if (typeof digest !== 'string') throw new InputError(`${name}: digest is not a string`);
  return { name, schema, root };
}
