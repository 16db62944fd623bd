import type { Answer } from '../local-server.ts';

// The answers of the embedded registry that more than one route gives (distribution-spec 1.1, "Error Codes").

/** Headers that every answer of a distribution registry carries. */
export const registryHeaders = { 'docker-distribution-api-version': 'registry/2.0' };

type RegistryErrorCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DIGEST_INVALID'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  | 'UNSUPPORTED';

const statuses: Record<RegistryErrorCode, number> = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 416,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 413,
  UNSUPPORTED: 405,
};

/** Takes an error code; gives the answer that carries it, with the code's usual status. */
export function registryError(code: RegistryErrorCode): Answer {
  const message = code.toLowerCase().replaceAll('_', ' ');
  return registryJson(statuses[code], { errors: [{ code, message, detail: {} }] });
}

/** Takes a value; gives it as JSON. */
export function registryJson(status: number, value: object, headers: Record<string, string> = {}): Answer {
  const type = { 'content-type': 'application/json' };
  return {
    status,
    headers: { ...registryHeaders, ...type, ...headers },
    body: Buffer.from(JSON.stringify(value)),
  };
}

/** Gives an answer without a body. */
export function registryEmpty(status: number, headers: Record<string, string> = {}): Answer {
  return { status, headers: { ...registryHeaders, ...headers } };
}
