import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { readManifest } from '../oci/manifest.ts';
import type { Digest, ImageReference, Tag } from '../oci/reference.ts';
import { isAttachmentTag, sha256Digest } from '../oci/reference.ts';
import type { Judgement } from '../policy/judge.ts';
import { upstreamUnavailable } from '../policy/verdict.ts';
import { answerAsUpstream, answerError, answerManifest, answerRefusal } from './answer.ts';
import type { PullEnd } from './pull-record.ts';
import type { Caller } from './upstream/headers.ts';
import type { ClientView } from './upstream/location.ts';
import type { RegistryDoor } from './upstream/registry-door.ts';

export interface AttachmentRequest {
  readonly response: ServerResponse;
  /** Takes the digest of an artifact; finds out, and remembers, whether it and its blobs may be pulled by digest. */
  readonly vouch: (digest: Digest) => Promise<unknown>;
  readonly door: RegistryDoor;
  readonly caller: Caller;
  readonly view: ClientView;
}

/** Takes an image; gives its tag if that is one under which tools look for what is attached to a manifest. */
export function attachmentTag({ identifier }: ImageReference): Tag | undefined {
  return identifier.kind === 'tag' && isAttachmentTag(identifier.tag) ? identifier.tag : undefined;
}

/**
 * Answers a pull of an attachment tag that trust data does not sign, so that its judgement is a denial: with what the
 * registry has there, if no runtime would run it, else with 404. Docker 29, podman and cosign ask for such tags beside an
 * image, take 404 for "nothing is attached", and fail on a 403. Gives what the pull is to be recorded with.
 */
export async function answerAttachment(
  judgement: Judgement,
  tag: Tag,
  { response, vouch, door, caller, view }: AttachmentRequest,
  retryAfter: number,
): Promise<Pick<PullEnd, 'refused' | 'served'>> {
  const { image, rule } = judgement;
  const unserved = { refused: undefined, served: undefined };
  if (rule?.mode !== 'enforce') {
    answerNothing(response);
    return unserved;
  }
  const answer = await door.upstream.taggedManifest(image.repository, tag, caller);
  switch (answer.kind) {
    case 'refused':
      answerAsUpstream(response, answer, view);
      return unserved;
    case 'missing':
      answerNothing(response);
      return unserved;
    case 'unavailable': {
      if (answer.cause.failure === 'too-large') {
        answerNothing(response);
        return unserved;
      }
      const refused = upstreamUnavailable(image, answer.cause.message);
      answerRefusal(response, judgement, refused, retryAfter);
      return { refused, served: undefined };
    }
    case 'found': {
      const { bytes } = answer;
      const facts = readManifest(bytes);
      if (facts?.isArtifact !== true) {
        answerNothing(response);
        return unserved;
      }
      const digest = sha256Digest(createHash('sha256').update(bytes).digest());
      // Its blobs are asked for next.
      if (facts.kind === 'image' && facts.subject !== undefined) await vouch(digest);
      answerManifest(response, digest, { kind: 'found', bytes, facts }, undefined);
      return {
        refused: undefined,
        served: { digest, children: facts.children.map((child) => child.digest) },
      };
    }
  }
}

/** The same words whatever is there: an image is not to be had under such a tag, unless it is signed. */
function answerNothing(response: ServerResponse): void {
  const message = 'nothing is attached under this tag, or nothing that is sure to be no image';
  answerError(response, 404, { code: 'MANIFEST_UNKNOWN', message });
}
