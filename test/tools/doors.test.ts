// What the documents say of the package, as far as a tool can tell. The doors that they list are
// those of package.json. The versions that they give are those of the code.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CurveResult, RestoreResult } from '../../src/experiment/accesses/result.ts';
import { TraceResult } from '../../src/cli/trace-result.ts';
import { InspectResult } from '../../src/cli/inspect-result.ts';
import { DiffResult } from '../../src/diff/result.ts';
import { TABLE_VERSION } from '../../src/doors/table/table-bytes.ts';
import { CHECK_FILE_SCHEMA } from '../../src/cli/check/file.ts';
import { ProtocolResult } from '../../src/cli/check/protocol-result.ts';
import { ProfileResult } from '../../src/cli/profile-result.ts';
import { CheckResult } from '../../src/cli/check/result.ts';
import { RebootResult } from '../../src/experiment/guest/result.ts';
import { RANGES_SCHEMA } from '../../src/experiment/paper/paper.ts';
import { PaperResult } from '../../src/experiment/paper/result.ts';
import { VmmExperimentResult } from '../../src/experiment/vmm/result.ts';
import { PredictResult } from '../../src/experiment/predict/result.ts';
import { WebResult } from '../../src/experiment/web/result.ts';
import { START_INFO_VERSION } from '../../src/xen/public/index.ts';
import {
  BOX_VERSION,
  DOMAIN_VERSION,
  HANDOVER_VERSION,
  ROOT_VERSION,
  STATE_VERSION,
} from '../../src/xen/records/layouts.ts';
import { SAVE_VERSION } from '../../src/xen/save/format.ts';
import { MIGRATION_VERSION } from '../../src/xen/save/migration-link.ts';
import { entryPoints } from '../support/public-surface.ts';

const ROOT = join(import.meta.dirname, '../..');
const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const DOORS = [...entryPoints().keys()].map((entry) => `stillwarm${entry.slice(1)}`);

/** The cells of the tables of a page that have so many columns. */
function rowsOf(page: string, columns: number): string[][] {
  const rows = page
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.slice(2, -2).split(' | '));
  return rows.filter((row) => row.length === columns);
}

const inCode = (text: string): string | undefined => /^`([^`]+)`/.exec(text)?.[1];

describe('the doors', () => {
  it('every door has one row in the page of the reference, with an example that imports it', () => {
    const rows = rowsOf(textOf('docs/reference/api.md'), 3).flatMap(([, door, example]) =>
      inCode(door!)?.startsWith('stillwarm') === true ? [[inCode(door!)!, inCode(example!)!] as const] : [],
    );
    expect(rows.map(([door]) => door).sort()).toEqual([...DOORS].sort());
    for (const [door, example] of rows) {
      const source = [...entryPoints().entries()].find(([entry]) => `stillwarm${entry.slice(1)}` === door)![1];
      expect(textOf(example)).toContain(`from '../${source.slice(ROOT.length + 1)}'`);
    }
  });

  it('every door has one row in the page of compatibility, which says how stable it is', () => {
    const rows = rowsOf(textOf('docs/reference/compatibility.md'), 2).filter(([door]) => inCode(door!) !== undefined);
    expect(rows.map(([door]) => inCode(door!)).sort()).toEqual([...DOORS].sort());
    expect(rows.filter(([, stability]) => !/^(stable|room)\b/.test(stability!))).toEqual([]);
  });

  it('the versions that the page of compatibility gives are those of the code', () => {
    const schema = (of: { readonly properties: { readonly schema: { readonly const: string } } }): string[] => {
      const [name, version] = of.properties.schema.const.split('@');
      return [`\`${name}\` (\`--json\`)`, version!];
    };
    expect(
      rowsOf(textOf('docs/reference/compatibility.md'), 4)
        .slice(1)
        .map(([name, version]) => [name, version]),
    ).toEqual([
      schema(RebootResult),
      schema(VmmExperimentResult),
      schema(WebResult),
      schema(PredictResult),
      schema(PaperResult),
      ['`stillwarm/paper-ranges` (`paper --ranges`)', RANGES_SCHEMA.split('@')[1]!],
      schema(ProfileResult),
      schema(CheckResult),
      schema(ProtocolResult),
      ['`stillwarm/check-file` (`check --out`)', CHECK_FILE_SCHEMA.split('@')[1]!],
      schema(InspectResult),
      schema(TraceResult),
      schema(CurveResult),
      schema(RestoreResult),
      schema(DiffResult),
      ['root record, and all that it leads to', `${ROOT_VERSION}`],
      ['domain record', `${DOMAIN_VERSION}`],
      ['domain state', `${STATE_VERSION}`],
      ['handover record', `${HANDOVER_VERSION}`],
      ['recovery box', `${BOX_VERSION}`],
      ['start-info page', `${START_INFO_VERSION}`],
      ['table of `stillwarm/table`', `${TABLE_VERSION}`],
      ['save file', `${SAVE_VERSION}`],
      ['migration packet', `${MIGRATION_VERSION}`],
    ]);
  });
});
