export { FileList } from './file-list.ts';
export { SHOWN, type ListedFile, type Shown, type TraceOptions } from './format.ts';
export { FORMAT_NAMES, FORMATS, type FormatName } from './formats.ts';
export * from './operations.ts';
export { HEAD_BYTES, type ReadOptions, TraceReader, type TraceSummary } from './reader.ts';
export type { Problem } from './tally.ts';
export { PageSet } from './page-set.ts';
export { type FileUse, TraceStatistics } from './statistics.ts';
export * from './writer.ts';
