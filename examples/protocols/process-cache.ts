/**
 * A process whose cache outlives it in shared memory. 140 lines of code.
 *
 * It stands for memcached with a memory file, and for Traffic Server with its directory in shared
 * memory. A process that stops writes a metadata file, which says that the memory may be adopted. The
 * next process takes that file away before it changes the memory. Memory and file survive the
 * processes, however they end, and are lost with power.
 *
 * Scope: two processes, one at a time by a lock that the host gives up when its owner ends. Two keys,
 * each stored up to twice. Any number of kills, losses of power, upgrades and downgrades, and one
 * exchange of the disk.
 */

// In a project of your own: from 'stillwarm/protocol'.
import { type ProtocolFault as Fault, type Model, protocol, type Step } from '../../src/lab/protocol/index.ts';

interface State {
  /** How often each key was stored and acknowledged: the oracle. */
  stored: number[];
  /** Version of the program that is installed, and the disk that is in its slot. */
  version: number;
  disk: number;
  /** The shared memory: values (0 for none), in the layout of a version and for a disk. */
  memory: { values: number[]; version: number; disk: number };
  /** The metadata file. */
  metadata: { isWhole: boolean; version: number; disk: number } | null;
  processes: { state: 'down' | 'starting' | 'serving' | 'stopping'; storing: number | null; isWarm: boolean }[];
  /** Starts in a row that aborted. */
  aborts: number;
}

const fault = (what: string, breaks: string, within: number): Fault => ({ what, breaks, within });
const HIT = 'A hit returns what was last stored';
const TORN = -1;
const exchange = (list: unknown[], i: number, j: number): void => {
  [list[i], list[j]] = [list[j], list[i]];
};

export default protocol({
  name: 'process-cache',
  what: 'A process adopts the cache that the one before it has left in shared memory.',
  faults: {
    truncatedAborts: fault('A start aborts on metadata that is truncated.', 'No start aborts for ever', 8),
    truncatedLoops: fault('A start loops on metadata that is truncated.', 'deadlock', 5),
    flagStays: fault('The metadata stays valid while values change.', HIT, 10),
    anyVersion: fault('The version of the layout is not compared.', HIT, 9),
    anyDisk: fault('The identity of the disk is not compared.', HIT, 9),
    twoAttach: fault('Nothing keeps a second process from the memory.', 'The memory has one owner', 4),
  },
  build(has): Model<State> {
    const process = (p: number): Record<string, Step<State>> => ({
      starts: {
        when: ({ processes }) =>
          processes[p]!.state === 'down' && (has('twoAttach') || processes.every(({ state }) => state === 'down')),
        do: ({ processes }) => void (processes[p]!.state = 'starting'),
      },
      'reads the metadata': {
        when: ({ processes, metadata }) =>
          processes[p]!.state === 'starting' && !(has('truncatedLoops') && metadata?.isWhole === false),
        do(s) {
          const { metadata, processes, version, disk } = s;
          if (metadata?.isWhole === false && has('truncatedAborts')) {
            processes[p]!.state = 'down';
            s.aborts++;
            return;
          }
          const isWarm =
            metadata !== null &&
            metadata.isWhole &&
            (metadata.version === version || has('anyVersion')) &&
            (metadata.disk === disk || has('anyDisk'));
          if (!isWarm) s.memory = { values: [0, 0], version, disk };
          if (!has('flagStays')) s.metadata = null;
          processes[p] = { state: 'serving', storing: null, isWarm };
          s.aborts = 0;
        },
      },
      'begins to store key': {
        each: 2,
        when: ({ processes, stored }, key: number) =>
          processes[p]!.state === 'serving' && processes[p]!.storing === null && stored[key]! < 2,
        do(s, key: number) {
          s.memory.values[key] = TORN;
          s.processes[p]!.storing = key;
        },
      },
      'ends the store': {
        when: ({ processes }) => processes[p]!.storing !== null,
        do(s) {
          const key = s.processes[p]!.storing!;
          s.memory.values[key] = ++s.stored[key]!;
          s.processes[p]!.storing = null;
        },
      },
      'begins to write metadata': {
        when: ({ processes }) => processes[p]!.state === 'serving' && processes[p]!.storing === null,
        do(s) {
          s.metadata = { isWhole: false, version: s.version, disk: s.disk };
          s.processes[p]!.state = 'stopping';
        },
      },
      'ends the metadata and stops': {
        when: ({ processes }) => processes[p]!.state === 'stopping',
        do(s) {
          s.metadata!.isWhole = true;
          s.processes[p] = { state: 'down', storing: null, isWarm: false };
        },
      },
    });
    const down = { state: 'down', storing: null, isWarm: false } as const;
    const left = ['stored', 'version', 'disk', 'memory', 'metadata', 'aborts'] as const;
    const areDown = ({ processes }: Readonly<State>): boolean => processes.every(({ state }) => state === 'down');
    const initial: State = {
      ...{ stored: [0, 0], version: 1, disk: 1, memory: { values: [0, 0], version: 1, disk: 1 } },
      ...{ metadata: null, processes: [{ ...down }, { ...down }], aborts: 0 },
    };
    return {
      initial,
      actors: { 'process 0': process(0), 'process 1': process(1) },
      events: {
        'the processes are killed': { survives: left, most: Infinity },
        'power is lost': { survives: ['stored', 'version', 'disk'], most: Infinity },
        'another version is installed': {
          survives: left,
          most: Infinity,
          when: areDown,
          then: (s) => void (s.version = 3 - s.version),
        },
        'another disk is put into the slot': { survives: left, when: areDown, then: (s) => void (s.disk = 2) },
      },
      laws: {
        always: {
          [HIT]: ({ processes, memory, stored, version, disk }) =>
            processes.every(({ state }) => state !== 'serving') ||
            memory.values.every(
              (value, key) =>
                value === 0 ||
                processes.some(({ storing }) => storing === key) ||
                (value === stored[key] && memory.version === version && memory.disk === disk),
            ),
          'No start aborts for ever': ({ aborts }) => aborts < 2,
          'The memory has one owner': ({ processes }) =>
            processes.filter(({ state }) => state === 'serving' || state === 'stopping').length < 2,
        },
        sometimes: {
          'A process restarts with a warm cache': ({ processes, memory }) =>
            processes.some(({ isWarm }) => isWarm) && memory.values.every((value) => value > 0),
        },
      },
      alike: [
        { count: 2, swap: ({ processes }, i, j) => exchange(processes, i, j) },
        {
          count: 2,
          swap(s, i, j) {
            exchange(s.stored, i, j);
            exchange(s.memory.values, i, j);
            for (const process of s.processes) if (process.storing !== null) process.storing ^= 1;
          },
        },
      ],
    };
  },
});
