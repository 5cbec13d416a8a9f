/**
 * Several guests on one hypervisor, which is replaced under them: a warm-VM reboot, step by step.
 * Between the two hypervisors there is nothing but the machine's memory. 44 lines of code.
 */

// In a project of your own: from 'stillwarm/disk', 'stillwarm/kernel', 'stillwarm/machine',
// 'stillwarm/sim' and 'stillwarm/xen'.
import { directoryNode, Drive, driveOptions, fileNode, makeExt2, tree } from '../src/disk/index.ts';
import { Kernel } from '../src/kernel/index.ts';
import { MachineMemory, SERVER_2026, values } from '../src/machine/index.ts';
import { type Process, Simulation } from '../src/sim/index.ts';
import {
  type DomainConfig,
  domainOf,
  handOver,
  Hypervisor,
  resumeDomain,
  shutdownDomain0,
  suspendDomains,
  Toolstack,
} from '../src/xen/index.ts';

const MIB = 1 << 20;
const COSTS = values(SERVER_2026.hypervisor);

/**
 * What each guest reads afterwards in its file, or why it does not go on.
 * @param betweenHypervisors may damage the memory
 */
export function replaceHypervisor(
  names: readonly string[],
  betweenHypervisors: (memory: MachineMemory) => void = () => undefined,
): Map<string, string> {
  const simulation = new Simulation(1);
  const memory = new MachineMemory((16 + 17 * names.length) * MIB);
  const config = (name: string): DomainConfig => {
    const image = makeExt2(tree(directoryNode([['file', fileNode(`the file of ${name}`)]])));
    const device = new Drive(simulation, memory, image, driveOptions(SERVER_2026.disk));
    return { name, memoryBytes: 16 * MIB, device, cmdLine: 'cachemap=all' };
  };
  function* machine(): Process<Map<string, string>> {
    const old = Hypervisor.boot(simulation, memory, COSTS);
    const toolstack = new Toolstack(old);
    const configs = names.map(config);
    const kernels = new Map<string, Kernel>();
    for (const config of configs) {
      const domain = yield* domainOf(toolstack.createDomain(config));
      kernels.set(config.name, yield* Kernel.boot(domain.environment, values(SERVER_2026.guest)));
    }
    yield* shutdownDomain0(old, toolstack);
    yield* suspendDomains(old, toolstack);
    yield* handOver(old, toolstack);
    old.halt();
    betweenHypervisors(memory);
    const { hypervisor } = Hypervisor.reload(simulation, memory, COSTS);
    const { list } = new Toolstack(hypervisor);
    const outcomes = new Map<string, string>();
    for (const config of configs) {
      const outcome = yield* resumeDomain(hypervisor, list, config);
      outcomes.set(config.name, outcome.ok ? yield* read(kernels.get(config.name)!) : outcome.reason.why);
    }
    return outcomes;
  }
  return simulation.runProcess('machine', machine());
}

/** The text of the guest's file. */
function* read({ syscalls }: Kernel): Process<string> {
  const fd = yield* syscalls.open('/file');
  const bytes = new Uint8Array(4096);
  const length = yield* syscalls.read(fd, bytes, 0, bytes.length);
  return new TextDecoder().decode(bytes.subarray(0, length));
}
