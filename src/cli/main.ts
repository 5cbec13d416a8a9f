#!/usr/bin/env node
/**
 * The entry of the command line. It imports nothing itself: node opens all modules of the program at once, and where so
 * many files may not be open, one line says so.
 */

try {
  const { start } = await import('./start.ts');
  start();
} catch (error) {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== 'EMFILE' && code !== 'ENFILE') throw error;
  process.stderr.write('stillwarm: too many open files: raise ulimit -n to 256 or more\n');
  process.exitCode = 2;
}
