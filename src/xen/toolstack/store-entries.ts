/**
 * What the tool stack tells the store of a domain: its configuration, and the facts of the domain
 * of the moment. The latter lie in the domain's home. Nothing in the model reads them. They are
 * written because their messages take time.
 *
 * Names and transactions are those of xend of Xen 3.0 (XendDomainInfo.py). Left out are
 * permissions, and `memory/target`, which is written when it is changed.
 */

import type { DomId } from '../../base/units.ts';
import { homeOf } from '../channels/xenstore.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import type { DomainEntry } from './domain-entry.ts';

type StoreHost = Pick<Hypervisor, 'xenstore'>;

/** Where the configuration lies; xend names it after a UUID. */
const configOf = (domid: DomId): string => `/vm/${domid}`;

/** Tells the store of a domain that is about to be there. The messages are under way then. */
export function describeDomain(
  { xenstore }: StoreHost,
  { domid, name, memoryBytes }: Pick<DomainEntry, 'domid' | 'name' | 'memoryBytes'>,
): void {
  const home = homeOf(domid);
  const config = configOf(domid);
  const mib = String(Math.ceil(memoryBytes / 2 ** 20));
  xenstore.transact([home, undefined], [`${home}/vm`, config]);
  xenstore.transact(
    [`${config}/uuid`, String(domid)],
    [`${config}/name`, name],
    [`${config}/memory`, mib],
    [`${config}/maxmem`, mib],
    [`${config}/vcpus`, '1'],
    [`${config}/vcpu_avail`, '1'],
    [`${config}/on_poweroff`, 'destroy'],
    [`${config}/on_reboot`, 'restart'],
    [`${config}/on_crash`, 'restart'],
    [`${config}/image`, 'linux'],
  );
  xenstore.transact(
    [`${home}/domid`, String(domid)],
    [`${home}/name`, name],
    [`${home}/store/ring-ref`, '0'],
    [`${home}/store/port`, '1'],
    [`${home}/console/ring-ref`, '0'],
    [`${home}/console/port`, '2'],
    [`${home}/console/limit`, '1048576'],
    [`${home}/cpu/0/availability`, 'online'],
  );
}

/** Takes everything out of the store that it says of a domain. */
export function forgetDomain({ xenstore }: StoreHost, domid: DomId): void {
  xenstore.transact([homeOf(domid), undefined]);
  xenstore.transact([configOf(domid), undefined]);
}
