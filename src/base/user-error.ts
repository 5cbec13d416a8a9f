/**
 * A mistake in what the user gave: an option, an image, a trace. One line that names the option, field, file and
 * line at fault; the command line prints it and exits with status 2, nothing written.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
}
