import type { Image, Index } from '../../src/demo/image.ts';
import { putImage } from '../../src/demo/image.ts';
import type { RequestRecord } from '../../src/demo/local-server.ts';
import { RegistryServer } from '../../src/demo/registry-server.ts';
import type { RegistryServerOptions } from '../../src/demo/registry-server.ts';
import type { StoredRepository } from '../../src/demo/registry/content.ts';
import type { Fault, Intercept } from './fault.ts';
import { Faults } from './fault.ts';

/** A registry that really serves, and lies on request. */
export class LyingRegistry {
  readonly server: RegistryServer;
  readonly #faults: Faults;

  private constructor(server: RegistryServer, faults: Faults) {
    this.server = server;
    this.#faults = faults;
  }

  static async start(options: Omit<RegistryServerOptions, 'through'> = {}): Promise<LyingRegistry> {
    const faults = new Faults();
    return new LyingRegistry(await RegistryServer.start({ ...options, through: faults.through }), faults);
  }

  get url(): string {
    return this.server.url;
  }

  get requests(): readonly RequestRecord[] {
    return this.server.requests;
  }

  repository(name: string): StoredRepository {
    return this.server.repository(name);
  }

  /** Stores an image, or moves a tag to it, behind everybody's back. Gives it back, fit to be signed. */
  put<Kind extends Image | Index>(name: string, image: Kind, tag?: string): Kind {
    return putImage(this.repository(name), image, tag);
  }

  intercept(intercept: Intercept): () => void {
    return this.#faults.intercept(intercept);
  }

  /** A fault for one path below `/v2/<name>/`: `manifests/1.0`, `blobs/sha256:…`. Gives back the way to take it off. */
  fault(name: string, path: string, fault: Fault): () => void {
    return this.intercept((request) => (request.path === `/v2/${name}/${path}` ? fault : undefined));
  }

  /** Takes every fault off. */
  behave(): void {
    this.#faults.clear();
  }

  close(): Promise<void> {
    return this.server.close();
  }
}
