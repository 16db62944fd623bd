import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:http';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import { hashSync } from 'bcryptjs';
import { ClientAccess } from '../../src/proxy/auth/client-access.ts';
import { PasswordCheck, decoyOf } from '../../src/proxy/auth/password-check.ts';
import { open } from './door.ts';

// Made by Apache's htpasswd 2.4 (-nbB -C 4 and 5).
const users: ReadonlyMap<string, string> = new Map([
  ['alice', '$2y$04$yt4wXzuw.uM/iEmRAVD9geGoquj60JQJE/VIWlXodHCSJDZFhxp2q'], // pässwörd
  ['bob', '$2y$04$nCiamIOHrHHSscwseBGyEOyJYy67CoNWyd2X5n.dSmiPxGNhjSZh.'], // hunter2
  ['carol', '$2y$05$rEef1Wg2BMU.ONbGkreeWOQ8yTcjM4tZmbF.aAZCzMjhEl/aitmCC'], // pässwörd
]);
const basic = (pair: string | Uint8Array): string => `Basic ${Buffer.from(pair).toString('base64')}`;

/** How many checks wait for the thread; the next is `busy`. */
const mostWaiting = 64;

function accessOf(t: TestContext, known = users): ClientAccess {
  const access = new ClientAccess({ kind: 'htpasswd', users: known });
  t.after(() => access.close());
  return access;
}

/** A request that came in over plain HTTP. */
async function requestOf(t: TestContext): Promise<IncomingMessage> {
  const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
  const { port } = await open(t, {
    handler: (request, response) => {
      resolve(request);
      response.end();
      return Promise.resolve();
    },
  });
  const [answer] = (await once(get({ port, host: '127.0.0.1' }), 'response')) as [IncomingMessage];
  answer.resume();
  return promise;
}

test('a user comes in with the password whose hash is in the file, in UTF-8', async (t) => {
  const [access, request] = [accessOf(t), await requestOf(t)];
  for (const [pair, admission] of [
    ['alice:pässwörd', 'admitted'],
    ['carol:pässwörd', 'admitted'],
    ['bob:hunter2', 'admitted'],
    ['bob:hunter3', 'unknown'],
    ['bob:hunter2 ', 'unknown'],
    ['bob:', 'unknown'],
    ['Bob:hunter2', 'unknown'],
    ['alice:hunter2', 'unknown'],
    ['dave:hunter2', 'unknown'],
  ] as const) {
    assert.equal(await access.admit(request, basic(pair)), admission, pair);
    // And once more from memory.
    assert.equal(await access.admit(request, basic(pair)), admission, pair);
  }
});

test('the scheme is read in any case, and one password of many colons as one', async (t) => {
  const hash = hashSync('a:b:', 4);
  const [access, request] = [accessOf(t, new Map([['eve', hash]])), await requestOf(t)];
  const pair = Buffer.from('eve:a:b:').toString('base64');
  assert.equal(await access.admit(request, `bASIC  ${pair}`), 'admitted');
});

const seventyTwo = 'x'.repeat(72);
const nothing: readonly [what: string, authorization: string | undefined][] = [
  ['no Authorization', undefined],
  ['an empty Authorization', ''],
  ['the empty account of podman', 'Basic Og=='],
  ['a password without a user', basic(':hunter2')],
  ['an account without a colon', basic('bob')],
  ['a token', 'Bearer Ym9iOmh1bnRlcjI='],
  ['what is no base64', 'Basic bob:hunter2'],
  ['two accounts', `${basic('bob:hunter2')}, ${basic('bob:hunter2')}`],
  ['a password that is not UTF-8', basic(Buffer.from('alice:p\xe4ssw\xf6rd', 'latin1'))],
  ['a password with a NUL', basic('bob:hunter2\0')],
  ['a password that bcrypt would cut', basic(`max:${seventyTwo}x`)],
  ['a password that bcrypt would cut within a letter', basic(`umlaut:${'x'.repeat(71)}ä`)],
  ['a user of 1 KiB', basic(`${'x'.repeat(1024)}:x`)],
];

for (const [what, authorization] of nothing) {
  test(`${what} is nobody, and costs no check`, async (t) => {
    const known = new Map([
      ...users,
      ['max', hashSync(seventyTwo, 4)],
      ['umlaut', hashSync(`${'x'.repeat(71)}ä`, 4)],
    ]);
    const [access, request] = [accessOf(t, known), await requestOf(t)];
    assert.equal(await access.admit(request, basic(`max:${seventyTwo}`)), 'admitted');
    // With no place left to wait, whatever has to be checked is `busy`.
    const fill = Array.from({ length: mostWaiting }, (_, at) => access.admit(request, basic(`bob:${at}`)));
    const asked = access.admit(request, authorization);
    await access.close();
    assert.equal(await asked, 'unknown');
    assert.deepEqual(new Set(await Promise.all(fill)), new Set(['busy']));
  });
}

test('so many passwords wait, of users that exist or not, and the next is busy and not remembered', async (t) => {
  const [access, request] = [accessOf(t), await requestOf(t)];
  const admissions = Array.from({ length: mostWaiting }, (_, at) =>
    access.admit(request, basic(`${at % 2 === 0 ? 'bob' : 'nobody'}:${at}`)),
  );
  const next = access.admit(request, basic('bob:hunter2'));
  assert.equal(await next, 'busy');
  assert.deepEqual(new Set(await Promise.all(admissions)), new Set(['unknown']));
  assert.equal(await access.admit(request, basic('bob:hunter2')), 'admitted');
});

test('equal questions at one time are one question', async (t) => {
  const [access, request] = [accessOf(t), await requestOf(t)];
  const many = Array.from({ length: 3 * mostWaiting }, () => access.admit(request, basic('bob:hunter2')));
  assert.deepEqual(new Set(await Promise.all(many)), new Set(['admitted']));
});

test('what was right or wrong a moment ago needs no check, and another password does', async (t) => {
  const [access, request] = [accessOf(t), await requestOf(t)];
  await access.admit(request, basic('bob:hunter2'));
  await access.admit(request, basic('bob:hunter3'));
  await access.close(); // nothing can be checked any more
  assert.equal(await access.admit(request, basic('bob:hunter2')), 'admitted');
  assert.equal(await access.admit(request, basic('bob:hunter3')), 'unknown');
  assert.equal(await access.admit(request, basic('bob:hunter4')), 'busy');
});

test('what was right is checked again after five minutes, what was wrong after ten seconds', async (t) => {
  const [access, request] = [accessOf(t), await requestOf(t)];
  const started = performance.now();
  let now = started;
  t.mock.method(performance, 'now', () => now);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  await access.admit(request, basic('bob:hunter2'));
  await access.admit(request, basic('bob:hunter3'));
  await access.close(); // nothing can be checked any more
  for (const [seconds, pair, admission] of [
    [9, 'bob:hunter3', 'unknown'],
    [11, 'bob:hunter3', 'busy'],
    [299, 'bob:hunter2', 'admitted'],
    [301, 'bob:hunter2', 'busy'],
  ] as const) {
    now = started + seconds * 1000;
    t.mock.timers.tick(1); // The cache looks at the clock once a millisecond.
    assert.equal(await access.admit(request, basic(pair)), admission, `after ${seconds} s`);
  }
});

test('no password is kept', async (t) => {
  const [access, request] = [accessOf(t), await requestOf(t)];
  await access.admit(request, basic('bob:hunter2'));
  const kept = inspect(access, { depth: 20, showHidden: true, maxArrayLength: null });
  assert.doesNotMatch(kept, /hunter2|Ym9iOmh1bnRlcjI/);
});

test('the event loop turns on while a password is checked', async (t) => {
  const [access, request] = [accessOf(t, new Map([['bob', hashSync('hunter2', 10)]])), await requestOf(t)];
  let turns = 0;
  let next = setImmediate(function turn() {
    turns += 1;
    next = setImmediate(turn);
  });
  assert.equal(await access.admit(request, basic('bob:hunter2')), 'admitted');
  clearImmediate(next);
  assert.ok(turns > 100, `${turns} turns`);
});

test('who waits when the proxy stops is told that it is busy', async (t) => {
  const [access, request] = [accessOf(t), await requestOf(t)];
  const waiting = [access.admit(request, basic('bob:hunter2')), access.admit(request, basic('bob:x'))];
  await access.close();
  assert.deepEqual(await Promise.all(waiting), ['busy', 'busy']);
});

test('a thread that fails says so to who waits, and another takes its place', async (t) => {
  const check = new PasswordCheck();
  t.after(() => check.close());
  const noHash = 'x'.repeat(60);
  const failed = await Promise.allSettled([check.matches('a', noHash), check.matches('b', noHash)]);
  assert.deepEqual(failed.map(({ status }) => status), ['rejected', 'rejected']); // prettier-ignore
  assert.equal(await check.matches('hunter2', users.get('bob') ?? ''), true);
});

test('a user who is not there is checked as dearly as the dearest who is', async (t) => {
  const hashes = ['04', '12', '11'].map((cost) => `$2a$${cost}$${'x'.repeat(53)}`);
  assert.equal(decoyOf(hashes), `$2y$12$${'.'.repeat(53)}`);
  const asked = t.mock.method(Worker.prototype, 'postMessage');
  const [access, request] = [accessOf(t), await requestOf(t)];
  assert.equal(await access.admit(request, basic('nobody:hunter2')), 'unknown');
  assert.deepEqual(
    asked.mock.calls.map(({ arguments: [question] }): unknown => question),
    [{ password: 'hunter2', hash: `$2y$05$${'.'.repeat(53)}` }],
  );
});

test('a user who is not there stays out whatever the check says', async (t) => {
  t.mock.method(Worker.prototype, 'postMessage', function yes(this: Worker) {
    this.emit('message', true);
  });
  const [access, request] = [accessOf(t), await requestOf(t)];
  assert.equal(await access.admit(request, basic('bob:hunter2')), 'admitted');
  assert.equal(await access.admit(request, basic('nobody:hunter2')), 'unknown');
});

test('anyone comes in where clients are not told apart', async (t) => {
  const [access, request] = [new ClientAccess({ kind: 'anyone' }), await requestOf(t)];
  assert.equal(await access.admit(request, undefined), 'admitted');
  assert.equal(await access.admit(request, basic('bob:wrong')), 'admitted');
  await access.close();
});

test('without TLS there is no certificate, whatever else is shown', async (t) => {
  const [access, request] = [new ClientAccess({ kind: 'certificates', ca: '' }), await requestOf(t)];
  assert.equal(await access.admit(request, basic('bob:hunter2')), 'no-certificate');
});
