// A result of `stillwarm check protocol` with something in each list.
import { TWO_SLOTS } from '../../../examples/protocol.ts';
import { protocolResult } from '../../../src/cli/check/protocol-result-of.ts';
import type { ProtocolResult } from '../../../src/cli/check/protocol-result.ts';
import { checkProtocol } from '../../../src/lab/protocol/index.ts';

export function sampleProtocolResult(): ProtocolResult {
  const { name, what } = TWO_SLOTS;
  const rows = checkProtocol(TWO_SLOTS).map((row) => {
    const coverage = { ...row.outcome.coverage, grew: ['a part'] };
    return {
      row: {
        ...row,
        outcome: { ...row.outcome, unreached: ['a step'], idle: ['another'], unmet: ['a law'], coverage },
      },
      ms: 1,
    };
  });
  return protocolResult([{ file: 'a.ts', protocol: name, what, rows }]);
}
