import type { AccessOptions, Action } from './access.ts';
import { Access } from './access.ts';
import type { Answer, LocalRequest, LocalServerOptions, RequestRecord } from './local-server.ts';
import { LocalServer } from './local-server.ts';
import { registryEmpty, registryError, registryHeaders, registryJson } from './registry/answer.ts';
import { StoredRepository, digestOf, hasDigest, subjectOf } from './registry/content.ts';
import type { UploadAddresses } from './registry/uploads.ts';
import { Uploads } from './registry/uploads.ts';

export interface RegistryServerOptions extends LocalServerOptions {
  readonly access?: AccessOptions;
  /** Default: the specification's own. */
  readonly uploads?: UploadAddresses;
}

const longestManifest = 4 * 1024 * 1024;
interface Route {
  readonly name: string;
  readonly kind: 'manifests' | 'referrers' | 'blobs' | 'uploads' | 'tags';
  readonly last: string;
}

/** A small OCI registry in memory (distribution-spec 1.1), with push. Answers do not depend on Accept. */
export class RegistryServer {
  readonly access: Access | undefined;
  readonly #repositories = new Map<string, StoredRepository>();
  readonly #uploads: Uploads;
  #server: LocalServer | undefined;

  private constructor({ access, uploads = 'distribution' }: RegistryServerOptions) {
    this.access = access && new Access(access);
    this.#uploads = new Uploads((name) => this.repository(name), uploads);
  }

  static async start(options: RegistryServerOptions = {}): Promise<RegistryServer> {
    const registry = new RegistryServer(options);
    registry.#server = await LocalServer.start((request) => registry.#answer(request), options);
    return registry;
  }

  /** Takes a name; gives the repository, made on first use. */
  repository(name: string): StoredRepository {
    const found = this.#repositories.get(name) ?? new StoredRepository();
    this.#repositories.set(name, found);
    return found;
  }

  /** The origin: scheme, host and port. */
  get url(): string {
    return this.#running.origin;
  }

  get requests(): readonly RequestRecord[] {
    return this.#running.requests;
  }

  close(): Promise<void> {
    return this.#running.close();
  }

  get #running(): LocalServer {
    if (this.#server === undefined) throw new TypeError('the registry has not started');
    return this.#server;
  }

  #answer(request: LocalRequest): Answer | Promise<Answer> {
    const { access } = this;
    if (access !== undefined && request.path === '/token') return access.issue(request);
    const found = parseRoute(request.path) ?? this.#ownUpload(request.path);
    const needed = found && { repository: found.name, action: actionOf(request.method) };
    const refused = access?.refuse(request, `${this.url}/token`, needed);
    if (refused !== undefined) return { ...refused, headers: { ...registryHeaders, ...refused.headers } };
    if (request.path === '/v2/' || request.path === '/v2') return registryJson(200, {});
    if (found === undefined) return { status: 404, body: Buffer.from('404 page not found\n') };
    return this.#dispatch(request, found);
  }

  #ownUpload(path: string): Route | undefined {
    const found = this.#uploads.at(path);
    return found && { name: found.name, kind: 'uploads', last: found.session };
  }

  #dispatch(request: LocalRequest, { name, kind, last }: Route): Answer | Promise<Answer> {
    switch (kind) {
      case 'manifests':
        return this.#manifest(request, name, last);
      case 'blobs':
        return this.#blob(request, name, last);
      case 'uploads':
        if (last !== '') return this.#uploads.continue(request, name, last, this.url);
        return request.method === 'POST'
          ? this.#uploads.open(request, name, this.url)
          : registryError('UNSUPPORTED');
      case 'tags':
        return this.#tags(request, name);
      case 'referrers':
        return this.#referrers(request, name, last);
    }
  }

  #manifest(request: LocalRequest, name: string, reference: string): Answer | Promise<Answer> {
    if (request.method === 'PUT') return this.#putManifest(request, name, reference);
    const repository = this.#repositories.get(name);
    if (request.method === 'DELETE')
      return repository?.removeManifest(reference) ? registryEmpty(202) : registryError('MANIFEST_UNKNOWN');
    if (!isRead(request)) return registryError('UNSUPPORTED');
    const manifest = repository?.find(reference);
    if (manifest === undefined) return registryError('MANIFEST_UNKNOWN');
    const { bytes, mediaType, digest } = manifest;
    const headers = { 'content-type': mediaType, 'docker-content-digest': digest, etag: `"${digest}"` };
    return { status: 200, headers: { ...registryHeaders, ...headers }, body: bytes };
  }

  async #putManifest(request: LocalRequest, name: string, reference: string): Promise<Answer> {
    const bytes = await request.body(longestManifest);
    if (bytes === undefined) return registryError('SIZE_INVALID');
    const mediaType = request.headers['content-type'];
    if (mediaType === undefined) return registryError('MANIFEST_INVALID');
    const isDigest = reference.includes(':');
    if (isDigest && !hasDigest(bytes, reference)) return registryError('DIGEST_INVALID');
    const digest = isDigest ? reference : digestOf(bytes);
    this.repository(name).putManifest(bytes, mediaType, isDigest ? undefined : reference, digest);
    const subject = subjectOf(bytes);
    return registryEmpty(201, {
      location: `${this.url}/v2/${name}/manifests/${digest}`,
      'docker-content-digest': digest,
      ...(subject !== undefined && { 'oci-subject': subject }),
    });
  }

  #blob(request: LocalRequest, name: string, digest: string): Answer {
    const blobs = this.#repositories.get(name)?.blobs;
    if (request.method === 'DELETE')
      return blobs?.delete(digest) ? registryEmpty(202) : registryError('BLOB_UNKNOWN');
    if (!isRead(request)) return registryError('UNSUPPORTED');
    const bytes = blobs?.get(digest);
    return bytes === undefined ? registryError('BLOB_UNKNOWN') : sendBlob(request, digest, bytes);
  }

  #tags(request: LocalRequest, name: string): Answer {
    const repository = this.#repositories.get(name);
    if (!isRead(request)) return registryError('UNSUPPORTED');
    if (repository === undefined) return registryError('NAME_UNKNOWN');
    const last = request.query.get('last') ?? '';
    const all = [...repository.tags.keys()].toSorted().filter((tag) => tag > last);
    const limit = request.query.has('n') ? Number(request.query.get('n')) : all.length;
    const tags = all.slice(0, limit);
    const more = tags.length < all.length && tags.length > 0;
    const next = `</v2/${name}/tags/list?last=${tags.at(-1)}&n=${limit}>; rel="next"`;
    return registryJson(200, { name, tags }, more ? { link: next } : {});
  }

  #referrers(request: LocalRequest, name: string, digest: string): Answer {
    if (!isRead(request)) return registryError('UNSUPPORTED');
    const artifactType = request.query.get('artifactType');
    const manifests = this.#repositories.get(name)?.referrers(digest, artifactType) ?? [];
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const filtered = artifactType === null ? {} : { 'oci-filters-applied': 'artifactType' };
    return registryJson(
      200,
      { schemaVersion: 2, mediaType, manifests },
      { 'content-type': mediaType, ...filtered },
    );
  }
}

/** Reads more loosely than a proxy may: what should never have been forwarded shall show in the log, not vanish. */
function parseRoute(path: string): Route | undefined {
  const segments = decodePath(path).split('/');
  const [last = '', before = '', third = ''] = segments.toReversed();
  const name = (tail: number): string => segments.slice(2, -tail).join('/');
  if (segments[1] !== 'v2' || segments.length < 5) return undefined;
  if (third === 'blobs' && before === 'uploads') return { name: name(3), kind: 'uploads', last };
  if (before === 'blobs' && last === 'uploads') return { name: name(2), kind: 'uploads', last: '' };
  if (before === 'tags' && last === 'list') return { name: name(2), kind: 'tags', last };
  if (before === 'manifests' || before === 'referrers' || before === 'blobs')
    return { name: name(2), kind: before, last };
  return undefined;
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return ''; // A broken escape leads nowhere.
  }
}

function isRead(request: LocalRequest): boolean {
  return request.method === 'GET' || request.method === 'HEAD';
}

function actionOf(method: string): Action {
  if (method === 'DELETE') return 'delete';
  return method === 'GET' || method === 'HEAD' ? 'pull' : 'push';
}

/** One range of RFC 9110 §14.1.2 (`500-1499`, `500-`, `-500`); several, or another unit, are ignored as it allows. */
function sendBlob(request: LocalRequest, digest: string, bytes: Buffer): Answer {
  const headers = {
    ...registryHeaders,
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
    'accept-ranges': 'bytes',
    etag: `"${digest}"`,
  };
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  if (from === '' && to === '') return { status: 200, headers, body: bytes };
  const first = from === '' ? Math.max(bytes.length - Number(to), 0) : Number(from);
  const last = from === '' || to === '' ? bytes.length - 1 : Math.min(Number(to), bytes.length - 1);
  if (first > last)
    return { status: 416, headers: { ...headers, 'content-range': `bytes */${bytes.length}` } };
  const range = `bytes ${first}-${last}/${bytes.length}`;
  return {
    status: 206,
    headers: { ...headers, 'content-range': range },
    body: bytes.subarray(first, last + 1),
  };
}
