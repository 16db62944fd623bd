import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config, Registry } from '../config/config.ts';
import type { TrustEndpoint } from '../oci/request-target.ts';
import type { RepositoryName } from '../oci/reference.ts';
import { gunOf, ruleFor } from '../policy/rule.ts';
import { DownloadError } from '../trust/download-error.ts';
import type { NotaryClient } from '../trust/notary-client.ts';
import { answerAsUpstream, answerError, retryAfterSeconds } from './answer.ts';
import type { ClientAuthorisation } from './auth/client-authorisation.ts';
import type { Asked, Routed, Router } from './route.ts';
import { PassThrough } from './upstream/pass-through.ts';
import type { RegistryDoor } from './upstream/registry-door.ts';

// The trust data of an image, where Docker Content Trust looks for it: at the host of the image's name
// (`/v2/<host>/<repository>/_trust/tuf/…`), and so here. The name is signed into the data, in the certificate of the
// root key, and cannot be translated: it is carried only where a rule's GUN is that very name.

type Target = Asked<TrustEndpoint>;

export interface TrustCarriageOptions {
  readonly config: Pick<Config, 'rules' | 'notaries' | 'limits'>;
  readonly doors: ReadonlyMap<string, RegistryDoor>;
  readonly notaries: ReadonlyMap<string, NotaryClient>;
  readonly router: Router;
  readonly authorisation: ClientAuthorisation;
  readonly hop: string;
}

/** Where a GUN's trust data is, and the repository it speaks for. */
interface Found {
  readonly route: Routed;
  readonly repository: RepositoryName;
  readonly notary: string;
}

export class TrustCarriage {
  readonly #options: TrustCarriageOptions;
  /** To those notaries that take trust data from anyone: our own account is not for publishing. */
  readonly #publishing: ReadonlyMap<string, PassThrough>;

  constructor(options: TrustCarriageOptions) {
    const { config, hop } = options;
    this.#options = options;
    const open = [...config.notaries.values()].filter(({ auth }) => auth === 'anonymous');
    this.#publishing = new Map(
      open.map(({ name, url, ca }) => {
        const { origin, pathname } = new URL(url);
        const carrier = { name, upstream: origin, auth: 'anonymous', ca } as const;
        const base = pathname.replace(/\/$/, '');
        return [name, new PassThrough(carrier, { limits: config.limits, hop, base })];
      }),
    );
  }

  /** Takes a request for trust data; carries it to the notary of the rule whose GUN it names, or answers 404. */
  async answer(request: IncomingMessage, response: ServerResponse, target: Target): Promise<void> {
    const found = this.#find(target, request.headers.host ?? '');
    if (found === undefined) return answerNoTrust(response, 'no rule has this name for its trust data');
    const { file } = target.endpoint;
    const isRead = file.endsWith('.json');
    const methods = isRead ? ['GET'] : publishingMethods(found.route.registry, file);
    const publishing = this.#publishing.get(found.notary);
    if (!methods.includes(request.method ?? '') || (!isRead && publishing === undefined)) {
      const message =
        methods.length > 0 && !isRead && publishing === undefined
          ? 'publishing is not carried to a notary that asks for an account: publish to it directly'
          : `pushes to ${found.route.registry.name} are not carried`;
      return answerError(response, 405, { code: 'UNSUPPORTED', message }, { Allow: methods.join(', ') });
    }
    if (!(await this.#admits(request, response, found, isRead))) return;
    if (isRead) return this.#read(response, found.notary, target.endpoint);
    await publishing?.carry(request, response, {
      endpoint: target.endpoint,
      authorization: undefined,
      publicPrefix: '',
      toClient: (repository) => repository,
    });
  }

  close(): void {
    for (const carriage of this.#publishing.values()) carriage.close();
  }

  #find(target: Target, host: string): Found | undefined {
    const { router, config } = this.#options;
    for (const route of router.routesOfTrust(target, host)) {
      const { registry, endpoint } = route;
      if (!('repository' in endpoint)) continue;
      const rule = ruleFor(config.rules, registry.name, endpoint.repository);
      if (rule === undefined || !('trust' in rule)) continue;
      if (gunOf(rule.trust, registry.name, endpoint.repository) !== target.endpoint.gun) continue;
      return { route, repository: endpoint.repository, notary: rule.trust.notary };
    }
    return undefined;
  }

  /** Trust data names tags: it is for those whom the registry lets in. Answers the others. */
  async #admits(
    request: IncomingMessage,
    response: ServerResponse,
    { route, repository }: Found,
    isRead: boolean,
  ): Promise<boolean> {
    const { authorisation, doors } = this.#options;
    const caller = await authorisation.callerOf(request, response, route);
    if (caller === undefined) return false;
    const door = doors.get(route.registry.name);
    if (door === undefined) throw new TypeError(`no door to ${route.registry.name}`);
    const admission = await door.admitsToTags(repository, caller);
    switch (admission.kind) {
      case 'admitted':
        return true;
      case 'hidden':
        // Some registries say "not found" of what a client may not see. What is published names nothing to whoever does.
        if (isRead) answerNoTrust(response, 'the registry has no such repository');
        return !isRead;
      case 'refused':
        answerAsUpstream(response, admission, { challenge: authorisation.challengeFor(request, route) });
        return false;
      case 'unavailable':
        this.#unavailable(response, admission.cause);
        return false;
    }
  }

  /** With our own account where the notary asks for one, whole and bounded, as for ourselves; nothing is verified. */
  async #read(response: ServerResponse, notary: string, { gun, file }: TrustEndpoint): Promise<void> {
    const { notaries, config } = this.#options;
    // No file of trust data is allowed more than this, whatever its role.
    const most = config.limits.targetsBytes;
    const bytes = await notaries.get(notary)?.unverified(gun, file.replace(/\.json$/, ''), most);
    if (bytes === undefined) throw new TypeError(`no client of ${notary}`);
    if (!(bytes instanceof DownloadError)) {
      const headers = { 'Content-Type': 'application/json', 'Content-Length': bytes.length };
      response.writeHead(200, headers).end(bytes);
    } else if (bytes.failure === 'missing') {
      answerNoTrust(response, `the notary has no ${file} of ${gun}`);
    } else {
      this.#unavailable(response, bytes);
    }
  }

  #unavailable(response: ServerResponse, { message }: DownloadError): void {
    const headers = { 'Retry-After': retryAfterSeconds(this.#options.config.limits.retryAfter) };
    answerError(response, 503, { code: 'UNAVAILABLE', message }, headers);
  }
}

/** What changes trust data, and what a publisher asks for before (notary-server's HTTP API): the keys that it keeps. */
function publishingMethods({ push }: Registry, file: string): readonly string[] {
  if (push === 'deny') return [];
  return file === '' ? ['POST', 'DELETE'] : ['GET', 'POST'];
}

/** As a notary answers for a name that it does not know; to docker it means "not signed". */
function answerNoTrust(response: ServerResponse, message: string): void {
  answerError(response, 404, { code: 'METADATA_NOT_FOUND', message });
}
