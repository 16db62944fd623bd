import assert from 'node:assert/strict';
import { SigningKey } from '../../src/demo/signing/key.ts';
import type { TrustFiles } from '../../src/demo/signing/trust-files.ts';
import { SigningRepository } from '../../src/demo/signing-repository.ts';
import type { SigningRepositoryOptions } from '../../src/demo/signing-repository.ts';
import type { Root } from '../../src/tuf/metadata.ts';
import { readRoot } from '../../src/tuf/metadata.ts';
import { SignatureVerifier } from '../../src/tuf/key/signature.ts';
import type { Floor } from '../../src/tuf/floor.ts';
import type { VerifiedRepository } from '../../src/tuf/verified-repository.ts';
import { TrustedMetadataSet } from '../../src/tuf/trusted-metadata-set.ts';

export const gun = 'reg.test/team/app';
export const releases = 'targets/releases';
export const start = Date.parse('2026-11-20T12:00:00Z');
export const day = 24 * 3600_000;
export const digestOf = (letter: string): string => `sha256:${letter.repeat(64)}`;
export const target = (letter: string) => ({ digest: digestOf(letter), length: 528 });

const verifier = new SignatureVerifier();

/** A repository that a publisher and a server sign, and a client that has seen nothing of it but the first root. */
export function publish(options: SigningRepositoryOptions = {}): {
  repository: SigningRepository;
  client: Client;
} {
  const repository = new SigningRepository(gun, { now: () => start, ...options });
  repository.publish();
  return { repository, client: new Client(repository.files) };
}

/** The same with `targets/releases` delegated and `v1` signed in it, and already seen by the client. */
export function publishReleases(options: SigningRepositoryOptions = {}) {
  const { repository, client } = publish(options);
  repository.addDelegation(releases);
  repository.sign('v1', target('1'), releases);
  repository.publish();
  client.update();
  return { repository, client };
}

/** A root key under a certificate with these dates. */
export function rootKey(
  privateKey: SigningKey['privateKey'],
  notBefore: number,
  notAfter: number,
  name = gun,
): SigningKey {
  return SigningKey.certified(privateKey, {
    commonNames: [name],
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
  });
}

/** What a client keeps from one update to the next, and the order in which it asks. */
export class Client {
  readonly files: TrustFiles;
  root: Root;
  floors: ReadonlyMap<string, Floor> = new Map();
  listedBefore: ReadonlySet<string> = new Set();

  constructor(files: TrustFiles) {
    this.files = files;
    this.root = readRoot(stored(files.version('root', 1)?.bytes, '1.root'));
  }

  /** One update at a time; a file that is not there by its hash is served as the current one of its role. */
  update(now = start, served: Readonly<Record<string, Uint8Array>> = {}): VerifiedRepository {
    const set = this.begin(now);
    for (let next = this.#next(set); next !== undefined; next = this.#next(set)) {
      set.updateRoot(next);
      this.root = set.root;
    }
    set.finishRoot();
    const by = (role: string, sha256: Buffer | undefined): Uint8Array => {
      const file = this.files.hash(sha256?.toString('hex') ?? '') ?? this.files.current(role);
      return stored(served[role] ?? file?.bytes, role);
    };
    set.updateTimestamp(by('timestamp', undefined));
    set.updateSnapshot(by('snapshot', set.snapshotFile.sha256));
    set.updateTargets(by('targets', set.targetsFile.sha256));
    for (const role of ['targets/releases', 'targets/ci']) {
      const file = set.listedFile(role);
      if (set.delegation(role) !== undefined && file !== undefined)
        set.updateDelegation(role, by(role, file.sha256));
    }
    const result = set.result();
    this.floors = new Map([...this.floors, ...result.floors()]);
    this.listedBefore = new Set(result.snapshot.file.meta.keys());
    return result;
  }

  begin(now = start): TrustedMetadataSet {
    const { root, floors, listedBefore } = this;
    return new TrustedMetadataSet(root, { gun, now: new Date(now), floors, listedBefore, verifier });
  }

  #next(set: TrustedMetadataSet): Uint8Array | undefined {
    return this.files.version('root', set.root.version + 1)?.bytes;
  }
}

function stored(bytes: Uint8Array | undefined, role: string): Uint8Array {
  assert.ok(bytes, `no ${role}`);
  return bytes;
}
