import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import type { LoginAt } from '../runtimes/containers-image.ts';
import type { Hub, Secret } from '../hub.ts';
import type { Login } from '../servers/token-server.ts';
import { tell, type Stage, type Way } from './way.ts';

/** Who asks for a private repository. */
const whos = ['no credentials', 'wrong credentials', 'right credentials'] as const;
type Who = (typeof whos)[number];

/** Declares what must hold for a client's way to a private repository; `server` is whom its login is for. */
export function tellOfSecret(stage: Stage, way: Way, secret: Secret, server: string): void {
  const { scheme, login, digests } = secret;
  const { client, by, image } = way;
  const [manifest = '', config = ''] = digests;
  const logins: Readonly<Record<Who, LoginAt | undefined>> = {
    'no credentials': undefined,
    'wrong credentials': { ...login, password: 'wrong-password', server },
    'right credentials': { ...login, server },
  };

  async function pulls(who: Who, story = `private (${scheme}), ${who}`): Promise<void> {
    await client.remove(`${image}:v1`);
    const isRight = who === 'right credentials';
    const outcome = isRight ? 'ok' : 'unauthorized';
    const expected = { story, outcome, digests: [manifest, config], login: logins[who] } as const;
    const { text } = await tell(stage, way, ':v1', expected);
    if (!isRight) assert.equal(text.includes(manifest), false, text);
  }

  for (const who of whos) {
    const outcome = who === 'right credentials' ? 'is pulled' : 'is not pulled';
    test(`${by}: a private image of a ${scheme} registry ${outcome} with ${who}`, async () => {
      await pulls(who);
    });
  }

  test(`${by}: nor does a ${scheme} registry's image come from tufgate's memory to anyone but its owner`, async () => {
    await pulls('no credentials', `cached (${scheme}), no credentials`);
    await pulls('wrong credentials', `cached (${scheme}), wrong credentials`);
  });
}

/** Declares that tufgate, which has served each secret by now, tells others nothing of it in any form of request. */
export function tellOfMemory({ secrets }: Hub, { tufgate }: Pick<Stage, 'tufgate'>): void {
  for (const { scheme, registry, repository, login, digests } of secrets) {
    const [manifest = '', config = '', layer = ''] = digests;
    const last = ['tags/list', 'manifests/v1', `manifests/${manifest}`, `blobs/${config}`, `blobs/${layer}`];
    const forms = [
      (it: string) => ({ path: `/v2/${registry}/${repository}/${it}`, host: tufgate.host }),
      (it: string) => ({ path: `/${registry}/v2/${repository}/${it}`, host: tufgate.host }),
      (it: string) => ({ path: `/v2/${repository}/${it}?ns=${registry}`, host: tufgate.host }),
    ];

    async function statuses(authorization: string | undefined): Promise<Set<number>> {
      const seen = new Set<number>();
      for (const method of ['HEAD', 'GET']) {
        for (const { path, host } of last.flatMap((it) => forms.map((form) => form(it)))) {
          if (method === 'HEAD' && path.includes('/tags/')) continue;
          const headers = { host, ...(authorization !== undefined && { authorization }) };
          const { status, body } = await tufgate.ask(path, { method, headers });
          seen.add(status);
          if (status === 401) assert.doesNotMatch(body.toString(), /sha256:|"v1"/);
        }
      }
      return seen;
    }

    async function tokenOf(account: Login | undefined): Promise<string | undefined> {
      const scope = `repository:${registry}/${repository}:pull`;
      const headers = account === undefined ? {} : { authorization: basicOf(account) };
      const answer = await tufgate.ask(`/token?service=tufgate&scope=${scope}`, { headers });
      if (answer.status !== 200) return undefined;
      return `Bearer ${z.object({ token: z.string() }).parse(JSON.parse(answer.body.toString())).token}`;
    }

    test(`what the ${scheme} registry keeps for its account is 401 for others, whatever they ask for and show`, async () => {
      const others = secrets.filter((other) => other.login !== login).map((other) => other.login);
      const wrong = { ...login, password: 'wrong-password' };
      assert.equal(await tokenOf(wrong), undefined);
      for (const shown of [undefined, await tokenOf(undefined), ...[wrong, ...others].map(basicOf)]) {
        assert.deepEqual([...(await statuses(shown))], [401], shown);
      }
      // And to the account itself each of these is something.
      assert.deepEqual([...(await statuses(await tokenOf(login)))], [200]);
    });
  }
}

/** Declares that passwords reached those they are for, and nobody else; to be called last. */
export function tellOfPasswords(
  { tokens, cables, secrets }: Hub,
  { tufgate }: Pick<Stage, 'tufgate'>,
  names: readonly string[] = ['acme/secret', 'library/app'],
): void {
  test('a password reached the registry that it is for, or its token server, and nobody else', () => {
    const shown = new Map<string, Set<string>>();
    const note = (where: string, password: string | undefined): void => {
      if (password === undefined) return;
      shown.set(password, (shown.get(password) ?? new Set()).add(where));
    };
    for (const { password } of tokens.requests) note('token server', password);
    for (const [where, { passed }] of Object.entries(cables)) {
      for (const { authorization } of passed) note(where, basicPassword(authorization));
    }
    for (const { scheme, login } of secrets) {
      const places = scheme === 'Bearer' ? ['token server'] : [scheme];
      assert.deepEqual([...(shown.get(login.password) ?? [])], places, login.username);
    }
    const log = JSON.stringify(tufgate.logLines());
    for (const { login } of secrets) assert.equal(log.includes(login.password), false);
  });

  test("tokens were asked for under the registry's own repository names, for nothing else", () => {
    const asked = new Set(
      tokens.requests.flatMap(({ scopes }) => scopes.map((scope) => scope.replace(/:[^:]*$/, ''))),
    );
    assert.deepEqual(
      [...asked].toSorted(),
      names.map((name) => `repository:${name}`),
    );
  });
}

function basicOf({ username, password }: Login): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function basicPassword(authorization = ''): string | undefined {
  const encoded = /^Basic (.+)$/.exec(authorization)?.[1];
  const account = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString();
  return account.includes(':') ? account.slice(account.indexOf(':') + 1) : undefined;
}
