/**
 * A mistake of the person at the command line, or of an experiment's options. It is one line that
 * names the option, field, file and line at fault. The command line prints it and exits with status
 * 2, nothing written. Below `experiment` the code does not know what a person has asked for. There
 * an unusable file is an InputError, and a wrong argument an ArgumentError.
 */
export class UserError extends Error {
  /** `UserError`. */
  override readonly name = 'UserError';
}
