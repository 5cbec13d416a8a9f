// Test files that take more than a second or two of a processor, the longest first. `npm test` begins with them, each in a process
// of its own, so that every core works to the end; `npm run test:fast` leaves them out. The others are short, and share a process.
export const LONG_FILES: readonly string[] = [];
