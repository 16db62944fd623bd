// Docker's config.json, as far as it holds credentials for registries (docker/cli, cli/config/configfile), and what
// podman adds to it: keys with a path (containers-auth.json(5)).

/** What proves who asks: an account, or an OAuth refresh token that an earlier login was given. */
export type Credential =
  { readonly username: string; readonly password: string } | { readonly identityToken: string };

export interface DockerConfigFile {
  /** By host, host and path, or address, as written. */
  readonly auths: ReadonlyMap<string, Credential>;
  /** The program to ask for a host, `docker-credential-<name>` without its prefix; empty: `auths` holds it. */
  readonly programs: ReadonlyMap<string, string>;
  /** The program to ask for every other host. */
  readonly store: string | undefined;
}

const programName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Takes the text of a config.json; gives its credentials, or what is wrong with it, without a secret. */
export function parseDockerConfig(text: string): DockerConfigFile | { readonly problem: string } {
  const config = parseObject(text);
  if (config === undefined) return { problem: 'is not a JSON object' };
  const store = config['credsStore'] ?? '';
  if (typeof store !== 'string' || (store !== '' && !programName.test(store))) {
    return { problem: 'has a "credsStore" that is not the name of a credential program' };
  }
  const programs = new Map<string, string>();
  const auths = new Map<string, Credential>();
  const listed = [config['credHelpers'] ?? {}, config['auths'] ?? {}];
  if (!listed.every(isObject)) return { problem: 'has "credHelpers" or "auths" that are no JSON object' };
  const [credHelpers = {}, entries = {}] = listed;
  for (const [host, name] of Object.entries(credHelpers)) {
    if (typeof name !== 'string' || (name !== '' && !programName.test(name))) {
      return { problem: `names for ${shown(host)} what is not the name of a credential program` };
    }
    programs.set(host, name);
  }
  for (const [host, entry] of Object.entries(entries)) {
    const credential = isObject(entry) ? readEntry(entry) : 'broken';
    if (credential === 'broken') return { problem: `has a broken entry for ${shown(host)} in "auths"` };
    if (credential !== 'none') auths.set(host, credential);
  }
  return { auths, programs, store: store === '' ? undefined : store };
}

/**
 * Takes an account as HTTP's Basic scheme could carry it (RFC 7617 §2), or an identity token; gives it if it is one.
 * A credential program says an identity token by the user name `<token>` (docker-credential-helpers).
 */
export function readCredential(username: unknown, secret: unknown): Credential | undefined {
  if (typeof username !== 'string' || typeof secret !== 'string') return undefined;
  if (secret === '' || /\p{Cc}/u.test(secret)) return undefined;
  if (username === '<token>') return { identityToken: secret };
  return /^[^:\p{Cc}]{1,255}$/u.test(username) ? { username, password: secret } : undefined;
}

/** An entry without credentials is no mistake: `docker login` leaves one behind where a program keeps them. */
function readEntry(entry: Record<string, unknown>): Credential | 'none' | 'broken' {
  const { identitytoken: token, auth, username, password } = entry;
  if (token !== undefined && token !== '') return readCredential('<token>', token) ?? 'broken';
  if (auth !== undefined && auth !== '') {
    const pair = typeof auth === 'string' ? decodePair(auth) : undefined;
    return (pair && readCredential(...pair)) ?? 'broken';
  }
  if ((username ?? '') === '' && (password ?? '') === '') return 'none';
  return readCredential(username, password) ?? 'broken';
}

function decodePair(auth: string): readonly [string, string] | undefined {
  if (!base64.test(auth)) return undefined;
  const bytes = Buffer.from(auth, 'base64');
  const pair = bytes.toString('utf8');
  const colon = pair.indexOf(':');
  if (colon < 0 || !Buffer.from(pair).equals(bytes)) return undefined;
  return [pair.slice(0, colon), pair.slice(colon + 1)];
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined; // The message of a SyntaxError would quote what may be a secret.
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Takes a key of the file; gives it quoted, bounded and on one line. */
function shown(key: string): string {
  return JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}…` : key);
}
