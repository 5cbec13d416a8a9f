/** A channel of a drive serves one request, or one destaging run, at a time. */

import type { MachineMemory } from '../../machine/memory.ts';
import type { BlockRequest } from './block-device.ts';

export interface Channel {
  state: 'free' | 'request' | 'destage';
  request: BlockRequest | undefined;
  memory: MachineMemory;
  sectors: number;
  failed: boolean;
  /** The service reads or writes the medium. */
  usesMechanism: boolean;
  /** The request is abandoned: none of its bytes moves. */
  abandoned: boolean;
  /** Granules of the cache promised to the write in service. */
  reserved: number;
  /** The destaging run: granules. */
  runStart: number;
  runLength: number;
  /** The event that ends the service; made once (see hot-paths 10). */
  readonly finish: () => void;
}

/** A free one. @param finish called at the end of each service */
export function makeChannel(memory: MachineMemory, finish: (channel: Channel) => void): Channel {
  const channel: Channel = {
    state: 'free',
    request: undefined,
    memory,
    sectors: 0,
    failed: false,
    usesMechanism: false,
    abandoned: false,
    reserved: 0,
    runStart: 0,
    runLength: 0,
    finish: () => finish(channel),
  };
  return channel;
}
