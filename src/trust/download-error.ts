/** Why the wire gave nothing usable. `outage` (no connection, time-out, 5xx) alone may be bridged by `outage_grace`. */
export type DownloadFailure = 'outage' | 'unauthorized' | 'missing' | 'too-large' | 'protocol';

/** The wire, not the content. `status` is the HTTP status where there was one. */
export class DownloadError extends Error {
  override readonly name = 'DownloadError';
  readonly failure: DownloadFailure;
  readonly status: number | undefined;

  constructor(failure: DownloadFailure, message: string, options?: ErrorOptions & { status?: number }) {
    super(message, options);
    this.failure = failure;
    this.status = options?.status;
  }
}
