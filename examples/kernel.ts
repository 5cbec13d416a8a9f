/**
 * One guest after the other in one domain, put together by hand. Between the two there is nothing
 * but the machine's memory. There a byte of a cached page flips, and with checksums the next guest
 * is not given that page. 38 lines of code.
 */

// In a project of your own: from 'stillwarm/base', 'stillwarm/disk', 'stillwarm/kernel',
// 'stillwarm/machine', 'stillwarm/sim' and 'stillwarm/xen'.
import { Mfn } from '../src/base/index.ts';
import { directoryNode, Drive, driveOptions, fileNode, makeExt2, tree } from '../src/disk/index.ts';
import { Kernel, type KernelStats } from '../src/kernel/index.ts';
import { MachineMemory, SERVER_2026, values } from '../src/machine/index.ts';
import { type Process, Simulation } from '../src/sim/index.ts';
import { type DomainStats, domainOf, Hypervisor, Toolstack } from '../src/xen/index.ts';

const MIB = 1 << 20;

/** The second guest's figures, and its domain's. */
export interface Outcome {
  readonly kernel: KernelStats;
  readonly domain: DomainStats;
  readonly text: string;
}

/** Reboots a guest that has read a file whose text is `text`. */
export function rebootOver(text: string, damaged: boolean, checksum: boolean): Outcome {
  const simulation = new Simulation(1);
  const memory = new MachineMemory(40 * MIB);
  const protections = { checksum };
  const hypervisor = Hypervisor.boot(simulation, memory, values(SERVER_2026.hypervisor), { protections });
  const toolstack = new Toolstack(hypervisor);
  const image = makeExt2(tree(directoryNode([['file', fileNode(text)]])));
  const device = new Drive(simulation, memory, image, driveOptions(SERVER_2026.disk));
  const betweenGuests = (): void => {
    for (let mfn = Mfn(0); damaged && mfn < memory.frameCount; mfn = Mfn(mfn + 1))
      if (textOf(memory.frame(mfn)).startsWith(text)) memory.writeU32(mfn, 0, 0);
  };
  function* machine(): Process<Outcome> {
    const config = { name: 'guest', memoryBytes: 16 * MIB, device, cmdLine: 'cachemap=all' };
    const first = yield* domainOf(toolstack.createDomain(config));
    const before = yield* Kernel.boot(first.environment, values(SERVER_2026.guest));
    yield* read(before);
    yield* before.shutdown();
    const { cmdLine } = config;
    const next = yield* domainOf(toolstack.restartDomain(first, { preserve: true, cmdLine, betweenGuests }));
    const after = yield* Kernel.boot(next.environment, values(SERVER_2026.guest));
    return { text: yield* read(after), kernel: after.stats, domain: next.stats };
  }
  return simulation.runProcess('machine', machine());
}

/** The file's text. */
function* read({ syscalls }: Kernel): Process<string> {
  const fd = yield* syscalls.open('/file');
  const bytes = new Uint8Array(4096);
  const length = yield* syscalls.read(fd, bytes, 0, bytes.length);
  return textOf(bytes.subarray(0, length));
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
