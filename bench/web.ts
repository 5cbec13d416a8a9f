/**
 * How many virtual seconds a web server, its guest and its clients come to in a second of a
 * processor of the host. One row has 100 requests a second of files of 8 KiB. The other has clients
 * that ask for files of 64 KiB as fast as the line goes. Everything is cached, and every byte is
 * compared with the file.
 */

import { xenMac } from '../src/base/ethernet.ts';
import { OverlayImage } from '../src/disk/image/overlay-image.ts';
import { makeExt2 } from '../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../src/disk/mkfs/tree.ts';
import { machineMemoryFor } from '../src/experiment/host/host.ts';
import { Testbed } from '../src/experiment/host/testbed.ts';
import { WebHost } from '../src/experiment/host/web-host.ts';
import { WebLoad } from '../src/experiment/web/load.ts';
import { MachineMemory } from '../src/machine/memory.ts';
import { PENTIUM4_2006 } from '../src/machine/profiles/pentium4-2006.ts';
import { Apache, MAX_CLIENTS } from '../src/workload/apache.ts';
import { median, processorNs, type Row, ROUNDS } from './harness.ts';
import { scaledTarget } from './reference.ts';

const GUEST_BYTES = 64 << 20;
const FILES = 100;
const [SMALL, LARGE] = [8192, 65_536];
const SERVER = xenMac(1);

export function web(): Row[] {
  const calm = virtualSeconds(SMALL, 30, 100);
  const full = virtualSeconds(LARGE, 1, undefined);
  return [
    row('a web server, 100 requests/s of 8 KiB, virtual s a host s', calm, 30),
    row('a web server at line rate, files of 64 KiB, virtual s a host s', full, 1),
  ];
}

function row(what: string, figure: number, least: number): Row {
  const { target, here } = scaledTarget(least, 'x', 'higher');
  return { what, figure, unit: 'x', target: `at least ${target}`, met: figure >= here };
}

/**
 * @param seconds of virtual time in a round
 * @param rate requests a second; undefined: ten clients, each as fast as it is answered
 */
function virtualSeconds(size: number, seconds: number, rate: number | undefined): number {
  const contents = Array.from({ length: FILES }, (_, n) => new Uint8Array(size).map((_byte, at) => (at * 7 + n) & 255));
  const image = makeExt2(tree(directory(contents.map((bytes, n) => [`${n}`, file(bytes)] as const))));
  const testbed = new Testbed({
    seed: 1,
    profile: PENTIUM4_2006,
    disk: 'profile',
    image: new OverlayImage(image),
    memory: new MachineMemory(machineMemoryFor(GUEST_BYTES)),
    guestMemory: GUEST_BYTES,
    mac: SERVER,
  });
  const { simulation } = testbed;
  const { domain, kernel } = simulation.runProcess('boot', testbed.start('cachemap=files'));
  const options = { sending: 'sendfile', requestNs: testbed.guestCosts.webRequestNs, log: '/log' } as const;
  const apache = simulation.runProcess('httpd', Apache.open(kernel.syscalls, options));
  for (let n = 0; n < MAX_CLIENTS; n++) domain.environment.spawn(`httpd ${n}`, apache.worker());
  const load = new WebLoad({
    simulation,
    host: new WebHost(simulation, testbed.connectHost(), xenMac(0x10_0000)),
    server: SERVER,
    paths: contents.map((_, n) => `/${n}`),
    timeoutNs: 5e9,
    check: (n, { body }) => Buffer.compare(body, contents[n]!) === 0,
  });
  let asked = 0;
  const round = (): number => {
    const start = simulation.now;
    const before = load.exchanges.length;
    const next = (): number | undefined =>
      simulation.now - start < seconds * 1e9 ? asked++ % contents.length : undefined;
    const work =
      rate === undefined
        ? load.closed(10, 0, next)
        : load.open(rate, 'constant', simulation.random.stream('bench'), next);
    const hostNs = processorNs(() => simulation.runProcess('bench', work));
    if (load.exchanges.slice(before).some(({ isAnswered }) => !isAnswered))
      throw new Error('a request was not answered');
    return (simulation.now - start) / hostNs;
  };
  round();
  return median(Array.from({ length: ROUNDS }, round));
}
