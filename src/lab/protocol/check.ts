/** A protocol without faults, and with each of them alone. */

import { checkKeys } from '../../base/index.ts';
import type { AnyProtocol, Outcome, SearchOptions } from './api.ts';
import { checkProtocolObject } from './model.ts';
import { search } from './search.ts';

/** What was found of a protocol without faults, or with one. */
export interface Row {
  /** The fault; empty for none. */
  readonly fault: string;
  /** The law that it is to break; empty for none. */
  readonly breaks: string;
  /** Most steps that its shortest history may have. */
  readonly within: number;
  /** What the search has found. */
  readonly outcome: Outcome;
  /** `partial` when a bound was reached before the answer was known. */
  readonly verdict: 'as it should be' | 'wrong' | 'partial' | 'refused';
  /** What is wrong, in one sentence; empty when nothing is. */
  readonly why: string;
}

/** How a protocol is checked: all of `SearchOptions` but the faults. */
export type CheckProtocolOptions = Omit<SearchOptions, 'faults'>;

/**
 * Searches a protocol without faults, which must pass, and with each fault alone, which must break
 * its law within its number of steps.
 * @throws ArgumentError that names the place in the protocol, or the option
 */
export function checkProtocol(protocol: AnyProtocol, options: CheckProtocolOptions = {}): readonly Row[] {
  const rows = rowsOf(protocol);
  checkKeys('options', options, ['states', 'depth', 'symmetry', 'reduction']);
  return rows.map((fault) => rowOf(protocol, fault, (faults) => search(protocol, { ...options, faults })));
}

/** The faults of all rows; the first is none. @throws ArgumentError */
export function rowsOf(protocol: AnyProtocol): readonly string[] {
  checkProtocolObject(protocol);
  return ['', ...Object.keys(protocol.faults ?? {})];
}

/** @param searched the search with these faults */
export function rowOf(protocol: AnyProtocol, fault: string, searched: (faults: readonly string[]) => Outcome): Row {
  if (fault === '') return { fault, breaks: '', within: 0, ...judged(searched([]), '', 0) };
  const { breaks, within } = protocol.faults![fault]!;
  return { fault, breaks, within, ...judged(searched([fault]), breaks, within) };
}

function judged(outcome: Outcome, breaks: string, within: number): Pick<Row, 'outcome' | 'verdict' | 'why'> {
  const { verdict, broken, counterexample, problem } = outcome;
  const wrong = (why: string) => ({ outcome, verdict: 'wrong', why }) as const;
  if (problem !== undefined) return { outcome, verdict: 'refused', why: `${problem.where}: ${problem.what}` };
  if (verdict === 'partial') return { outcome, verdict: 'partial', why: 'a bound was reached first' };
  if (breaks === '')
    return verdict === 'passed'
      ? { outcome, verdict: 'as it should be', why: '' }
      : wrong(`it breaks ${broken.join(', ')}`);
  if (verdict === 'passed') return wrong(`it breaks no law, and should break ${breaks}`);
  if (!broken.includes(breaks)) return wrong(`it breaks ${broken.join(', ')}, and should break ${breaks}`);
  const length = counterexample?.steps.length ?? 0;
  if (length > within) return wrong(`its shortest history has ${length} steps, and should have ${within} at most`);
  return { outcome, verdict: 'as it should be', why: '' };
}
