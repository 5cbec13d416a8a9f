/** The object that `stillwarm check --json` prints (result.ts defines it). */

import type { Findings } from '../../lab/check.ts';
import type { RunPlan } from './file.ts';
import type { CheckResult } from './result.ts';

export function checkResult({ version, check, options }: RunPlan, findings: Findings): CheckResult {
  const asked = Object.keys(options)
    .filter((name) => options[name] !== undefined)
    .sort()
    .map((name) => ({ name, value: JSON.stringify(options[name]) }));
  return { schema: 'stillwarm/check@1', version, check, options: asked, ...findings };
}
