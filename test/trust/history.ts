import assert from 'node:assert/strict';
import { generatePrivateKey, SigningKey } from '../../src/demo/signing/key.ts';
import type { Target } from '../../src/demo/signing/role.ts';
import type { JsonObject } from '../../src/demo/signing/signed-file.ts';
import {
  canonicalJson,
  describeFile,
  objectAt,
  printSignedFile,
  printTime,
  readSigned,
} from '../../src/demo/signing/signed-file.ts';
import type { TrustFiles } from '../../src/demo/signing/trust-files.ts';
import { SigningRepository } from '../../src/demo/signing-repository.ts';
import { DownloadError } from '../../src/trust/download-error.ts';
import type { StoredRecord, TrustRecord, TrustStore } from '../../src/trust/trust-store.ts';
import type { FetchLimit, MetadataSource } from '../../src/trust/updater.ts';
import { update } from '../../src/trust/updater.ts';
import { RepositoryError } from '../../src/tuf/error.ts';
import { SignatureVerifier } from '../../src/tuf/key/signature.ts';
import { allTargets } from '../../src/tuf/target.ts';
import type { VerifiedRepository } from '../../src/tuf/verified-repository.ts';

export const roles = ['root', 'timestamp', 'snapshot', 'targets', 'targets/releases'] as const;
export type RoleName = (typeof roles)[number];

/** What may happen between two refreshes. */
export type Event =
  | {
      readonly kind: 'publish';
      readonly tag: string;
      readonly digit: number;
      readonly role: 'targets' | 'targets/releases';
    }
  | { readonly kind: 'remove'; readonly tag: string }
  | { readonly kind: 'rotate'; readonly role: RoleName }
  | { readonly kind: 'wait'; readonly days: number }
  | { readonly kind: 'rollback'; readonly age: number; readonly role: RoleName | 'all' }
  | { readonly kind: 'omit'; readonly role: RoleName }
  | { readonly kind: 'flip'; readonly role: RoleName; readonly at: number }
  | { readonly kind: 'forge'; readonly role: RoleName; readonly lost: boolean };

const gun = 'reg.test/app';
const day = 24 * 3600_000;
const limits = {
  rootBytes: 2 ** 20,
  timestampBytes: 2 ** 16,
  snapshotBytes: 2 ** 20,
  targetsBytes: 2 ** 20,
  rootRotations: 256,
};
const elliptic = Array.from({ length: 6 }, () => generatePrivateKey('p256'));
const edwards = Array.from({ length: 6 }, () => generatePrivateKey('ed25519'));
const stranger = SigningKey.plain(generatePrivateKey('ed25519'));
const evil = `sha256:${'e'.repeat(64)}`;

/** A publisher, an attacker on the wire who may hold the online keys, and a client that refreshes after each event. */
export class History {
  readonly #repository: SigningRepository;
  readonly #store: TrustStore;
  readonly #notary: string;
  readonly #verifier = new SignatureVerifier();
  /** Every tag with every digest that was ever signed for it. */
  readonly #honest = new Set<string>();
  readonly #past: TrustFiles[] = [];
  readonly #pin: string;
  #served: TrustFiles;
  #time = Date.parse('2026-11-20T12:00:00Z');
  #keys = 0;
  /** Whether what is served is the last that was published, all of it, and not yet expired. */
  #isHonest = true;
  /** How refreshes ended, to see that all ends occur. */
  readonly ends: string[] = [];

  constructor(store: TrustStore, notary: string) {
    this.#store = store;
    this.#notary = notary;
    const root = SigningKey.forRoot(gun, this.#time, elliptic[5]);
    this.#repository = new SigningRepository(gun, {
      now: () => this.#time,
      keys: { root: { keys: [root] } },
    });
    this.#pin = root.id;
    this.#repository.addDelegation('targets/releases');
    this.#served = this.#sign('v1', 1, 'targets/releases');
  }

  /** One event, one refresh, and what must hold after it. */
  async live(event: Event): Promise<void> {
    this.#happen(event);
    await this.#refresh();
  }

  /** The publisher signs everything anew, and that is served. */
  async heal(): Promise<void> {
    this.#repository.touch();
    this.#publish();
    await this.#refresh();
    assert.equal(this.ends.at(-1), 'verified');
  }

  #happen(event: Event): void {
    switch (event.kind) {
      case 'publish':
        this.#sign(event.tag, event.digit, event.role);
        return;
      case 'remove':
        this.#repository.remove(event.tag, 'targets/releases');
        this.#publish();
        return;
      case 'rotate':
        this.#repository.rotate(event.role, { keys: [this.#newKey(event.role)] });
        this.#publish();
        return;
      case 'wait':
        this.#time += event.days * day;
        this.#isHonest = false;
        return;
      case 'rollback':
        this.#lie((files) => {
          const old = this.#past.at(-1 - event.age) ?? files.copy();
          if (event.role === 'all') files.restore(old);
          else files.setCurrent(event.role, old.current(event.role));
        });
        return;
      case 'omit':
        this.#lie((files) => files.setCurrent(event.role, undefined));
        return;
      case 'flip':
        this.#lie((files) => {
          const bytes = Buffer.from(files.current(event.role)?.bytes ?? '{}');
          bytes[event.at % bytes.length] = (bytes[event.at % bytes.length] ?? 0) ^ 1;
          files.setCurrent(event.role, { bytes, written: 0 });
        });
        return;
      case 'forge':
        this.#lie((files) => this.#forge(files, event.role, event.lost));
    }
  }

  #sign(tag: string, digit: number, role: string): TrustFiles {
    const target: Target = { digest: `sha256:${`${digit}`.repeat(64)}`, length: 500 };
    this.#repository.sign(tag, target, role);
    this.#honest.add(`${tag} ${target.digest}`);
    return this.#publish();
  }

  #publish(): TrustFiles {
    this.#served = this.#repository.publish().copy();
    this.#past.push(this.#served.copy());
    this.#isHonest = true;
    return this.#served;
  }

  #newKey(role: RoleName): SigningKey {
    this.#keys += 1;
    const [curve, edward] = [elliptic[this.#keys % 5], edwards[this.#keys % 6]];
    assert.ok(curve && edward);
    if (role === 'root') return SigningKey.forRoot(gun, this.#time, curve);
    return SigningKey.plain(role === 'timestamp' || role === 'snapshot' ? edward : curve);
  }

  #lie(change: (files: TrustFiles) => void): void {
    this.#served = this.#served.copy();
    this.#isHonest = false;
    change(this.#served);
  }

  /**
   * A file with one more evil tag and the next version, by a stranger, and above it the files that lead to it: by the
   * keys of the server, if those are lost.
   */
  #forge(files: TrustFiles, role: RoleName, lost: boolean): void {
    const put = (
      name: string,
      change: (signed: JsonObject) => void,
      keys: readonly SigningKey[],
    ): JsonObject => {
      const signed = readSigned(
        files.current(name)?.bytes ?? this.#repository.files.current(name)?.bytes ?? Buffer.alloc(0),
      );
      const version = Number(signed['version']) + 1;
      Object.assign(signed, { version, expires: printTime(this.#time + 1000 * day) });
      change(signed);
      const text = canonicalJson(signed);
      const bytes = printSignedFile(
        text,
        keys.map((key) => ({
          ...key.sign(Buffer.from(text)),
          keyid: key === stranger ? (this.#repository.keys(name)[0]?.id ?? key.id) : key.id,
        })),
      );
      files.put(name, version, { bytes, written: 0 });
      return describeFile(bytes);
    };
    const entry = put(
      role,
      (signed) => {
        if (role.startsWith('targets'))
          objectAt(signed, 'targets')['v1'] = {
            hashes: { sha256: Buffer.from(evil.slice(7), 'hex').toString('base64') },
            length: 500,
          };
        if (role === 'root') objectAt(signed, 'keys')[stranger.id] = stranger.shown;
      },
      [stranger],
    );
    const online = (name: string): readonly SigningKey[] => (lost ? this.#repository.keys(name) : [stranger]);
    if (role === 'timestamp') return;
    const snapshot =
      role === 'snapshot'
        ? entry
        : put('snapshot', (signed) => void (objectAt(signed, 'meta')[role] = entry), online('snapshot'));
    put('timestamp', (signed) => void (objectAt(signed, 'meta')['snapshot'] = snapshot), online('timestamp'));
  }

  async #refresh(): Promise<void> {
    const before = await this.#store.load(this.#notary, gun);
    const found = await this.#update(before);
    const after = await this.#store.load(this.#notary, gun);
    this.ends.push(typeof found === 'string' ? found : 'verified');
    assertNoLower(before, after);
    if (typeof found === 'string') {
      assert.ok(!this.#isHonest, `${found}, though all is honest`);
      const files = before?.files ?? new Map();
      assert.deepEqual(after?.files ?? new Map(), files, 'what a refused refresh brought is stored');
      return;
    }
    for (const { tag, sha256 } of allTargets(found)) {
      assert.ok(this.#honest.has(`${tag} sha256:${sha256.toString('hex')}`), `${tag} was never signed so`);
    }
    if (this.#isHonest) assert.equal(found.timestamp.file.version, this.#repository.version('timestamp'));
  }

  async #update(stored: StoredRecord | undefined): Promise<VerifiedRepository | string> {
    let revision = stored?.revision ?? 0;
    const keepRoots = async (record: TrustRecord): Promise<void> => {
      await this.#store.commit(this.#notary, gun, revision, record);
      revision += 1;
    };
    const pin = { kind: 'keys', ids: [this.#pin] } as const;
    const terms = { gun, pin, now: new Date(this.#time), verifier: this.#verifier, signers: [], limits };
    try {
      const updated = await update(
        { ...terms, stored, previous: undefined, keepRoots },
        sourceOf(this.#served),
      );
      if (updated === undefined) return 'unsigned';
      await keepRoots(updated.record);
      return updated.repository;
    } catch (error) {
      if (error instanceof RepositoryError) return error.code;
      if (error instanceof DownloadError) return error.failure;
      throw error;
    }
  }
}

/** Versions may only grow, but for keys that are gone; nobody here publishes so. */
function assertNoLower(before: StoredRecord | undefined, after: StoredRecord | undefined): void {
  if (before === undefined) return;
  assert.ok(after, 'the state is gone');
  assert.ok(after.roots.length >= before.roots.length, 'fewer roots are known');
  for (const [role, { floor }] of before.files) {
    const now = after.files.get(role)?.floor;
    assert.ok(now && now.version >= floor.version, `${role} fell from ${floor.version} to ${now?.version}`);
    assert.ok(
      now.version > floor.version || now.sha256 === floor.sha256,
      `${role} ${floor.version} is another file`,
    );
  }
}

/** What a notary would answer that has these files, and for a file by its hash has the current one of the role. */
function sourceOf(files: TrustFiles): MetadataSource {
  return {
    fetch: (name: string, limit: FetchLimit): Promise<Uint8Array> => {
      const [, version, role = name] = /^(?:(\d+)\.)?([a-z/]+)(?:\.[0-9a-f]{64})?$/.exec(name) ?? [];
      const file = version === undefined ? files.current(role) : files.version(role, Number(version));
      if (file === undefined) return Promise.reject(new DownloadError('missing', name));
      if (file.bytes.length > limit.most) return Promise.reject(new RepositoryError(limit.excess, name));
      return Promise.resolve(file.bytes);
    },
  };
}
