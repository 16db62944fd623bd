import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import { generatePrivateKey, SigningKey } from '../../src/demo/signing/key.ts';
import { startWorld } from '../world/world.ts';

const image = buildImage('signed the old way');

for (const [title, config, expected] of [
  ['RSA PKCS#1 v1.5 does not count unless it is configured', {}, [403, 'BAD_SIGNATURE']],
  ['RSA PKCS#1 v1.5 counts where it is configured', { rsapkcs1v15: true }, [200, undefined]],
] as const) {
  test(title, async (t) => {
    const { notary, registry, proxy } = await startWorld(t, { config });
    registry.put('team/app', image, '1.0');
    const key = SigningKey.plain(generatePrivateKey('rsa2048'), 'rsapkcs1v15');
    notary.repository('team/app', { keys: { targets: { keys: [key] } } });
    notary.sign('team/app', '1.0', image);
    const { status, reason } = await proxy.pull('team/app:1.0');
    assert.deepEqual([status, reason], expected);
  });
}
