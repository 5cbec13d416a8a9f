// A guest with Apache on a network, and a host with clients.
import { xenMac } from '../../../src/base/ethernet.ts';
import { directory, file, tree } from '../../../src/disk/mkfs/tree.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { machineMemoryFor } from '../../../src/experiment/host/host.ts';
import { Testbed } from '../../../src/experiment/host/testbed.ts';
import { WebHost } from '../../../src/experiment/host/web-host.ts';
import { WebLoad, type LoadOptions } from '../../../src/experiment/web/load.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';
import type { Process } from '../../../src/sim/index.ts';
import { Apache, type Sending } from '../../../src/workload/apache.ts';

const GUEST_MEMORY = 32 << 20;
export const GUEST = xenMac(1);
export const LOG = '/access.log';

/** Files /0, /1, … of these sizes. */
export const contentsOf = (sizes: readonly number[]): Uint8Array[] =>
  sizes.map((size, number) => new Uint8Array(size).map((_, at) => (at * 7 + (at >> 12) + number) & 255));

export interface ServedOptions {
  readonly sizes: readonly number[];
  readonly workers?: number;
  readonly sending?: Sending;
  /** Whether a frame for the clients is lost. */
  readonly loses?: (frame: Uint8Array) => boolean;
}

export function served({ sizes, workers = 4, sending = 'sendfile', loses = () => false }: ServedOptions) {
  const contents = contentsOf(sizes);
  const image = makeExt2(tree(directory(contents.map((bytes, number) => [String(number), file(bytes)] as const))));
  const testbed = new Testbed({
    seed: 1,
    profile: SERVER_2026,
    disk: 'instant',
    image,
    memory: new MachineMemory(machineMemoryFor(GUEST_MEMORY)),
    guestMemory: GUEST_MEMORY,
    mac: GUEST,
  });
  const { simulation } = testbed;
  const guest = simulation.runProcess('boot', testbed.start('cachemap=off'));
  const sys = guest.kernel.syscalls;
  const nic = testbed.connectHost();
  const open = nic.open.bind(nic);
  nic.open = (receive) =>
    open((frame) => {
      if (!loses(frame)) receive?.(frame);
    });
  const host = new WebHost(simulation, nic, xenMac(0x10_0000));
  const run = <T>(process: Process<T>): T => simulation.runProcess('test', process);
  return {
    ...{ testbed, simulation, guest, sys, host, contents, run },
    /** Starts the server. */
    serve: (): Apache => {
      const apache = run(Apache.open(sys, { sending, requestNs: 1000, log: LOG }));
      for (let n = 0; n < workers; n++) guest.domain.environment.spawn(`httpd ${n}`, apache.worker());
      return apache;
    },
    load: (change: Partial<LoadOptions> = {}): WebLoad =>
      new WebLoad({
        ...{ simulation, host, server: GUEST },
        paths: sizes.map((_, number) => `/${number}`),
        timeoutNs: 5e9,
        check: (number, { status, body }) => status === 200 && Buffer.compare(body, contents[number]!) === 0,
        ...change,
      }),
    /** Lines of the log. */
    logLines: (): string[] => {
      const fd = run(sys.open(LOG));
      const bytes = new Uint8Array(sys.fstat(fd).size);
      run(sys.read(fd, bytes, 0, bytes.length));
      return new TextDecoder().decode(bytes).trimEnd().split('\n');
    },
  };
}
