/**
 * Messages of a guest to the store: paths, values, watches and the states of its devices, in any
 * order. Each is served or refused with an errno. What the back-ends read there may be nonsense,
 * and what belongs to others stays as it is.
 */

import { DOM0, ModelError, Ns } from '../../base/index.ts';
import type { MacAddress } from '../../base/ethernet.ts';
import { MemoryImage } from '../../disk/image/memory-image.ts';
import type { Process, RandomStream } from '../../sim/index.ts';
import { type Domain, domainOf } from '../../xen/index.ts';
import { pick } from './bytes.ts';
import { type Edit, type FuzzCase, type Kind, must, once, refusedFor, TAKEN, type Verdict } from './kind.ts';
import { fuzzMemory, FuzzMachine } from './machine.ts';

const MOST_EVENTS = 200_000;
const MOST_MESSAGES = 24;
/** Entries of a domain that the store allows, and some of the tool stack's own. */
const MOST_ENTRIES = 1100;
const OTHER = '/local/domain/7/device/vbd/0/ring-ref';

const PATHS = [
  ...['ring-ref', 'event-channel', 'state', 'backend', 'backend-id'].map((name) => `device/vbd/0/${name}`),
  ...['tx-ring-ref', 'rx-ring-ref', 'event-channel', 'state', 'mac'].map((name) => `device/vif/0/${name}`),
  ...[
    'control/shutdown',
    'memory/target',
    'name',
    'device',
    'device/',
    '',
    '/',
    '//',
    '..',
    '../0',
    'device/../memory/target',
  ],
  ...['/local/domain/0/backend/vbd', '/local/domain/0/backend/vbd/1/0/state', '/local/domain/1/device/x', OTHER],
  ...[
    'device/vbd/0/state/below',
    'device/\0',
    'device/constructor',
    '__proto__',
    `device/${'x'.repeat(5000)}`,
    '/tool',
  ],
] as const;

const VALUES = [
  ...[
    '0',
    '1',
    '2',
    '3',
    '4',
    '5',
    '6',
    '7',
    '8',
    '9',
    '1023',
    '2048',
    '4294967295',
    '4294967296',
    '-1',
    '1.5',
    '1e3',
    '1e308',
  ],
  ...[
    '',
    ' ',
    'NaN',
    'Infinity',
    '0x10',
    'suspend',
    'poweroff',
    'reboot',
    'halt',
    '/local/domain/0',
    '00:16:3e:00:00:01',
  ],
  'x'.repeat(4000),
  'x'.repeat(5000),
] as const;

/** Paths from the first on that a guest may write. */
const OWN = 11;

/** A device that a guest in order connects: what a case begins with, if it does. */
const CONNECTS: readonly Edit[] = [
  { op: 'write', path: 'device/vbd/0/ring-ref', value: '8' },
  { op: 'port', path: 'device/vbd/0/event-channel' },
  { op: 'write', path: 'device/vbd/0/state', value: '3' },
];

function drawMessages(random: RandomStream): FuzzCase {
  const edits: Edit[] = random.below(2) === 0 ? [...CONNECTS] : [];
  for (let n = 1 + random.below(MOST_MESSAGES); n > 0; n--) {
    // Most paths are its own.
    const path = pick(random, random.below(3) > 0 ? PATHS.slice(0, OWN) : PATHS);
    const kind = random.below(20);
    if (kind < 12) edits.push({ op: 'write', path, value: pick(random, VALUES) });
    else if (kind < 14) edits.push({ op: 'read', path });
    else if (kind < 16) edits.push({ op: 'watch', path });
    else if (kind === 16) edits.push({ op: 'many', path: 'device/many', count: random.below(3) * 600 });
    else if (kind === 17) edits.push({ op: 'port', path });
    else if (kind === 18) edits.push({ op: 'watches', path: 'device/vbd/0/state', count: random.below(200) });
    else edits.push({ op: 'wait', ns: random.below(1_000_000) });
  }
  return { specimen: 0, repair: false, edits };
}

function* send({ environment }: Domain, { op, ...edit }: Edit): Process {
  const { xenstore, hypercalls } = environment;
  const path = String(edit['path'] ?? '');
  const count = Math.abs(Math.trunc(Number(edit['count'] ?? 0) || 0)) % 2000;
  const fire = (): void => undefined;
  if (op === 'write') yield* xenstore.write(path, String(edit['value'] ?? ''));
  else if (op === 'read') yield* xenstore.read(path);
  else if (op === 'watch') yield* xenstore.watch(path, fire);
  else if (op === 'port') yield* xenstore.write(path, String(hypercalls.eventChannels.allocUnbound(DOM0)));
  else if (op === 'many') for (let n = 0; n < count; n++) yield* xenstore.write(`${path}/${n}`, String(n));
  else if (op === 'watches') for (let n = 0; n < count; n++) yield* xenstore.watch(path, fire);
  else yield Ns(Math.abs(Math.trunc(Number(edit['ns'] ?? 0) || 0)) % 1e9);
}

export function storeKind(): Kind {
  const memory = once(fuzzMemory);
  return {
    name: 'store',
    cases: 400,
    reasons: ['EACCES', 'EINVAL', 'ENOSPC'],
    draw: drawMessages,
    play: ({ edits }) => playStore(new FuzzMachine(new MemoryImage(1 << 18), memory(), MOST_EVENTS), edits),
  };
}

function playStore(machine: FuzzMachine, edits: readonly Edit[]): Verdict {
  const { toolstack, hypervisor, simulation } = machine;
  const domain = machine.run(domainOf(toolstack.createDomain({ ...machine.config, mac: 0x02 as MacAddress })));
  hypervisor.xenstore.write(OTHER, 'its own');
  const errors: string[] = [];
  machine.run(
    (function* () {
      for (const edit of edits) {
        if (!domain.isRunning) return;
        try {
          yield* send(domain, edit);
        } catch (error) {
          if (!(error instanceof ModelError)) throw error;
          errors.push(error.code);
        }
      }
      yield Ns(50_000_000);
    })(),
  );
  must('what belongs to others stays', hypervisor.xenstore.read(OTHER) === 'its own', () => `${OTHER} has changed`);
  const entries = hypervisor.xenstore.entriesOf(domain.domid);
  must('a domain has a bound number of entries', entries <= MOST_ENTRIES, () => `${entries} entries`);
  toolstack.list.checkInvariants();
  machine.run(toolstack.destroyDomain(domain));
  toolstack.list.checkInvariants();
  const events = simulation.eventCount;
  // A path is refused so often that another reason tells more.
  const code = errors.findLast((each) => each !== 'EACCES') ?? errors[0];
  return code === undefined ? { ...TAKEN, events } : refusedFor(code, events);
}
