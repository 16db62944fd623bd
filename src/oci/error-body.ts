/** The error codes of OCI distribution-spec 1.1, "Error Codes", that tufgate gives, Docker's UNAVAILABLE, and what a notary
 * says of trust data that it does not have. */
export type ErrorCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DENIED'
  | 'METADATA_NOT_FOUND'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'UNAUTHORIZED'
  | 'UNAVAILABLE'
  | 'UNSUPPORTED';

export type ErrorDetail = Readonly<Record<string, string | number | null>>;

/** Takes a code, a message for people and an optional detail for programs; gives the JSON of distribution-spec
 * "Error Codes", with one error only: docker and podman read the first and drop the rest. */
export function errorBody(code: ErrorCode, message: string, detail?: ErrorDetail): string {
  return JSON.stringify({ errors: [detail === undefined ? { code, message } : { code, message, detail }] });
}
