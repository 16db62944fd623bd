import assert from 'node:assert/strict';
import { parseChallenges } from '../../src/oci/challenge.ts';
import type { HttpAnswer, HttpOptions } from '../world/http.ts';
import { at, send } from '../world/http.ts';
import type { Login } from './account.ts';
import { basic } from './account.ts';

// A client that follows a Bearer challenge as containerd does: to the realm, with the scope of the challenge and with
// those that it adds by itself.

/** Takes a 401; gives the one Bearer challenge in it. */
export function challengeOf({ status, headers }: HttpAnswer): { realm: URL; service: string; scope: string } {
  assert.equal(status, 401);
  const [challenge, ...others] = parseChallenges(String(headers['www-authenticate']));
  assert.deepEqual([others, challenge?.scheme], [[], 'bearer']);
  const { realm = '', service = '', scope = '' } = challenge ?? {};
  return { realm: new URL(realm), service, scope };
}

/** Takes a 401, who asks and scopes beside the challenge's; gives what the realm says. */
export function askRealm(
  refused: HttpAnswer,
  login: Login | undefined,
  added: readonly string[] = [],
  options: HttpOptions = {},
): Promise<HttpAnswer> {
  const { realm, service, scope } = challengeOf(refused);
  const query = new URLSearchParams(realm.search);
  query.set('service', service);
  for (const one of [scope, ...added]) if (one !== '') query.append('scope', one);
  const headers = { ...(login && { authorization: basic(login) }), ...options.headers };
  return send(realm.origin, `${realm.pathname}?${query.toString()}`, { ...options, headers });
}

/** Takes the realm's answer; gives the Authorization with the token in it. */
export function bearerOf({ status, json, headers }: HttpAnswer): string {
  assert.deepEqual([status, headers['cache-control']], [200, 'no-store']);
  const token = at(json, 'token');
  assert.equal(at(json, 'access_token'), token);
  assert.ok(Number(at(json, 'expires_in')) >= 60);
  return `Bearer ${String(token)}`;
}
