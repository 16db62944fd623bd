import type { Digest, ImageReference, RepositoryReference } from '../oci/reference.ts';
import { printReference } from '../oci/reference.ts';
import type { TrustAnswer, VerifiedRole } from '../trust/trust.ts';
import type { RepositoryErrorCode } from '../tuf/error.ts';
import type { DenyReason, NotFoundReason, UnavailableReason } from './reason.ts';
import type { Rule } from './rule.ts';
import type { Standing } from './standing.ts';

/** What is done with a pull. After it nobody resolves the name again: an allowed pull is of `digest`. */
export type Verdict =
  | { readonly kind: 'allow'; readonly digest: Digest; readonly standing: Standing }
  /** The rule does not judge: `allow`, or `digests: any`. */
  | { readonly kind: 'unjudged' }
  | Refused;

export type Refused =
  | { readonly kind: 'deny'; readonly reason: DenyReason; readonly message: string }
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason; readonly message: string }
  | { readonly kind: 'not-found'; readonly reason: NotFoundReason; readonly message: string };

/** What trust data itself can be refused for, whatever was asked of it. */
export type Distrusted = Exclude<Refused, { readonly kind: 'not-found' }>;

/** The decision table: what a rule makes of an answer. `image` is what was asked for, `gun` whose trust data answered. */
export function decide(image: ImageReference, rule: Rule, gun: string, answer: TrustAnswer): Verdict {
  switch (answer.kind) {
    case 'signed':
      return {
        kind: 'allow',
        digest: image.identifier.kind === 'digest' ? image.identifier.digest : answer.digest,
        standing: { kind: 'signed', target: answer },
      };
    case 'unsigned':
      return unsigned(image, rule, gun, answer);
    case 'invalid':
    case 'unavailable':
      return withoutTrust(image, answer);
  }
}

/** Refuses because trust data is bad, or was not to be had: of one image, or of all that a repository has. */
export function withoutTrust(
  asked: RepositoryReference,
  answer: Extract<TrustAnswer, { kind: 'invalid' | 'unavailable' }>,
): Distrusted {
  if (answer.kind === 'unavailable') return couldNotDecide(asked, answer.cause);
  const { code, message } = answer.error;
  return deny(asked, code, message, remedyFor(code, asked));
}

function unsigned(
  image: ImageReference,
  rule: Rule,
  gun: string,
  answer: Extract<TrustAnswer, { kind: 'unsigned' }>,
): Verdict {
  const sign = `sign it: docker trust sign ${printReference(image)}`;
  switch (answer.reason) {
    case 'REPOSITORY_NOT_SIGNED':
      return deny(image, answer.reason, `the notary has no trust data for ${gun}`, sign);
    case 'TAG_NOT_SIGNED':
      return deny(
        image,
        answer.reason,
        `${gun} is signed, but this tag is not (${rolesText(answer.roles)})`,
        sign,
      );
    case 'DIGEST_NOT_SIGNED':
      return deny(
        image,
        answer.reason,
        `no signed tag of ${gun} means this digest`,
        'pull a signed tag, or sign one for it',
      );
    case 'SIGNER_MISSING': {
      const finding = `rule ${rule.match} requires ${answer.missing.join(', ')} to sign ${answer.digest.slice(0, 19)}`;
      return deny(image, answer.reason, finding, 'have them sign this tag');
    }
  }
}

/** Refuses because no rule covers the repository. */
export function noRule(asked: RepositoryReference): Refused {
  return deny(asked, 'NO_RULE', 'no rule of the configuration matches it', 'add one if it should be pulled');
}

/** Refuses because the rule refuses all. */
export function ruleDenies(asked: RepositoryReference, rule: Rule): Refused {
  return deny(
    asked,
    'RULE_DENY',
    `rule ${rule.match} denies every pull`,
    'change the rule if it should be pulled',
  );
}

/** The registry's bytes are not the signed ones. `finding` says which check failed, with both values. */
export function contentMismatch(image: ImageReference, finding: string): Refused {
  return deny(
    image,
    'CONTENT_MISMATCH',
    finding,
    'find out who changed the registry, or what stands in front of it',
  );
}

/** Signed, but the registry has lost it. */
export function contentMissing(image: ImageReference, digest: Digest): Refused {
  const message = refusal(
    image,
    'not found',
    'CONTENT_MISSING',
    `the registry has lost the signed ${digest}`,
    'push it again',
  );
  return { kind: 'not-found', reason: 'CONTENT_MISSING', message };
}

/** The state could not be asked what stands on what. */
export function stateUnavailable(image: RepositoryReference, finding: string): Distrusted {
  return unavailable(
    image,
    'STATE_UNAVAILABLE',
    finding,
    'see to the state database; it is never started afresh',
  );
}

/** The registry could not be asked. */
export function upstreamUnavailable(image: ImageReference, finding: string): Refused {
  return unavailable(image, 'UPSTREAM_UNAVAILABLE', finding, 'try again when the registry answers');
}

function couldNotDecide(
  image: RepositoryReference,
  cause: Extract<TrustAnswer, { kind: 'unavailable' }>['cause'],
): Distrusted {
  if (cause.name === 'StateError') {
    return stateUnavailable(image, cause.message);
  }
  if (cause.failure === 'unauthorized') {
    return unavailable(
      image,
      'NOTARY_UNAUTHORIZED',
      cause.message,
      'check the auth of this notary in the configuration',
    );
  }
  return unavailable(image, 'NOTARY_UNAVAILABLE', cause.message, 'try again when the notary answers');
}

function deny(image: RepositoryReference, reason: DenyReason, finding: string, remedy: string): Distrusted {
  return { kind: 'deny', reason, message: refusal(image, 'denied', reason, finding, remedy) };
}

function unavailable(
  image: RepositoryReference,
  reason: UnavailableReason,
  finding: string,
  remedy: string,
): Distrusted {
  return { kind: 'unavailable', reason, message: refusal(image, 'not decided', reason, finding, remedy) };
}

function remedyFor(code: RepositoryErrorCode, image: RepositoryReference): string {
  switch (code) {
    case 'EXPIRED':
      return 'whoever holds the key of this role has to sign it again';
    case 'ROLLBACK':
    case 'EQUIVOCATION':
      return `if re-created on purpose: tufgate trust reset ${printReference(image)}`;
    case 'BAD_SIGNATURE':
      return 'its publisher has to sign it again with the keys in force';
    case 'BAD_HASH':
      return 'its publisher has to publish it again, or its notary was tampered with';
    case 'ROOT_NOT_PINNED':
      return 'compare with: tufgate trust pin';
    case 'MALFORMED':
      return 'ask the operator of the notary what it serves';
  }
}

function rolesText(roles: readonly VerifiedRole[]): string {
  const named = roles.filter(({ role }) => role.startsWith('targets'));
  return named.map(({ role, version }) => `${role} version ${version}`).join(', ');
}

const longestMessage = 300;

/**
 * The one text that people see (contract §4): ASCII, at most 300 characters, image, finding and remedy in it. Clients
 * show little else, so what gives way to the limit is the finding, in its middle.
 */
function refusal(
  image: RepositoryReference,
  outcome: string,
  reason: string,
  finding: string,
  remedy: string,
): string {
  const frame = (named: string, found: string, mend: string): string =>
    `content trust: ${named} ${outcome}: ${reason}: ${found}; ${mend}`;
  const whole = frame(printReference(image), finding, remedy);
  const [shortImage, shortRemedy] = [shorten(printReference(image), 110), shorten(remedy, 100)];
  const room = longestMessage - frame(shortImage, '', shortRemedy).length;
  const text =
    whole.length <= longestMessage ? whole : frame(shortImage, shorten(finding, room), shortRemedy);
  return text.replaceAll(/[^\x20-\x7e]/g, '?');
}

function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  const kept = Math.max(most - 3, 0);
  return `${text.slice(0, Math.ceil(kept / 2))}...${kept < 2 ? '' : text.slice(-Math.floor(kept / 2))}`;
}
