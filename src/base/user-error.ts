/**
 * A mistake of the person at the command line, or of an experiment's options: one line that names
 * the option, field, file and line at fault. The command line prints it and exits with status 2,
 * nothing written. Below `experiment` nobody knows what a person has asked for: a file that cannot
 * be used is an InputError there, and an argument an ArgumentError.
 */
export class UserError extends Error {
  /** `UserError`. */
  override readonly name = 'UserError';
}
