import { request } from 'node:http';
import type { Image } from './image.ts';
import { buildImage, putImage } from './image.ts';
import { NotaryServer } from './notary-server.ts';
import { RegistryServer } from './registry-server.ts';
import { SigningRepository } from './signing-repository.ts';

/** The registry's name in image references, and the first part of every GUN. */
export const demoRegistry = 'demo.example';

/** One story: what is pulled, and how it must end: the signed digest, or refused for this reason. */
export interface Story {
  readonly title: string;
  readonly image: string;
  readonly expected: { readonly digest: string } | { readonly reason: string };
  /** Changes the world, and may pull before the pull that counts. */
  readonly prepare: (pull: (image: string) => Promise<Pulled>) => Promise<void>;
}

/** What a pull through the proxy came to. */
export interface Pulled {
  readonly status: number;
  readonly digest: string | undefined;
  readonly reason: string | undefined;
  readonly message: string | undefined;
}

/** A registry that serves and a notary that signs, with the images of the stories in them. */
export class DemoWorld {
  readonly registry: RegistryServer;
  readonly notary: NotaryServer;
  readonly #signers = new Map<string, SigningRepository>();

  private constructor(registry: RegistryServer, notary: NotaryServer) {
    this.registry = registry;
    this.notary = notary;
  }

  static async start(): Promise<DemoWorld> {
    return new DemoWorld(await RegistryServer.start(), await NotaryServer.start());
  }

  /** The key ids of the root of each GUN, to be pinned. */
  rootPins(): ReadonlyMap<string, readonly string[]> {
    for (const name of ['hello', 'stale', 'old']) this.#signer(name);
    return new Map(
      [...this.#signers].map(([name, signer]) => [name, signer.keys('root').map(({ id }) => id)]),
    );
  }

  /** The stories, in their order; each goes on from the world that the one before left. */
  stories(): readonly Story[] {
    const good = buildImage('the image that its publisher signed');
    const evil = buildImage('what somebody else pushed under the same tag');
    return [
      {
        title: 'a signed tag is served',
        image: 'hello:1.0',
        expected: { digest: good.digest },
        prepare: async () => this.#push('hello', '1.0', good, 'signed'),
      },
      {
        title: 'a tag moved at the registry after signing: the signed digest is served',
        image: 'hello:1.0',
        expected: { digest: good.digest },
        prepare: async () => this.#push('hello', '1.0', evil, 'not signed'),
      },
      {
        title: 'a tag that nobody signed is refused',
        image: 'hello:2.0',
        expected: { reason: 'TAG_NOT_SIGNED' },
        prepare: async () => this.#push('hello', '2.0', evil, 'not signed'),
      },
      {
        title: 'expired trust data is refused',
        image: 'stale:1.0',
        expected: { reason: 'EXPIRED' },
        prepare: async () => {
          this.#push('stale', '1.0', good, 'signed');
          const signer = this.#signer('stale');
          signer.setExpires('timestamp', new Date(Date.now() - 60_000));
          signer.publish();
        },
      },
      {
        title: 'a notary that serves an older timestamp again is refused',
        image: 'old:1.0',
        expected: { reason: 'ROLLBACK' },
        prepare: async (pull) => {
          this.#push('old', '1.0', evil, 'signed');
          const { files } = this.#signer('old');
          const before = files.current('timestamp');
          this.#push('old', '1.0', good, 'signed');
          await pull('old:1.0');
          files.setCurrent('timestamp', before);
        },
      },
    ];
  }

  async close(): Promise<void> {
    await Promise.all([this.registry.close(), this.notary.close()]);
  }

  #push(name: string, tag: string, image: Image, signing: 'signed' | 'not signed'): void {
    putImage(this.registry.repository(name), image, tag);
    if (signing === 'not signed') return;
    const signer = this.#signer(name);
    signer.sign(tag, { digest: image.digest, length: image.length });
    signer.publish();
  }

  #signer(name: string): SigningRepository {
    const found = this.#signers.get(name);
    if (found !== undefined) return found;
    const signer = new SigningRepository(`${demoRegistry}/${name}`);
    this.#signers.set(name, signer);
    this.notary.serve(signer.gun, signer.files);
    return signer;
  }
}

/** Takes the proxy's origin and an image of the demo (`hello:1.0`); asks for its manifest as a client does. */
export async function pullManifest(origin: string, image: string): Promise<Pulled> {
  const [name, tag] = image.split(':');
  const { status, headers, body } = await get(`${origin}/v2/${name}/manifests/${tag}`);
  if (status === 200) {
    return {
      status,
      digest: String(headers['docker-content-digest']),
      reason: undefined,
      message: undefined,
    };
  }
  const { errors } = JSON.parse(body) as { errors: [{ message: string; detail?: { reason?: string } }] };
  return { status, digest: undefined, reason: errors[0].detail?.reason, message: errors[0].message };
}

/** Says whether a pull came to what the story tells. */
export function isAsTold({ expected }: Story, pulled: Pulled): boolean {
  return 'digest' in expected
    ? pulled.status === 200 && pulled.digest === expected.digest
    : pulled.status === 403 && pulled.reason === expected.reason;
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

function get(url: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers: { accept: '*/*' }, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          body: Buffer.concat(chunks).toString(),
        });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}
