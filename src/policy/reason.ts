// Why a pull was not served: closed lists, the same words in the answer, the log, the metrics and `explain`.

export const denyReasons = [
  'NO_RULE',
  'RULE_DENY',
  'REPOSITORY_NOT_SIGNED',
  'TAG_NOT_SIGNED',
  'DIGEST_NOT_SIGNED',
  'SIGNER_MISSING',
  'EXPIRED',
  'ROLLBACK',
  'EQUIVOCATION',
  'BAD_SIGNATURE',
  'BAD_HASH',
  'ROOT_NOT_PINNED',
  'MALFORMED',
  'CONTENT_MISMATCH',
] as const;

export const unavailableReasons = [
  'NOTARY_UNAVAILABLE',
  'NOTARY_UNAUTHORIZED',
  'UPSTREAM_UNAVAILABLE',
  'STATE_UNAVAILABLE',
] as const;

export const notFoundReasons = ['CONTENT_MISSING'] as const;

export const reasons = [...denyReasons, ...unavailableReasons, ...notFoundReasons] as const;

/** "No": what was found forbids it. */
export type DenyReason = (typeof denyReasons)[number];
/** "Could not find out". */
export type UnavailableReason = (typeof unavailableReasons)[number];
/** Allowed, but the registry no longer has it. */
export type NotFoundReason = (typeof notFoundReasons)[number];
export type Reason = (typeof reasons)[number];
