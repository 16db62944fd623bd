// The token that our own token endpoint gives: for which registry, and the Authorization that this registry is to be
// shown. It is not sealed, and need not be: what it holds is what the client could send as well, so a forged one opens
// nothing; and every replica reads it. It names its registry so that no registry is shown what is meant for another.

export interface RegistryToken {
  readonly registry: string;
  readonly authorization: string | undefined;
}

const form = /^Bearer +tufgate\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)$/i;
const plain = /^[\x20-\x7e]*$/;
/** What podman sends when it was asked for a password and has none: an empty name and an empty password. */
const nobody = /^Basic +Og==$/i;

/** Takes a token; gives its text, without the scheme. */
export function printRegistryToken({ registry, authorization = '' }: RegistryToken): string {
  return ['tufgate', encode(registry), encode(authorization)].join('.');
}

/** Takes an Authorization; gives the token of ours that it carries, or undefined. */
export function parseRegistryToken(header: string | undefined): RegistryToken | undefined {
  const [, registry, inner] = form.exec(header ?? '') ?? [];
  if (registry === undefined || inner === undefined) return undefined;
  const authorization = decode(inner);
  if (!plain.test(authorization)) return undefined;
  return { registry: decode(registry), authorization: authorization === '' ? undefined : authorization };
}

/** Takes a client's Authorization; says whether it names nobody. */
export function isAnonymous(header: string | undefined): boolean {
  return header === undefined || nobody.test(header);
}

/** Takes a client's Authorization and the registry it asks; gives what that registry is to be shown of it. */
export function authorizationAt(registry: string, header: string | undefined): string | undefined {
  if (isAnonymous(header)) return undefined;
  const token = parseRegistryToken(header);
  if (token === undefined) return header;
  return token.registry === registry ? token.authorization : undefined;
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url');
}

function decode(text: string): string {
  return Buffer.from(text, 'base64url').toString();
}
