/** All states of a small machine, and what goes wrong in it without each protection. */

export { scopeCheck } from './check.ts';
export { protectionsPage } from './page.ts';
export { SCOPES } from './scopes.ts';
