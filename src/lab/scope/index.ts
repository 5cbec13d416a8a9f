/** All states of a small machine, and what goes wrong in it without each protection. */

export { scopeCheck } from './check.ts';
export { ABLATIONS, type Ablation, NOT_SHOWN } from './ablations.ts';
export { DEFAULT_SCOPE, type Scope, SCOPE_EVENTS, SCOPE_GUESTS, SCOPE_STARTS, type ScopeOptions } from './options.ts';
export { protectionsPage } from './page.ts';
export { SCOPES } from './scopes.ts';
export { type Found, search } from './search.ts';
