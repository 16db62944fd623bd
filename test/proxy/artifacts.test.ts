import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { User } from '../../src/demo/access.ts';
import type { ManifestBytes } from '../../src/demo/image.ts';
import { buildArtifact } from '../../src/demo/image.ts';
import { answer, reset } from '../world/fault.ts';
import type { HttpAnswer } from '../world/http.ts';
import { at } from '../world/http.ts';
import {
  artifactType,
  attachedWorld,
  child,
  disguised,
  evil,
  index,
  manifestOf,
  ociIndex,
  ociManifest,
  referrers,
  schemaTag,
  signature,
  store,
} from './attached-world.ts';
import { askedDuring, withRegistry } from './evidence.ts';

// Artifacts by digest, what refers to a digest, and who may see either.

const everything = [{ repository: '*', actions: ['*'] }] as const;
const robot: User = { username: 'robot', password: 'x', grants: everything };
const stranger: User = { username: 'stranger', password: 'y', grants: [] };
const basic = ({ username, password }: User): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

test('under forward, the registry’s own no to a client stands for tags, referrers and artifacts, known here or not', async (t) => {
  const world = await attachedWorld(t, {
    registry: { access: { kind: 'basic', users: [robot, stranger] } },
    config: (tree) => withRegistry(tree, { auth: 'forward', hosts: ['reg.test'] }),
  });
  store(world, signature, schemaTag);
  const ask = (target: string, user?: User): Promise<HttpAnswer> =>
    world.proxy.request(target, {
      headers: {
        host: 'reg.test',
        ...(user && { authorization: basic(user) }),
      },
    });
  for (const path of [
    `manifests/${schemaTag}`,
    `manifests/${signature.digest}`,
    `referrers/${index.digest}`,
  ]) {
    const target = `/v2/team/app/${path}`;
    assert.equal((await ask(target, robot)).status, 200, target);
    const [nobody, refused] = [await ask(target), await ask(target, stranger)];
    assert.deepEqual(
      [nobody.status, nobody.headers['www-authenticate']],
      [401, 'Basic realm="demo"'],
      target,
    );
    assert.deepEqual([refused.status, at(refused.json, 'errors', 0, 'code')], [403, 'DENIED'], target);
    assert.doesNotMatch(refused.body.toString(), /content trust/);
  }
});

test('where the client’s credentials are not sent, a 403 of the registry is nothing that a client hears of', async (t) => {
  const world = await attachedWorld(t);
  world.registry.intercept(() => answer(403));
  for (const path of [`manifests/${schemaTag}`, `referrers/${index.digest}`]) {
    const { status, headers } = await world.proxy.request(`/v2/team/app/${path}`);
    assert.equal(status, 503, path);
    assert.match(String(headers['retry-after']), /^[1-9]/);
  }
});

test('referrers are the registry’s own list, with filters and pages; a registry without them says so itself', async (t) => {
  const { proxy, registry } = await attachedWorld(t);
  const path = `/v2/team/app/referrers/${index.digest}`;
  const filtered = `${path}?artifactType=${encodeURIComponent(artifactType)}`;
  const honest = await proxy.request(filtered);
  assert.deepEqual(
    [honest.status, honest.headers['content-type'], honest.headers['oci-filters-applied']],
    [200, ociIndex, 'artifactType'],
  );
  assert.equal(honest.headers['docker-distribution-api-version'], 'registry/2.0');
  assert.equal(at(honest.json, 'manifests', 0, 'digest'), signature.digest);

  const body = '{ "manifests" : [] }';
  let link = `<${path}?n=1&last=b>; rel="next"`;
  registry.fault('team/app', `referrers/${index.digest}`, (...given) =>
    answer(200, { headers: { link, 'content-type': ociIndex }, body })(...given),
  );
  const page = await proxy.request(`${path}?ns=reg.test`);
  assert.equal(page.headers['link'], `<${path}?n=1&last=b&ns=reg.test>; rel="next"`);
  assert.equal(page.body.toString(), body);
  link = '<https://elsewhere.test/next>; rel="next"';
  assert.equal((await proxy.request(path)).status, 502);

  for (const status of [400, 404, 405, 406]) {
    registry.fault('team/app', `referrers/${index.digest}`, answer(status, { body: 'as it is' }));
    const refused = await proxy.request(path);
    assert.deepEqual([refused.status, refused.body.toString()], [status, 'as it is']);
  }
});

test('an artifact may be pulled by digest if its subject is signed, or below what is', async (t) => {
  const world = await attachedWorld(t);
  const ofChild = buildArtifact('application/vnd.example.sbom', 'sbom', child);
  store(world, ofChild);
  for (const artifact of [signature, ofChild]) {
    const get = await world.proxy.pull(`team/app@${artifact.digest}`);
    const head = await world.proxy.pull(`team/app@${artifact.digest}`, {
      method: 'HEAD',
    });
    assert.deepEqual([get.status, get.body, head.status], [200, artifact.bytes, 200]);
    assert.equal(head.headers['content-length'], String(artifact.length));
  }
});

test('nothing but an artifact is let through by its subject, and no artifact without a signed one', async (t) => {
  const world = await attachedWorld(t);
  const { mediaType, digest, length } = index;
  const subject = { mediaType, digest, size: length };
  const { subject: _subject, ...ofSignature } = JSON.parse(signature.bytes.toString()) as Record<
    string,
    object
  >;
  const imageAbout = manifestOf(ociManifest, {
    ...(JSON.parse(evil.bytes.toString()) as object),
    subject,
  });
  const artifactOfImage = buildArtifact('application/vnd.example.sbom', 'sbom', imageAbout);
  const refused: readonly ManifestBytes[] = [
    imageAbout,
    manifestOf(ociManifest, {
      ...(JSON.parse(disguised.bytes.toString()) as object),
      subject,
    }),
    manifestOf(ociIndex, {
      ...(JSON.parse(referrers.bytes.toString()) as object),
      subject,
    }),
    manifestOf(ociManifest, ofSignature),
    buildArtifact('application/vnd.example.sbom', 'sbom', evil),
    // What is about a signed artifact's own artifact is about nothing that is signed.
    buildArtifact('application/vnd.example.sbom', 'of a signature', signature),
    artifactOfImage,
  ];
  for (const manifest of refused) {
    store(world, manifest);
    const answered = await world.proxy.pull(`team/app@${manifest.digest}`);
    assert.deepEqual(
      [answered.status, answered.reason],
      [403, 'DIGEST_NOT_SIGNED'],
      manifest.bytes.toString(),
    );
  }
});

test('an artifact costs one question, and other bytes than its digest says are no artifact', async (t) => {
  const world = await attachedWorld(t);
  await world.proxy.pull(`team/app@${child.digest}`);
  const pull = (): Promise<unknown> => world.proxy.pull(`team/app@${signature.digest}`);
  assert.deepEqual(await askedDuring(world.registry, pull), [
    `GET /v2/team/app/manifests/${signature.digest}`,
  ]);
  assert.deepEqual(await askedDuring(world.registry, pull), []);
  const other = buildArtifact('application/vnd.example.sbom', 'other', index);
  world.registry.repository('team/app').manifests.set(other.digest, {
    bytes: signature.bytes,
    mediaType: signature.mediaType,
  });
  assert.equal((await world.proxy.pull(`team/app@${other.digest}`)).reason, 'DIGEST_NOT_SIGNED');
  world.registry.fault('team/app', `manifests/${evil.digest}`, reset);
  assert.equal((await world.proxy.pull(`team/app@${evil.digest}`)).reason, 'UPSTREAM_UNAVAILABLE');
});
