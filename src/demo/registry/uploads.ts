import { randomUUID } from 'node:crypto';
import type { Answer, LocalRequest } from '../local-server.ts';
import { registryEmpty, registryError } from './answer.ts';
import type { StoredRepository } from './content.ts';
import { hasDigest } from './content.ts';

/** What one request may bring. */
const longestChunk = 64 * 1024 * 1024;

interface Upload {
  readonly name: string;
  bytes: Buffer;
}

/** At what addresses uploads go on: the specification's, as distribution writes them, or those of GitHub or Google. */
export type UploadAddresses = 'distribution' | 'github' | 'google';

/** Uploads under way at an embedded registry (distribution-spec 1.1, "Pushing blobs"). */
export class Uploads {
  readonly #open = new Map<string, Upload>();
  readonly #repository: (name: string) => StoredRepository;
  readonly #addresses: UploadAddresses;

  constructor(repository: (name: string) => StoredRepository, addresses: UploadAddresses) {
    this.#repository = repository;
    this.#addresses = addresses;
  }

  /** Takes a path; gives the upload that goes on there, where that is no endpoint of the specification. */
  at(path: string): { readonly name: string; readonly session: string } | undefined {
    const [, session = ''] = ownPaths[this.#addresses].exec(path) ?? [];
    const upload = this.#open.get(session);
    return upload && { name: upload.name, session };
  }

  /** POST: opens an upload, unless it mounts a blob (end-11) or brings it whole (end-4b). */
  async open(request: LocalRequest, name: string, origin: string): Promise<Answer> {
    const { query } = request;
    const mount = query.get('mount');
    const mounted = mount === null ? undefined : this.#repository(query.get('from') ?? name).blobs.get(mount);
    if (mount !== null && mounted !== undefined) {
      return created(origin, name, this.#repository(name).putBlob(mounted, mount));
    }
    const digest = query.get('digest');
    if (digest !== null) return this.#store(await request.body(longestChunk), name, digest, origin);
    const session = randomUUID();
    this.#open.set(session, { name, bytes: Buffer.alloc(0) });
    return this.#underWay(202, origin, session, name, 0);
  }

  /** GET, PATCH, PUT and DELETE of an upload (end-13, 5, 6, 14). */
  async continue(request: LocalRequest, name: string, session: string, origin: string): Promise<Answer> {
    const upload = this.#open.get(session);
    if (upload === undefined || upload.name !== name) return registryError('BLOB_UPLOAD_UNKNOWN');
    switch (request.method) {
      case 'GET':
        return this.#underWay(204, origin, session, name, upload.bytes.length);
      case 'DELETE':
        this.#open.delete(session);
        return registryEmpty(204);
      case 'PATCH':
      case 'PUT': {
        const range = request.headers['content-range'];
        if (range !== undefined && Number(range.split('-')[0]) !== upload.bytes.length)
          return registryError('BLOB_UPLOAD_INVALID');
        const chunk = await request.body(longestChunk);
        if (chunk === undefined) return registryError('SIZE_INVALID');
        upload.bytes = Buffer.concat([upload.bytes, chunk]);
        if (request.method === 'PATCH')
          return this.#underWay(202, origin, session, name, upload.bytes.length);
        this.#open.delete(session);
        return this.#store(upload.bytes, name, request.query.get('digest') ?? '', origin);
      }
      default:
        return registryError('UNSUPPORTED');
    }
  }

  #underWay(status: number, origin: string, session: string, name: string, length: number): Answer {
    return registryEmpty(status, {
      location: locations[this.#addresses](origin, name, session),
      range: `0-${Math.max(length - 1, 0)}`,
      'docker-upload-uuid': session,
    });
  }

  #store(bytes: Buffer | undefined, name: string, digest: string, origin: string): Answer {
    if (bytes === undefined) return registryError('SIZE_INVALID');
    if (!hasDigest(bytes, digest)) return registryError('DIGEST_INVALID');
    return created(origin, name, this.#repository(name).putBlob(bytes, digest));
  }
}

function created(origin: string, name: string, digest: string): Answer {
  const location = `${origin}/v2/${name}/blobs/${digest}`;
  return registryEmpty(201, { location, 'docker-content-digest': digest });
}

/** Location is absolute, as distribution's is, or relative, as Google's: a proxy must make either its own. */
const locations: Record<UploadAddresses, (origin: string, name: string, session: string) => string> = {
  distribution: (origin, name, session) =>
    `${origin}/v2/${name}/blobs/uploads/${session}?_state=${session.slice(0, 8)}`,
  github: (origin, name, session) => `${origin}/v2/${name}/blobs/upload/${session}`,
  google: (_, name, session) =>
    `/artifacts-uploads/namespaces/demo/repositories/${name.replaceAll('/', '-')}/uploads/${session}?state=a%2Fb%3D`,
};

const ownPaths: Record<UploadAddresses, RegExp> = {
  distribution: /^$/,
  github: /^\/v2\/.+\/blobs\/upload\/([^/]+)$/,
  google: /^\/artifacts-uploads\/namespaces\/demo\/repositories\/[^/]+\/uploads\/([^/]+)$/,
};
