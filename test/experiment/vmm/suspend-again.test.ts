// A guest that is asked to suspend itself again soon after it went on: it does so once for each
// time that it is asked.
import { describe, expect, it } from 'vitest';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';
import { withConstants } from '../../../src/machine/with-constants.ts';
import type { Process } from '../../../src/sim/index.ts';
import { restoreDomain, saveDomain } from '../../../src/xen/index.ts';
import { casesOf } from '../../support/product.ts';
import { TIMEOUT_MS } from '../../support/property.ts';
import { vmmMachine } from './disk.ts';

/** A guest has no time to do anything else between the request and its suspension. */
const AT_ONCE = withConstants(SERVER_2026, {
  'guest.suspendNs': 0,
  'guest.shutdownServicesNs': 0,
  'hypervisor.domain0ShutdownNs': 0,
});

const WAYS = ['warm-vm', 'save-restore'] as const;
type Way = (typeof WAYS)[number];
/**
 * Events after the guest went on at which it is asked again. In these its last device connects and
 * it watches the store anew. There is hardly one of them at which two firings of the watch meet one
 * request.
 */
const [FIRST_EVENT, LAST_EVENT] = [95, 135];
const EVENTS = Array.from({ length: 301 }, (_, n) => n);

describe('a guest that has just gone on', () => {
  const ways = WAYS.flatMap((first) => WAYS.map((second) => [first, second] as const));

  it.each(ways)(
    'a guest that has just gone on after %s suspends itself once more for %s, at any event',
    { timeout: TIMEOUT_MS },
    (first, second) => {
      const machine = vmmMachine(1, { disk: 'disk', profile: AT_ONCE });
      const { simulation } = machine;
      const run = <T>(process: Process<T>): T => simulation.runProcess('run', process);
      run(machine.start());
      const guest = machine.guests.get('guest0')!;
      const suspend = (way: Way): void => {
        if (way === 'warm-vm') {
          expect(run(machine.warmVmReboot()).resumed).toEqual(['guest0']);
          return;
        }
        const [file] = machine.saveFiles;
        expect(run(saveDomain(machine, guest.domain, guest.config, file!))).toMatchObject({ ok: true });
        const restored = run(restoreDomain(machine, file!, { device: guest.config.device, vouch: false }));
        if (!restored.ok) throw new Error(restored.reason.why);
        guest.domain = restored.value.domain;
      };
      // Xen asks by an event that comes once.
      const stride = second === 'save-restore' ? 1 : 8;
      const isNear = (events: number): boolean =>
        events >= FIRST_EVENT && events <= LAST_EVENT && (events - FIRST_EVENT) % stride === 0;
      const sampleOf = (part: string, all: readonly number[], sample: number): readonly number[] =>
        casesOf('a guest that suspends itself again', `${first} and ${second}, ${part}`, all, { sample });
      const near = sampleOf('near', EVENTS.filter(isNear), 6);
      const others = sampleOf(
        'others',
        EVENTS.filter((events) => !isNear(events)),
        2,
      );
      let asked = 0;
      for (const events of [...near, ...others].sort((a, b) => a - b)) {
        suspend(first);
        for (let n = 0; n < events; n++) simulation.step();
        suspend(second);
        asked += 2;
        const end = simulation.now + 2e9;
        simulation.run(() => simulation.now >= end);
        expect([events, guest.domain.state, guest.kernel.stats.suspensions]).toEqual([events, 'running', asked]);
      }
    },
  );
});
