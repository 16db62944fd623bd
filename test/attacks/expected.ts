import assert from 'node:assert/strict';
import type { ManifestBytes } from '../../src/demo/image.ts';
import type { Reason } from '../../src/policy/reason.ts';
import { denyReasons, unavailableReasons } from '../../src/policy/reason.ts';
import { at } from '../world/http.ts';
import type { Asked } from './attack.ts';

// What an attack has to come to, and what the client gets of it.

export interface Expected {
  readonly status: number;
  /** The metric's label. */
  readonly verdict: 'allow' | 'deny' | 'unavailable';
  /** `none` of a pull that is served; left out where no pull is judged, and so none counted. */
  readonly reason?: Reason | 'none';
  /** The OCI error code of a refusal. */
  readonly code?: string;
  /** What is served. */
  readonly manifest?: ManifestBytes;
  /** What the stored floors are afterwards: what they were, or those of what the notary now serves. */
  readonly floors: 'kept' | 'published';
  /** How many roots are stored afterwards, where floors are kept; in the cold they stand alone. */
  readonly roots: number;
}

/** Reasons that are found after the trust data was: it is good, and its floors are stored. */
const foundAfterTrust: readonly Reason[] = [
  'TAG_NOT_SIGNED',
  'DIGEST_NOT_SIGNED',
  'SIGNER_MISSING',
  'CONTENT_MISMATCH',
  'CONTENT_MISSING',
  'UPSTREAM_UNAVAILABLE',
];
type Kept = Partial<Pick<Expected, 'floors' | 'roots'>>;

/** A pull that is judged and refused. One root is valid by itself in most lies, and kept. */
export function refused(reason: Reason, kept: Kept = {}): Expected {
  const floors = foundAfterTrust.includes(reason) ? 'published' : 'kept';
  return { ...answerOf(reason), reason, floors, roots: 1, ...kept };
}

/** A request that is refused at the door, before anything is judged or asked. */
export function turnedAway(status: number, code: string, kept: Kept = {}): Expected {
  return { status, code, verdict: 'deny', floors: 'kept', roots: 0, ...kept };
}

/** A pull that is allowed, and gets exactly this. */
export function served(manifest: ManifestBytes, kept: Kept = {}): Expected {
  return { status: 200, verdict: 'allow', reason: 'none', manifest, floors: 'published', roots: 1, ...kept };
}

function answerOf(reason: Reason): Pick<Expected, 'status' | 'code' | 'verdict'> {
  if ((denyReasons as readonly Reason[]).includes(reason))
    return { status: 403, code: 'DENIED', verdict: 'deny' };
  if ((unavailableReasons as readonly Reason[]).includes(reason))
    return { status: 503, code: 'UNAVAILABLE', verdict: 'unavailable' };
  return { status: 404, code: 'MANIFEST_UNKNOWN', verdict: 'allow' };
}

/** Asserts status, reason, and that nothing reached the client but the signed manifest or one error object. */
export function assertReceived(
  asked: readonly Asked[],
  expected: Expected,
  { name, image }: { readonly name: string; readonly image: string },
): void {
  assert.ok(asked.length > 0);
  for (const { method, answer } of asked) {
    const { status, headers, body, statusMessage, reason } = answer;
    const what = `${method} ${name}${image}: ${status} ${statusMessage}`;
    assert.equal(status, expected.status, what);
    const { manifest } = expected;
    if (manifest !== undefined) {
      assert.equal(headers['docker-content-digest'], manifest.digest, what);
      assert.equal(headers['content-type'], manifest.mediaType, what);
      assert.equal(headers['content-length'], String(manifest.length), what);
      assert.deepEqual(body, method === 'HEAD' ? Buffer.alloc(0) : manifest.bytes, what);
      continue;
    }
    for (const field of ['docker-content-digest', 'etag', 'tufgate-trust', 'location', 'content-encoding'])
      assert.equal(headers[field], undefined, `${what}: ${field}`);
    assert.equal(headers['content-type'], 'application/json', what);
    assert.equal(headers['cache-control'], 'no-store', what);
    if (expected.reason !== undefined) assert.ok(statusMessage.includes(`: ${expected.reason}: `), what);
    if (method === 'HEAD') {
      assert.equal(body.length, 0, what);
      continue;
    }
    assert.equal(reason, expected.reason, what);
    const errors = at(answer.json, 'errors');
    assert.ok(Array.isArray(errors) && errors.length === 1, what);
    assert.deepEqual(Object.keys(answer.json as object), ['errors'], what);
    const [error] = errors as readonly unknown[];
    assert.equal(at(error, 'code'), expected.code, what);
    const members = Object.keys(error as object).filter((member) => member !== 'detail');
    assert.deepEqual(members, ['code', 'message'], what);
    assert.ok(!body.includes('"config"') && !body.includes('"manifests"'), what);
  }
}
