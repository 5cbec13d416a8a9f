/** Steps in words, for the history of a violation. */

import type { Step } from '../../doors/machine/steps.ts';

/** One step, on one line. */
export function inWords({ number, kind, isGuests, what, at, size }: Step): string {
  const who = isGuests ? 'the guest: ' : '';
  const place = `frame ${Math.floor(at / 4096)} at ${at % 4096}`;
  switch (kind) {
    case 'store':
      return `${number}: ${who}${what}, ${size} bytes, ${place}`;
    case 'word':
      return `${number}: word ${(size >>> 0).toString(16)}, ${place}`;
    case 'hypercall':
      return `${number}: the guest calls ${what}`;
    case 'request':
      return `${number}: ${what} of ${size} sectors from ${at} is asked of the drive`;
    case 'completion':
      return `${number}: ${what} of ${size} sectors from ${at} is over`;
    case 'event':
      return `${number}: event: ${what}, port ${at}`;
    case 'xenstore':
      return `${number}: store: ${what}`;
  }
}
