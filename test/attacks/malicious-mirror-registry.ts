import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Fault } from '../world/fault.ts';
import { answer, changeHeaders, loginPage, raw, redirect, reset, truncated } from '../world/fault.ts';
import type { Attack, Scene } from './attack.ts';
import { evil, getAndHead } from './attack.ts';
import type { Expected } from './expected.ts';
import { refused, served } from './expected.ts';

// What comes in place of a signed manifest that nobody has in memory: `evil`, which is signed here as 2.0.

const unavailable = refused('UPSTREAM_UNAVAILABLE');
const mismatch = refused('CONTENT_MISMATCH');
const text = evil.bytes.toString();
const length = `Content-Length: ${evil.length}`;

/** Fields that would change what the client does next, or what it thinks of the connection. */
const surprising = {
  connection: 'Docker-Content-Digest',
  'set-cookie': 'session=1',
  refresh: '0; url=http://evil.test/',
  'clear-site-data': '"*"',
  'alt-svc': 'h2="evil.test:443"',
  'strict-transport-security': 'max-age=0',
  location: 'http://evil.test/',
  'www-authenticate': 'Basic realm="evil"',
  'x-powered-by': 'evil',
};

export const registryAttacks: readonly Attack[] = [
  inPlace(
    'U-01',
    'the manifest, and more bytes than were said',
    rawAnswer([length], `${text}EXTRA`),
    served(evil),
  ),
  inPlace('U-02', 'half of the manifest', truncated(20), unavailable),
  inPlace('U-02', 'a reset connection', reset, unavailable),
  inPlace('U-03', 'a manifest without length that ends too soon', rawAnswer([], text.slice(0, -1)), mismatch),
  inPlace(
    'U-04',
    'a chunk that ends too soon',
    rawAnswer(['Transfer-Encoding: chunked'], 'A\r\n12345'),
    unavailable,
  ),
  inPlace(
    'U-04',
    'both a length and chunks',
    rawAnswer(['Transfer-Encoding: chunked', length], '0\r\n\r\n'),
    unavailable,
  ),
  inPlace('U-04', 'two lengths', rawAnswer([length, 'Content-Length: 1'], text), unavailable),
  inPlace(
    'U-18',
    '401 for ever',
    answer(401, { headers: { 'www-authenticate': 'Basic realm="x"' } }),
    unavailable,
  ),
  inPlace('U-19', 'a header with a NUL in it', rawAnswer([length, 'X-Y: a\0b'], text), unavailable),
  inPlace(
    'U-19',
    'a header that goes on in the next line',
    rawAnswer([length, 'X-Y: a\r\n b'], text),
    unavailable,
  ),
  inPlace('U-33', 'a login page', loginPage, mismatch),
  {
    ...inPlace('U-20', 'surprising header fields', changeHeaders(surprising), served(evil)),
    ask: async (scene, image) => {
      const asked = await getAndHead(scene, image);
      for (const { answer: given } of asked)
        for (const [field, value] of Object.entries(surprising)) assert.notEqual(given.headers[field], value);
      return asked;
    },
  },
  elsewhere('U-13', 'a redirect', (url) => redirect(url)),
  elsewhere('U-15', 'a token server', (url) =>
    answer(401, { headers: { 'www-authenticate': `Bearer realm="${url}",service="x",scope="y"` } }),
  ),
];

function inPlace(id: string, what: string, fault: Fault, expected: Expected): Attack {
  return {
    id,
    title: `${what} in place of a manifest is ${expected.manifest ? 'judged by the hash of what was said' : 'refused'}`,
    warm: expected,
    cold: expected,
    prepare: signEvil,
    lie: ({ world, name }) => {
      world.registry.fault(name, `manifests/${evil.digest}`, fault);
      return ':2.0';
    },
  };
}

const canaries = new WeakMap<Scene, { connections: number; close: () => Promise<void> }>();

/** An address inside our own network, where somebody counts who comes. */
function elsewhere(id: string, what: string, fault: (url: string) => Fault): Attack {
  return {
    id,
    title: `${what} in our own network that the registry names is never connected to`,
    warm: unavailable,
    cold: unavailable,
    prepare: signEvil,
    lie: async (scene) => {
      const server = createServer((socket) => {
        canary.connections += 1;
        socket.destroy();
      });
      const canary = {
        connections: 0,
        close: () => new Promise<void>((resolve) => server.close(() => resolve())),
      };
      canaries.set(scene, canary);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const url = `http://localhost:${(server.address() as AddressInfo).port}/`;
      scene.world.registry.fault(scene.name, `manifests/${evil.digest}`, fault(url));
      return ':2.0';
    },
    also: async (scene) => {
      const canary = canaries.get(scene);
      await canary?.close();
      assert.equal(canary?.connections, 0);
    },
  };
}

function signEvil({ repository }: Scene): void {
  repository.sign('2.0', evil, 'targets/releases');
}

function rawAnswer(headers: readonly string[], body: string): Fault {
  return raw(`HTTP/1.1 200 OK\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n${body}`);
}
