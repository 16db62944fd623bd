import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Image } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import type { HttpAnswer, HttpOptions } from '../world/http.ts';
import type { ConfigurationTree, World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { withRegistry } from './evidence.ts';

// A client that pushes, and the world it pushes into.

/** A world whose registry may be pushed to. */
export async function pushWorld(
  t: TestContext,
  push: 'allow' | 'deny',
  config: ConfigurationTree = {},
  options: Pick<WorldOptions, 'registry' | 'rules'> = {},
): Promise<World> {
  return startWorld(t, {
    ...options,
    config: (tree) => ({ ...withRegistry(tree, { push }), ...config }),
  });
}

/** A client at one door: which path, query and transport it uses is all that differs from door to door. */
export interface Client {
  /** Where the repository begins: `/v2/<name>`, with what the door puts before or in it. */
  readonly base: string;
  readonly query: string;
  /** What stands before the path of every address that the proxy names. */
  readonly origin: string;
  readonly send: (target: string, options?: HttpOptions) => Promise<HttpAnswer>;
}

/** Takes what differs from a client that names nothing but the repository; `ca` is for TLS. */
export function clientOf(
  { proxy }: World,
  {
    base = '/v2/team/app',
    query = '',
    origin = '',
    ca,
  }: Partial<Omit<Client, 'send'>> & { readonly ca?: string } = {},
): Client {
  const send = (target: string, options: HttpOptions = {}): Promise<HttpAnswer> =>
    proxy.request(target, { ...options, ...(ca !== undefined && { ca }) });
  return { base, query, origin, send };
}

/** The target of the next request, as a client reads it; it leads back to the door that was asked. */
export function next({ headers }: HttpAnswer, { base, query, origin }: Client): string {
  const location = String(headers.location);
  assert.ok(location.startsWith(`${origin}${base}/`), location);
  assert.ok(query === '' || location.includes(query.slice(1)), location);
  return location.slice(origin.length);
}

export async function openUpload(client: Client): Promise<string> {
  const opened = await client.send(`${client.base}/blobs/uploads/${client.query}`, { method: 'POST' });
  assert.equal(opened.status, 202);
  return next(opened, client);
}

/** As every client does it: whatever the address says already, it is kept. */
export const withDigest = (location: string, digest: string): string =>
  `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`;

export async function pushChunked(client: Client, blob: Buffer): Promise<void> {
  const headers = { 'transfer-encoding': 'chunked' };
  const patched = await client.send(await openUpload(client), { method: 'PATCH', headers, body: blob });
  assert.deepEqual([patched.status, patched.headers.range], [202, `0-${blob.length - 1}`]);
  const state = await client.send(next(patched, client));
  assert.equal(state.status, 204);
  const done = await client.send(withDigest(next(patched, client), digestOf(blob)), { method: 'PUT' });
  assert.deepEqual([done.status, done.headers['docker-content-digest']], [201, digestOf(blob)]);
  next(done, client);
}

export async function pushWhole(client: Client, blob: Buffer): Promise<void> {
  const start = `${client.base}/blobs/uploads/${client.query}`;
  const done = await client.send(withDigest(start, digestOf(blob)), { method: 'POST', body: blob });
  assert.equal(done.status, 201);
  next(done, client);
}

export async function pushManifest(
  client: Client,
  { bytes, mediaType, digest }: Image,
  tag: string,
): Promise<void> {
  const headers = { 'content-type': mediaType };
  const target = `${client.base}/manifests/${tag}${client.query}`;
  const done = await client.send(target, { method: 'PUT', headers, body: bytes });
  assert.deepEqual([done.status, done.headers['docker-content-digest']], [201, digest]);
  next(done, client);
}
