/**
 * The door `stillwarm/protocol`: a checker of protocols. A protocol is state as plain data, atomic
 * steps, events and what survives them, and laws. All of its states are searched.
 *
 * @module stillwarm/protocol
 */
export {
  type Alike,
  type AnyProtocol,
  type Coverage,
  type Event,
  type Fault as ProtocolFault,
  type History,
  type Holds,
  type Laws,
  type Model,
  type NeverAfter,
  type Outcome as SearchOutcome,
  type Parts,
  type Plain,
  type Problem,
  type ProblemKind,
  PROBLEMS,
  type Protocol,
  protocol,
  type SearchOptions,
  type Step,
  type Taken,
  type Touches,
} from './api.ts';
export { checkProtocol, type CheckProtocolOptions, type Row } from './check.ts';
export { search } from './search.ts';
export { type Refined, type RefineOptions, refines, type Unexplained } from './refine.ts';
