import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Endpoint } from '../../oci/endpoint.ts';
import type { RepositoryName } from '../../oci/reference.ts';

// Some registries continue an upload at an address that is no endpoint of the specification: GitHub at
// `/v2/<name>/blobs/upload/<id>`, Google at `/artifacts-uploads/namespaces/…`. The client gets an upload of our own that
// carries such an address. Sealed, because otherwise anyone who may push could have any path of the registry asked, with
// whatever credentials and whatever body.

type Upload = Extract<Endpoint, { kind: 'upload' }>;

const mark = 'tufgate.';
const parameter = 'address';
/** Of an address, in characters: printed as ours, with a digest behind it, it must stay below the longest target. */
const longestAddress = 2_560;

/** Says whether an upload is named as one of ours, whoever has sealed it. */
export function isSealed({ session }: Upload): boolean {
  return session.startsWith(mark);
}

/** Seals the addresses of one registry's uploads, with a key of its own that is made at start and never leaves. */
export class UploadSeal {
  readonly #key = randomBytes(32);

  /** Takes a path with its query, and the repository that is pushed to; gives the upload that stands for it there, or
   * undefined if it is too long for that. */
  close(repository: RepositoryName, address: string): Upload | undefined {
    if (address.length > longestAddress) return undefined;
    const session = this.#session(repository, address);
    const query = [[parameter, Buffer.from(address).toString('base64url')]] as const;
    return { kind: 'upload', repository, session, query };
  }

  /** Takes an upload that is named as ours; gives the path it stands for, with the digest that a client has put behind
   * it, or undefined if it was not sealed here, for this repository. */
  open({ repository, session, query }: Upload): string | undefined {
    const encoded = query.find(([name]) => name === parameter)?.[1] ?? '';
    const address = Buffer.from(encoded, 'base64url').toString();
    const expected = Buffer.from(this.#session(repository, address));
    const given = Buffer.from(session);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    // The one parameter that a client has to add (distribution-spec end-6); with others it could change the address.
    const digest = query.find(([name]) => name === 'digest')?.[1];
    if (digest === undefined) return address;
    return `${address}${address.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`;
  }

  /** A repository's name holds no space, so that no two pairs are written alike. */
  #session(repository: RepositoryName, address: string): string {
    return mark + createHmac('sha256', this.#key).update(`${repository} ${address}`).digest('base64url');
  }
}
