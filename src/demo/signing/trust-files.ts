import { createHash } from 'node:crypto';

export interface TrustFile {
  readonly bytes: Buffer;
  /** Milliseconds since the epoch. */
  readonly written: number;
}

/** Everything a notary holds of one GUN: the current file of each role, every past version, every file by its hash. */
export class TrustFiles {
  #current = new Map<string, TrustFile>();
  #versions = new Map<string, TrustFile>();
  #hashes = new Map<string, TrustFile>();

  put(role: string, version: number, file: TrustFile): void {
    this.#current.set(role, file);
    this.#versions.set(`${version}.${role}`, file);
    this.#hashes.set(createHash('sha256').update(file.bytes).digest('hex'), file);
  }

  current(role: string): TrustFile | undefined {
    return this.#current.get(role);
  }

  version(role: string, version: number): TrustFile | undefined {
    return this.#versions.get(`${version}.${role}`);
  }

  /** Whatever has this SHA-256 (hex), of any role: so does Notary's own store in memory. */
  hash(sha256: string): TrustFile | undefined {
    return this.#hashes.get(sha256);
  }

  /** Makes an older or altered file the current one of its role; past versions stay. */
  setCurrent(role: string, file: TrustFile | undefined): void {
    if (file === undefined) this.#current.delete(role);
    else this.#current.set(role, file);
  }

  /** Forgets a past version, as a notary restored from a backup has. */
  dropVersion(role: string, version: number): void {
    this.#versions.delete(`${version}.${role}`);
  }

  clear(): void {
    this.restore(new TrustFiles());
  }

  copy(): TrustFiles {
    const copy = new TrustFiles();
    copy.restore(this);
    return copy;
  }

  /** Holds from now on what `saved` holds, and nothing else. */
  restore(saved: TrustFiles): void {
    this.#current = new Map(saved.#current);
    this.#versions = new Map(saved.#versions);
    this.#hashes = new Map(saved.#hashes);
  }
}
