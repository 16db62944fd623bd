import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { Lab } from '../lab.ts';
import { freePort, listenOn } from '../port.ts';

/** What happens to the registry's answers: see `CorruptingRelay`. */
export type Fault = 'none' | 'manifests' | 'blobs' | 'silent blobs';

/** A request that came by. */
export interface Passed {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  /** Who carried it, or else who made it, as they say: both is tufgate, or a client went round it. */
  readonly from: string;
}

/**
 * An HTTP relay to a registry that keeps what it was asked, and can spoil what comes back. `manifests` and `blobs`: one bit of each such body is
 * another, the headers and the length stay. `silent blobs`: a request for a blob gets no answer at all.
 */
export class CorruptingRelay {
  readonly url: string;
  fault: Fault = 'none';
  /** The digests of manifests that the registry behind the relay has among its blobs, too. */
  readonly blobsToo = new Set<string>();
  /** The digests of blobs whose bytes are spoiled, whatever the fault. */
  readonly spoiled = new Set<string>();
  readonly passed: Passed[] = [];
  #noticeSilence: () => void = () => undefined;

  private constructor(url: string) {
    this.url = url;
  }

  /** Starts the relay before the registry on 127.0.0.1:`target`; it changes nothing until told to. */
  static async start(lab: Lab, target: number): Promise<CorruptingRelay> {
    const port = await freePort();
    const relay = new CorruptingRelay(`http://127.0.0.1:${port}`);
    const server = createServer((incoming, response) => relay.#carry(target, incoming, response));
    await listenOn(server, port);
    lab.defer(async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    });
    return relay;
  }

  /** Turns to `silent blobs` and resolves when the first request waits for a blob. */
  async silence(): Promise<void> {
    this.fault = 'silent blobs';
    await new Promise<void>((resolve) => {
      this.#noticeSilence = resolve;
    });
  }

  #carry(target: number, incoming: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '/', headers } = incoming;
    this.passed.push({
      method,
      url,
      authorization: headers.authorization,
      from: headers.via ?? headers['user-agent'] ?? '',
    });
    if (this.fault === 'silent blobs' && url.includes('/blobs/')) {
      this.#noticeSilence();
      return;
    }
    const isManifest = [...this.blobsToo].some((digest) => url.includes(`/blobs/${digest}`));
    const path = isManifest ? url.replace('/blobs/', '/manifests/') : url;
    const options = { host: '127.0.0.1', port: target, method, path, headers, agent: false };
    const outgoing = request(options, (upstream) => {
      this.#answer(upstream, url, response).catch((error: unknown) => {
        // The registry broke off in the middle: so does this answer.
        response.destroy(error instanceof Error ? error : undefined);
      });
    });
    outgoing.on('error', () => response.destroy());
    incoming.pipe(outgoing);
  }

  async #answer(upstream: IncomingMessage, path: string, response: ServerResponse): Promise<void> {
    const body = await buffer(upstream);
    const isChosen = [...this.spoiled].some((digest) => path.includes(`/blobs/${digest}`));
    const isFaulty = this.fault !== 'none' && path.includes(`/${this.fault}/`);
    const spoil = body.length > 0 && (isChosen || isFaulty);
    response.writeHead(upstream.statusCode ?? 502, upstream.headers);
    response.end(spoil ? corrupted(body) : body);
  }
}

/** Another bit in the last byte but one: in the JSON of a manifest or config, in the gzip trailer of a layer. */
function corrupted(body: Buffer): Buffer {
  const changed = Buffer.from(body);
  const at = Math.max(0, changed.length - 2);
  changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
  return changed;
}
