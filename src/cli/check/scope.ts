/** `stillwarm check scope`: what the command line says of the small scopes of the lab. */

import { UserError } from '../../base/index.ts';
import type { CheckOptions, Findings } from '../../lab/check.ts';
import { ABLATIONS, ablationOf } from '../../lab/scope/ablations.ts';
import { scopeCheck, SCOPES } from '../../lab/scope/index.ts';
import type { CheckEntry } from './entry.ts';
import { CHECK_SCOPE } from './options.ts';
import { wrap } from '../kit/help.ts';
import type { ValuesOf } from '../kit/option-kinds.ts';
import { renderTable } from '../kit/table.ts';

export const SCOPE_ENTRY: CheckEntry = {
  spec: CHECK_SCOPE,
  unit: { one: 'search', many: 'searches' },
  least: 1,
  // Of the widest, at the default bound.
  partBytes: 768 << 20,
  optionsOf: (given) => {
    const { scope, without, states } = given as ValuesOf<typeof CHECK_SCOPE.options>;
    if (scope !== undefined && without !== undefined)
      throw new UserError('--scope: --without has a scope of its own, so ask for one of the two');
    return { scope, without, states };
  },
  checkOf: () => scopeCheck,
  tables,
};

function tables(options: CheckOptions, { counts, violations }: Findings): string[] {
  const values = new Map(counts.map(({ name, value }) => [name, value]));
  const names = Object.keys(SCOPES);
  const without = ablationOf(String(options['without']));
  // The only case is number 0 where one is asked for; else the scopes come first.
  const broken = (name: string): number =>
    violations.filter(({ at }) => at === (options['scope'] === name ? 0 : names.indexOf(name))).length;
  const scopes = names.filter((name) => values.has(`states of ${name}`));
  const ablations = ABLATIONS.filter(({ name }) => values.has(`steps of ${name}`));
  return [
    ...(without === undefined ? [] : [`without ${without.name}, which guards against ${without.guards}`, '']),
    ...(scopes.length === 0
      ? []
      : [
          'What does a search of all states find?',
          renderTable(
            ['scope', 'states', 'depth', 'complete', 'violations'],
            scopes.map((name) => [
              name,
              values.get(`states of ${name}`)!,
              values.get(`depth of ${name}`)!,
              values.get(`complete of ${name}`) === 1 ? 'yes' : 'no',
              broken(name),
            ]),
          ),
          '',
        ]),
    ...(ablations.length === 0
      ? []
      : [
          'In how many steps does something go wrong without a protection or a rule?',
          renderTable(
            ['without', 'guards against, or what it is', 'steps'],
            ablations.map(({ name, guards }) => [
              name,
              wrap(guards, '', 60).join('\n'),
              values.get(`steps of ${name}`) || 'none',
            ]),
          ),
          '',
        ]),
  ];
}
