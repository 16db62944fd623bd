import { createHmac, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { LRUCache } from 'lru-cache';
import type { Config } from '../../config/config.ts';
import { PasswordCheck, decoyOf } from './password-check.ts';

/**
 * `unknown`: no password that is known here was given. `no-certificate`: no client certificate that is valid.
 * `busy`: too many passwords wait to be checked.
 */
export type Admission = 'admitted' | 'unknown' | 'no-certificate' | 'busy';

/** How long a pair of user and password that was right, or wrong, is not checked again, in milliseconds. */
const [rightFor, wrongFor] = [300_000, 10_000];
const rememberedPairs = 10_000;
/** bcrypt looks at no more: of a longer password only the beginning would be checked. */
const longestPassword = 72;
const longestCredentials = 1024;
const basic = /^basic +([A-Za-z0-9+/]+={0,2})$/i;

/** Says who may use the credentials that we hold for registries (contract §3, `clients`). */
export class ClientAccess {
  readonly #clients: Config['clients'];
  readonly #check = new PasswordCheck();
  /** Compared where there is no such user, so that an unknown user takes as long as a wrong password. */
  readonly #nobody: string;
  /** What is remembered of a pair is its HMAC under a key of this process: in no dump or log is it a password. */
  readonly #key = randomBytes(32);
  readonly #known = new LRUCache<string, boolean>({ max: rememberedPairs });
  readonly #asking = new Map<string, Promise<boolean | 'busy'>>();

  constructor(clients: Config['clients']) {
    this.#clients = clients;
    this.#nobody = decoyOf(clients.kind === 'htpasswd' ? clients.users.values() : []);
  }

  /** Takes a request, and its Authorization as far as it is for us; gives whether it may come in. */
  async admit(request: IncomingMessage, authorization: string | undefined): Promise<Admission> {
    const clients = this.#clients;
    switch (clients.kind) {
      case 'anyone':
        return 'admitted';
      case 'certificates':
        return request.socket instanceof TLSSocket && request.socket.authorized
          ? 'admitted'
          : 'no-certificate';
      case 'htpasswd': {
        const pair = readBasic(authorization);
        if (pair === undefined) return 'unknown';
        const isRight = await this.#isRight(pair, clients.users);
        if (isRight === 'busy') return 'busy';
        return isRight ? 'admitted' : 'unknown';
      }
    }
  }

  /** Ends what was started for checking passwords; who still waits for an answer gets `busy`. */
  close(): Promise<void> {
    return this.#check.close();
  }

  async #isRight({ user, password }: Pair, users: ReadonlyMap<string, string>): Promise<boolean | 'busy'> {
    const key = createHmac('sha256', this.#key).update(`${user}:${password}`).digest('base64');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const asking = this.#asking.get(key);
    if (asking !== undefined) return asking;
    const hash = users.get(user);
    const asked = this.#check
      .matches(password, hash ?? this.#nobody)
      .then((matches) => {
        if (matches === 'busy') return matches;
        const isRight = matches && hash !== undefined;
        this.#known.set(key, isRight, { ttl: isRight ? rightFor : wrongFor });
        return isRight;
      })
      .finally(() => this.#asking.delete(key));
    this.#asking.set(key, asked);
    return asked;
  }
}

interface Pair {
  readonly user: string;
  readonly password: string;
}

/** Takes Authorization; gives its user and password (RFC 7617, in UTF-8) if bcrypt could ever say yes to them. */
function readBasic(authorization = ''): Pair | undefined {
  if (authorization.length > longestCredentials) return undefined;
  const encoded = basic.exec(authorization)?.[1];
  if (encoded === undefined) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  const text = bytes.toString('utf8');
  const colon = text.indexOf(':');
  // Without a user it is what podman sends when it has no credentials at all.
  if (colon <= 0 || text.includes('\0') || !Buffer.from(text).equals(bytes)) return undefined;
  const password = text.slice(colon + 1);
  return Buffer.byteLength(password) > longestPassword ? undefined : { user: text.slice(0, colon), password };
}
