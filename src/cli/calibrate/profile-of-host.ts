/** What was found of a host as a profile. */

import { profileFrom, boundsOfConstant, type SectionName } from '../../experiment/host/profile-file.ts';
import { type DiskSection, type Profile, unitOfConstant } from '../../machine/profile.ts';
import { SERVER_2026 } from '../../machine/profiles/server-2026.ts';
import { type Calibration, isMeasured, type Measured } from './figures.ts';

/**
 * A profile that is the base with what was measured.
 * @param sheet the drive, where its data sheet was given
 */
export function profileOfHost(
  base: Profile,
  name: string,
  calibration: Calibration,
  about: { readonly date: string; readonly host: string },
  sheet?: DiskSection,
): Profile {
  const measured = calibration.findings.filter(isMeasured);
  const { date, host } = about;
  const drive = measured.some((each) => each.name.startsWith('disk.')) ? driveWith(base, measured, date) : sheet;
  return profileFrom({
    name,
    extends: base.name,
    description: [
      `Measured by stillwarm calibrate on ${date}: ${host}.`,
      `Measured: ${measured.map((each) => each.name).join(', ')}.`,
      `All else is from ${base.name}.`,
      ...calibration.remarks.map((remark) => `${remark[0]!.toUpperCase()}${remark.slice(1)}.`),
    ].join(' '),
    guest: sectionOf('guest', measured, date),
    hypervisor: sectionOf('hypervisor', measured, date),
    ...(drive && { disk: drive }),
  });
}

/**
 * A flash drive: what was not measured of it is that of the base, or of the flash drive of ours.
 */
function driveWith(base: Profile, measured: readonly Measured[], date: string): object {
  const own = sectionOf('nvme', measured, date);
  const model = 'the drive of the scratch file';
  if (base.disk.kind === 'nvme') return { kind: 'nvme', model, constants: own };
  const others = Object.entries(SERVER_2026.disk.constants).map(([each, constant]) => [
    each,
    { ...constant, note: `from ${SERVER_2026.name}: ${constant.note}` },
  ]);
  return { kind: 'nvme', model, constants: { ...(Object.fromEntries(others) as object), ...own } };
}

function sectionOf(section: SectionName, measured: readonly Measured[], date: string): object {
  const prefix = section === 'nvme' ? 'disk.' : `${section}.`;
  return Object.fromEntries(
    measured
      .filter(({ name }) => name.startsWith(prefix))
      .map(({ name, median, low, high, how }) => {
        const key = name.slice(prefix.length);
        const { isWhole } = boundsOfConstant(section, key);
        const round = (value: number): number => (isWhole ? Math.round(value) : Number(value.toPrecision(4)));
        const note = `${how}; ${date}`;
        const range = [round(low), round(high)];
        return [key, { value: round(median), unit: unitOfConstant(key), provenance: 'measured', note, range }];
      }),
  );
}
