// Two machines in a room with a cable between them, for the tests of live migration.
import type { Arch } from '../../../src/base/index.ts';
import { Nic } from '../../../src/machine/nic.ts';
import { values } from '../../../src/machine/profile.ts';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';
import {
  type ArrivalOptions,
  type ArrivalOutcome,
  migrateDomain,
  type MigrationOutcome,
  receiveMigration,
} from '../../../src/xen/index.ts';
import { bootMachine, machineBeside, type MiniGuest, stateOf, type TestMachine } from '../../support/machine.ts';

export interface Room {
  readonly source: TestMachine;
  readonly target: TestMachine;
  readonly cable: readonly [Nic, Nic];
}

export function room(targetBytes?: number, arch: Arch = 'x86_64', targetArch = arch): Room {
  const source = bootMachine(1, { arch });
  const target = machineBeside(source, targetBytes, targetArch);
  return { source, target, cable: Nic.connect(source.simulation, values(SERVER_2026.nic.constants)) };
}

export interface Outcome {
  readonly left: MigrationOutcome;
  readonly arrived: ArrivalOutcome | undefined;
  /** The guest as it stood still at the source. */
  readonly before: ReturnType<typeof stateOf> | undefined;
}

export function migrate(
  { source, target, cable }: Room,
  guest: MiniGuest,
  options: Partial<ArrivalOptions> = {},
): Outcome {
  const { simulation } = source;
  let arrived: ArrivalOutcome | undefined;
  let before: ReturnType<typeof stateOf> | undefined;
  const { domain } = guest;
  const arrival = receiveMigration(target, cable[1], {
    devicesOf: () => ({ device: target.disk }),
    vouch: false,
    ...options,
  });
  target.hypervisor.power.spawn(
    'arrival',
    (function* () {
      arrived = yield* arrival;
    })(),
  );
  simulation.spawn(
    'look',
    (function* () {
      while (domain.isRunning) yield domain.stateChanged;
      if (domain.state !== 'suspended') return;
      yield* domain.released();
      before = stateOf(source, domain);
    })(),
  );
  const left = simulation.runProcess('migrate', migrateDomain(source, domain, { device: source.disk }, cable[0]));
  simulation.run();
  source.toolstack.list.checkInvariants();
  target.toolstack.list.checkInvariants();
  return { left, arrived, before };
}
