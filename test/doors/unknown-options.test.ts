// A typo in the name of an option is a mistake of the caller, at each door that stands by itself.
// The doors `stillwarm/protocol` and `files` say so in tests of their own.
import { expect, it } from 'vitest';
import {
  ArgumentError,
  crashes,
  type CrashPlan,
  files,
  hypervisorCrashes,
  Machine,
  powerLosses,
} from '../../src/index.ts';
import { directory } from '../../src/doors/node/index.ts';
import { EmbeddedPageCache, FileReadahead } from '../../src/doors/page-cache/index.ts';
import { CacheTable } from '../../src/doors/table/index.ts';
import {
  countEvents,
  crashProperty,
  everyFault,
  faults,
  guestCommands,
  LAWS,
  programs,
  reboots,
  runFault,
  tableProperty,
  tableSteps,
  trees,
} from '../../src/doors/testing/index.ts';

const TYPO = { typo: 1 } as object;
const machine = { disk: files({}), memory: 12 << 20, drive: 'instant' } as const;
const boot = (): Machine => Machine.boot(machine);
const plan: CrashPlan = { machine, program: (sys) => sys.sync() };
const wrongPlan: CrashPlan = { ...plan, ...TYPO };
const cache = new EmbeddedPageCache({ capacity: 4 });
const frames = { frames: 8, ...TYPO };
const bytes = new Uint8Array(CacheTable.bytesFor(8));
const neverMade = (): never => {
  throw new Error('made');
};

it.each<[string, string, () => unknown]>([
  ['options', 'Machine.boot', () => Machine.boot({ ...machine, ...TYPO })],
  ['options', 'reboot', () => boot().reboot(TYPO)],
  ['options', 'crashAt', () => boot().crashAt({ event: 1, ...TYPO })],
  ['options', 'losePower', () => boot().losePower(TYPO)],
  ['plan', 'crashes', () => [...crashes(wrongPlan)]],
  ['plan', 'powerLosses', () => [...powerLosses(wrongPlan)]],
  ['plan', 'hypervisorCrashes', () => [...hypervisorCrashes(wrongPlan)]],
  ['options', 'directory', () => directory('.', TYPO)],
  ['options', 'EmbeddedPageCache', () => new EmbeddedPageCache({ capacity: 4, ...TYPO })],
  ['options', 'FileReadahead', () => new FileReadahead(cache, cache.open(1), TYPO)],
  ['options', 'CacheTable.create', () => CacheTable.create(bytes, frames)],
  ['options', 'CacheTable.recover', () => CacheTable.recover(bytes, frames)],
  ['options', 'trees', () => trees(TYPO)],
  ['options', 'reboots', () => reboots(TYPO)],
  ['options', 'faults', () => faults(TYPO)],
  ['options', 'programs', () => programs(TYPO)],
  ['options', 'guestCommands', () => guestCommands(TYPO)],
  ['options', 'tableSteps', () => tableSteps(TYPO)],
  ['options', 'tableProperty', () => tableProperty(neverMade, TYPO)],
  ['plan', 'countEvents', () => countEvents(wrongPlan)],
  ['plan', 'runFault', () => runFault(wrongPlan, { kind: 'crash', event: 1 })],
  ['plan', 'everyFault', () => [...everyFault(wrongPlan)]],
  ['options', 'everyFault', () => [...everyFault(plan, TYPO)]],
  ['plan', 'crashProperty', () => crashProperty(wrongPlan, () => true)],
  ['options', 'crashProperty', () => crashProperty(plan, () => true, TYPO)],
  ...Object.entries(LAWS).map(([name, law]): [string, string, () => unknown] => [
    'input',
    name,
    () => law({ machine, ...TYPO }),
  ]),
])('a typo in the %s of %s is an ArgumentError that says what there is', (argument, _, act) => {
  expect(act).toThrow(ArgumentError);
  expect(act).toThrow(`${argument}: has no typo; there are `);
});
