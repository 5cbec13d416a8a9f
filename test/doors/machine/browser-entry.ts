// The entry of the bundle: hands the program's line to the page, or to whatever runs it.
import { program } from './browser-program.ts';

declare const report: (line: string) => void;

report(program());
