/** What a notary can serve that is bad, by the closed list of reasons that reaches clients and metrics. */
export type RepositoryErrorCode =
  'EXPIRED' | 'ROLLBACK' | 'EQUIVOCATION' | 'BAD_SIGNATURE' | 'BAD_HASH' | 'ROOT_NOT_PINNED' | 'MALFORMED';

/** They served something bad. The code says which check failed, the message the numbers expected and found. */
export class RepositoryError extends Error {
  override readonly name = 'RepositoryError';
  readonly code: RepositoryErrorCode;

  constructor(code: RepositoryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
