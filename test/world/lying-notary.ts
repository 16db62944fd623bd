import { NotaryServer, parseTrustPath } from '../../src/demo/notary-server.ts';
import type { NotaryServerOptions, TrustPath } from '../../src/demo/notary-server.ts';
import type { RequestRecord } from '../../src/demo/local-server.ts';
import { SigningRepository } from '../../src/demo/signing-repository.ts';
import type { SigningRepositoryOptions } from '../../src/demo/signing-repository.ts';
import { SigningKey, generatePrivateKey } from '../../src/demo/signing/key.ts';
import type { Target } from '../../src/demo/signing/role.ts';
import type { TrustFile, TrustFiles } from '../../src/demo/signing/trust-files.ts';
import type { Fault, Intercept } from './fault.ts';
import { Faults } from './fault.ts';

export interface LyingNotaryOptions extends Omit<NotaryServerOptions, 'through'> {
  /** Put before the names given to the methods: `reg.test/`. Default none. */
  readonly gunPrefix?: string;
  readonly now?: () => number;
}

/** A notary that really signs, and lies on request. Every GUN's root key is the same, under its own certificate. */
export class LyingNotary {
  readonly server: NotaryServer;
  readonly #faults: Faults;
  readonly #prefix: string;
  readonly #now: () => number;
  readonly #repositories = new Map<string, SigningRepository>();
  readonly #rootKey = generatePrivateKey('p256');

  private constructor(server: NotaryServer, faults: Faults, options: LyingNotaryOptions) {
    this.server = server;
    this.#faults = faults;
    this.#prefix = options.gunPrefix ?? '';
    this.#now = options.now ?? Date.now;
  }

  static async start(options: LyingNotaryOptions = {}): Promise<LyingNotary> {
    const faults = new Faults();
    return new LyingNotary(
      await NotaryServer.start({ ...options, through: faults.through }),
      faults,
      options,
    );
  }

  get url(): string {
    return this.server.url;
  }

  get requests(): readonly RequestRecord[] {
    return this.server.requests;
  }

  /** SHA-256 of the SPKI of the root key: a pin that fits every GUN made here. */
  get rootPin(): string {
    return SigningKey.plain(this.#rootKey).spkiSha256;
  }

  /** Takes a name; gives its trust data, begun on first use. What is published is served at once. */
  repository(name: string, options: SigningRepositoryOptions = {}): SigningRepository {
    const gun = this.#prefix + name;
    const found = this.#repositories.get(gun);
    if (found !== undefined) return found;
    const root = { keys: [SigningKey.forRoot(gun, this.#now(), this.#rootKey)] };
    const made = new SigningRepository(gun, { now: this.#now, ...options, keys: { root, ...options.keys } });
    this.#repositories.set(gun, made);
    this.server.serve(gun, made.files);
    return made;
  }

  /** Signs a tag and publishes it. */
  sign(name: string, tag: string, target: Target, role = 'targets'): void {
    const repository = this.repository(name);
    repository.sign(tag, target, role);
    repository.publish();
  }

  intercept(intercept: Intercept): () => void {
    return this.#faults.intercept(intercept);
  }

  /** One fault for all files of a role, under whatever name they are asked for; or only for those that `which` picks.
   * Gives back the way to take it off again. */
  fault(
    name: string,
    role: string,
    fault: Fault,
    which: (path: TrustPath) => boolean = () => true,
  ): () => void {
    const base = new URL(this.url).pathname.replace(/\/$/, '');
    return this.intercept(({ path }) => {
      const file = parseTrustPath(path.slice(base.length));
      return file?.gun === this.#prefix + name && file.role === role && which(file) ? fault : undefined;
    });
  }

  /** Takes every fault off. */
  behave(): void {
    this.#faults.clear();
  }

  /** Every file of every GUN as it is served now. */
  save(): ReadonlyMap<string, TrustFiles> {
    return new Map([...this.#repositories].map(([gun, { files }]) => [gun, files.copy()]));
  }

  /** Serves again what was saved; the signers do not know, and go on from where they are. */
  restore(saved: ReadonlyMap<string, TrustFiles>): void {
    for (const [gun, { files }] of this.#repositories) {
      const old = saved.get(gun);
      if (old === undefined) files.clear();
      else files.restore(old);
    }
  }

  /** The current timestamp of every GUN. */
  saveTimestamp(): ReadonlyMap<string, TrustFile | undefined> {
    return new Map([...this.#repositories].map(([gun, { files }]) => [gun, files.current('timestamp')]));
  }

  restoreTimestamp(saved: ReadonlyMap<string, TrustFile | undefined>): void {
    for (const [gun, file] of saved) this.#repositories.get(gun)?.files.setCurrent('timestamp', file);
  }

  close(): Promise<void> {
    return this.server.close();
  }
}
