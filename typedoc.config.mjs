// The reference of the API (`npm run api`): every door of package.json, as its users see it, from
// the declarations that `npm run build` has made. What they lack is an error.
import { readFileSync } from 'node:fs';

const { exports } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  entryPoints: Object.values(exports).flatMap(({ types }) => types ?? []),
  tsconfig: 'tsconfig.api.json',
  readme: 'docs/reference/api.md',
  out: '.build/api',
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeProtected: true,
  // What makes a number a type of its own; tables whose keys are the names of costs, for the page
  // of profiles; and the share of a Hypervisor or a Toolstack that an operation needs: callers give
  // it the whole.
  intentionallyNotExported: [
    ...['Branded', 'GuestDomain', 'Domains', 'laws'],
    ...['GUEST_MEANINGS', 'HYPERVISOR_MEANINGS', 'ROTATING_DISK_MEANINGS', 'NVME_MEANINGS', 'NIC_MEANINGS'],
    ...['ToolstackHost', 'DaemonHost', 'MakerHost', 'SaveHost', 'PageHost', 'FactHost', 'TransferHost'],
    ...['DomainHost', 'BlockHost', 'NetHost', 'XenbusHost', 'ReservationHost'],
  ],
  hideGenerator: true,
  sort: ['source-order'],
  validation: { notExported: true, invalidLink: true, invalidPath: true, notDocumented: true },
  treatWarningsAsErrors: true,
};
