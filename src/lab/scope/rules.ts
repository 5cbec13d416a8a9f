/**
 * What can be off besides the protections of the hypervisor: rules that the house keeps in its
 * code. They have no switch there, because no machine should run without them. The lab takes them
 * away around the real parts. Some are taken from a table that extends the real one (table.ts).
 * Others decide what the model guest and the tool stack may do (allowed.ts).
 */

/** Whether each rule is kept. */
export interface Rules {
  /** A frame is protected from the submission of a transfer on, and not from its end. */
  readonly protectAtSubmission: boolean;
  /** A block that is written takes the provenance of every other frame that equals it. */
  readonly otherWrites: boolean;
  /** Two transfers that may race on a frame or a block vouch for neither. */
  readonly overlaps: boolean;
  /** A transfer that failed vouches for nothing. */
  readonly failedTransfers: boolean;
  /** A frame that changes hands is blank: nothing is known of it. */
  readonly blankFrames: boolean;
  /** Frames are judged, and change hands, when their transfers have ended. */
  readonly drain: boolean;
  /** The old guest has no memory any more when its frames are judged. */
  readonly revokeFirst: boolean;
  /** What a record claims is taken before the fields change that the claim is about. */
  readonly publicationOrder: boolean;
  /** The guest tells that a name is gone before it uses the page again. */
  readonly flushBeforeReuse: boolean;
  /** The guest names a page when its contents have arrived. */
  readonly nameUpToDate: boolean;
  /** The next guest sets the preserved pages aside before it uses any page. */
  readonly setAside: boolean;
  /** The next guest claims by the map that the disk has now, not by the map of the guest before. */
  readonly freshMap: boolean;
}

export const ALL_RULES: Rules = {
  protectAtSubmission: true,
  otherWrites: true,
  overlaps: true,
  failedTransfers: true,
  blankFrames: true,
  drain: true,
  revokeFirst: true,
  publicationOrder: true,
  flushBeforeReuse: true,
  nameUpToDate: true,
  setAside: true,
  freshMap: true,
};
