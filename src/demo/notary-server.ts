import type { AccessOptions } from './access.ts';
import { Access } from './access.ts';
import type { Answer, LocalRequest, LocalServerOptions, RequestRecord } from './local-server.ts';
import { LocalServer } from './local-server.ts';
import type { TrustFile, TrustFiles } from './signing/trust-files.ts';

// The reading half of Notary v1's HTTP API, answer for answer as notary-server 0.7.0 gives it: also its oddities, such
// as 404 for HEAD, a Last-Modified in "UTC", and `01.root.json` for `1.root.json`.

export interface NotaryServerOptions extends LocalServerOptions {
  /** Put before every route: `/notary`. */
  readonly basePath?: string;
  readonly access?: AccessOptions;
}

/** Which file of which GUN a path names. */
export interface TrustPath {
  readonly gun: string;
  readonly role: string;
  readonly version?: number;
  /** Hex, as long as the path has it; only SHA-256 is ever found. */
  readonly hash?: string;
}

const roleName = String.raw`root|targets(?:/[^/\s]+)*|snapshot|timestamp`;
const byHash = new RegExp(String.raw`^(${roleName})\.([0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})$`);
const byVersion = new RegExp(String.raw`^([0-9]{1,15})\.(${roleName})$`);
const current = new RegExp(String.raw`^(${roleName})$`);
/** Go's HTTP server sends what is longer than this in chunks. */
const longestUnchunked = 2048;

/** Takes a path below the base; gives the file it names, or undefined for another route. */
export function parseTrustPath(path: string): TrustPath | undefined {
  const text = path.replaceAll(/%2f/gi, '/');
  const mark = text.indexOf('/_trust/tuf/');
  if (!text.startsWith('/v2/') || mark < 5 || !text.endsWith('.json')) return undefined;
  const gun = text.slice(4, mark);
  const name = text.slice(mark + '/_trust/tuf/'.length, -'.json'.length);
  const [, hashedRole, hash] = byHash.exec(name) ?? [];
  if (hashedRole !== undefined && hash !== undefined) return { gun, role: hashedRole, hash };
  const [, version, versionedRole] = byVersion.exec(name) ?? [];
  if (version !== undefined && versionedRole !== undefined)
    return { gun, role: versionedRole, version: Number(version) };
  const [, role] = current.exec(name) ?? [];
  return role === undefined ? undefined : { gun, role };
}

/** A Notary v1 server that serves what was published elsewhere in the process. */
export class NotaryServer {
  readonly access: Access | undefined;
  readonly #server: LocalServer;
  readonly #basePath: string;
  readonly #repositories: Map<string, TrustFiles>;

  private constructor(
    server: LocalServer,
    basePath: string,
    repositories: Map<string, TrustFiles>,
    access: Access | undefined,
  ) {
    this.#server = server;
    this.#basePath = basePath;
    this.#repositories = repositories;
    this.access = access;
  }

  static async start(options: NotaryServerOptions = {}): Promise<NotaryServer> {
    const { basePath = '' } = options;
    const repositories = new Map<string, TrustFiles>();
    const access = options.access && new Access(options.access);
    const server: LocalServer = await LocalServer.start((request) => {
      if (access !== undefined && request.path === '/token') return access.issue(request);
      if (!request.path.startsWith(`${basePath}/`)) return notFound(false);
      const path = request.path.slice(basePath.length);
      return (
        refusal(request, path, access, `${server.origin}/token`) ?? serveFile(request, path, repositories)
      );
    }, options);
    return new NotaryServer(server, basePath, repositories, access);
  }

  /** Serves these files, as they are at each request, as the trust data of a GUN. */
  serve(gun: string, files: TrustFiles): void {
    this.#repositories.set(gun, files);
  }

  /** As `DELETE …/_trust/tuf/`: from now on the GUN has no trust data. */
  remove(gun: string): void {
    this.#repositories.delete(gun);
  }

  /** The address for a client: origin and base path, without a slash at the end. */
  get url(): string {
    return this.#server.origin + this.#basePath;
  }

  get requests(): readonly RequestRecord[] {
    return this.#server.requests;
  }

  close(): Promise<void> {
    return this.#server.close();
  }
}

function refusal(
  request: LocalRequest,
  path: string,
  access: Access | undefined,
  realm: string,
): Answer | undefined {
  if (access === undefined) return undefined;
  if (path === '/v2/') return access.refuse(request, realm, undefined, 'registry:catalog:*');
  const gun = parseTrustPath(path)?.gun;
  // What is no route answers 404 before anybody is asked who they are.
  return gun === undefined ? undefined : access.refuse(request, realm, { repository: gun, action: 'pull' });
}

function serveFile(
  request: LocalRequest,
  path: string,
  repositories: ReadonlyMap<string, TrustFiles>,
): Answer {
  if (request.method !== 'GET') return notFound(false);
  if (path === '/v2/') return plainText(Buffer.from('{}'), {});
  const name = parseTrustPath(path);
  if (name === undefined) return notFound(false);
  const files = repositories.get(name.gun);
  const file = files && lookUp(files, name);
  if (file === undefined) return notFound(true);
  const isCurrent = name.version === undefined && name.hash === undefined;
  return plainText(file.bytes, {
    'cache-control': isCurrent
      ? 'public, max-age=300, s-maxage=300, must-revalidate'
      : 'public, max-age=2592000, s-maxage=2592000',
    'last-modified': new Date(file.written).toUTCString().replace(/GMT$/, 'UTC'),
  });
}

function lookUp(files: TrustFiles, { role, version, hash }: TrustPath): TrustFile | undefined {
  if (hash !== undefined) return files.hash(hash);
  return version === undefined ? files.current(role) : files.version(role, version);
}

function plainText(body: Buffer, headers: Record<string, string>): Answer {
  const chunked = body.length > longestUnchunked;
  return { status: 200, headers: { ...headers, 'content-type': 'text/plain; charset=utf-8' }, body, chunked };
}

/** A route without a file has an empty detail, no route has none: so the real server can be told apart from others. */
function notFound(isRoute: boolean): Answer {
  const message = 'You have requested metadata that does not exist.';
  const error = { code: 'METADATA_NOT_FOUND', message, ...(isRoute && { detail: {} }) };
  return {
    status: 404,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: Buffer.from(JSON.stringify({ errors: [error] })),
  };
}
