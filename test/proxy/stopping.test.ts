import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import { Hold, hang, slow } from '../world/fault.ts';
import { send } from '../world/http.ts';
import { startWorld } from '../world/world.ts';
import { storedRows } from './evidence.ts';
import { open } from './gate.ts';

const image = buildImage('image', { padding: 50_000 });
const layer = image.layers[0] ?? Buffer.alloc(0);

test('a pull that waits for the notary when the proxy is told to stop is answered, and its floors are stored', async (t) => {
  const { notary, registry, proxy, directory } = await startWorld(t);
  registry.put('team/app', image);
  notary.sign('team/app', '1.0', image);
  const hold = new Hold();
  notary.fault('team/app', 'timestamp', hold.before);
  const pulling = proxy.pull('team/app:1.0');
  await hold.arrived;
  const adminUrl = proxy.adminUrl;
  const drained = proxy.drain();
  const ready = await send(adminUrl, '/readyz');
  assert.deepEqual([ready.status, (await send(adminUrl, '/livez')).status], [503, 200]);
  hold.release();
  const pulled = await pulling;
  assert.deepEqual([pulled.status, pulled.body, pulled.headers.connection], [200, image.bytes, 'close']);
  await drained;
  assert.ok(JSON.stringify(storedRows(directory)).includes('"role":"timestamp"'));
  await assert.rejects(proxy.pull('team/app:1.0'), { code: 'ECONNREFUSED' });
});

test('a blob under way when the proxy is told to stop arrives whole', async (t) => {
  const { notary, registry, proxy } = await startWorld(t);
  registry.put('team/app', image);
  notary.sign('team/app', '1.0', image);
  registry.fault('team/app', `blobs/${digestOf(layer)}`, slow(1, 5000));
  const incoming = await open(proxy.url, `/v2/team/app/blobs/${digestOf(layer)}`);
  const drained = proxy.drain();
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  assert.deepEqual(Buffer.concat(chunks), layer);
  await drained;
});

test('what does not finish within drain_timeout is cut', async (t) => {
  const { notary, proxy } = await startWorld(t, { config: { limits: { drain_timeout: '1s' } } });
  notary.sign('team/app', '1.0', image);
  const arrived = Promise.withResolvers<void>();
  notary.fault('team/app', 'timestamp', (honest, request) => {
    arrived.resolve();
    return hang(honest, request);
  });
  const pulling = assert.rejects(proxy.pull('team/app:1.0'), { code: 'ECONNRESET' });
  await arrived.promise;
  await proxy.drain();
  await pulling;
});

test('a notary that is down leaves the proxy ready', async (t) => {
  const { notary, proxy } = await startWorld(t);
  await notary.close();
  assert.equal((await proxy.pull('team/app:1.0')).reason, 'NOTARY_UNAVAILABLE');
  assert.equal((await send(proxy.adminUrl, '/readyz')).status, 200);
});
