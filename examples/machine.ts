/**
 * A machine of your own: a profile that differs from a known one. It says what its costs come from,
 * and what a cached read costs on it. 19 lines of code.
 */

// In a project of your own: from 'stillwarm/machine'.
import { type FirmConstant, type Profile, SERVER_2026, values } from '../src/machine/index.ts';

/** The server of 2026, with memory that copies so many bytes per ns. */
export function withMemory(bytesPerNs: number): Profile {
  const copyNsPerByte: FirmConstant = {
    value: 1 / bytesPerNs,
    unit: 'ns/B',
    provenance: 'measured',
    fitted: false,
    note: 'our own machine',
  };
  return { ...SERVER_2026, name: 'our own', guest: { ...SERVER_2026.guest, copyNsPerByte } };
}

/** Virtual ns of a read of `bytes` bytes that the page cache holds. */
export function cachedReadNs({ guest }: Profile, bytes: number): number {
  const { syscallNs, pageLookupNs, copyNsPerByte } = values(guest);
  return Math.round(syscallNs + Math.ceil(bytes / 4096) * pageLookupNs + bytes * copyNsPerByte);
}

/** How many costs of a guest come from where. */
export function sources({ guest }: Profile): Map<string, number> {
  const found = new Map<string, number>();
  for (const { provenance } of Object.values(guest)) found.set(provenance, (found.get(provenance) ?? 0) + 1);
  return found;
}
