import type { BaseRole, Role, RoleKeys, Target } from './signing/role.ts';
import { distinct, newRole, rootBody, targetsBody } from './signing/role.ts';
import { SigningKey, generatePrivateKey } from './signing/key.ts';
import type { Signature } from './signing/key.ts';
import type { JsonObject } from './signing/signed-file.ts';
import {
  canonicalJson,
  describeFile,
  escapeForFile,
  printSignedFile,
  printTime,
} from './signing/signed-file.ts';
import { TrustFiles } from './signing/trust-files.ts';

/** Changes to one file at the next `publish`, in this order; several for one role apply one after the other. */
export interface Forgery {
  /** Alters what is signed; the signatures are then right for it. */
  readonly signed?: (signed: JsonObject) => void;
  /** Alters the canonical text, which is signed and stands in the file as it is: for texts no JSON value has. */
  readonly text?: (text: string) => string;
  /** Signs with these in place of the role's. */
  readonly keys?: readonly SigningKey[];
  readonly signatures?: (signatures: readonly Signature[]) => readonly Signature[];
  /** Alters the finished file. Files that name it (snapshot, timestamp) are made after this and fit it. */
  readonly bytes?: (bytes: Buffer) => Uint8Array;
}

export interface SigningRepositoryOptions {
  /** Milliseconds since the epoch; default the system's clock. */
  readonly now?: () => number;
  /** Keys of base roles; missing ones are made as docker and the server make them. */
  readonly keys?: Partial<Record<BaseRole, RoleKeys>>;
  /** Who holds the snapshot key: the server (docker's way, and the default) or the publisher. */
  readonly snapshotBy?: 'server' | 'client';
}

const day = 24 * 3600_000;
const lifetimes = { root: 3650 * day, targets: 1095 * day, snapshot: 1095 * day, timestamp: 14 * day };

/** The trust data of one GUN, made as a Notary v1 publisher and server make it; nothing is visible until `publish`. */
export class SigningRepository {
  readonly gun: string;
  /** What is published; hand it to a notary server. */
  readonly files = new TrustFiles();
  readonly #now: () => number;
  readonly #snapshotBy: 'server' | 'client';
  readonly #base: Record<BaseRole, Role>;
  readonly #delegations = new Map<string, Role>();
  readonly #listed = new Map<string, JsonObject>();
  readonly #forgeries = new Map<string, Forgery[]>();
  #snapshotFile: JsonObject | null = null;
  #rootKeysTrusted: readonly SigningKey[] = [];
  #rootKeysOnce: readonly SigningKey[] = [];

  constructor(gun: string, options: SigningRepositoryOptions = {}) {
    this.gun = gun;
    this.#now = options.now ?? Date.now;
    this.#snapshotBy = options.snapshotBy ?? 'server';
    const { keys = {} } = options;
    // Versions at birth: targets starts at 2, and the snapshot too where the publisher makes it.
    this.#base = {
      root: newRole(keys.root ?? { keys: [this.rootKey()] }, lifetimes.root, 0),
      targets: newRole(
        keys.targets ?? { keys: [SigningKey.plain(generatePrivateKey('p256'))] },
        lifetimes.targets,
        1,
      ),
      snapshot: newRole(keys.snapshot ?? this.#snapshotKeys(), lifetimes.snapshot, this.#byServer ? 0 : 1),
      timestamp: newRole(
        keys.timestamp ?? { keys: [SigningKey.plain(generatePrivateKey('ed25519'))] },
        lifetimes.timestamp,
        0,
      ),
    };
  }

  /** Makes a new root key for this GUN, to be rotated in. */
  rootKey(privateKey = generatePrivateKey('p256')): SigningKey {
    return SigningKey.forRoot(this.gun, this.#now(), privateKey);
  }

  keys(role: string): readonly SigningKey[] {
    return this.#role(role).keys;
  }

  /** The version of the role's last published file. */
  version(role: string): number {
    return this.#role(role).version;
  }

  sign(tag: string, target: Target, role = 'targets'): void {
    this.#role(role).targets.set(tag, target);
    this.touch(role);
  }

  remove(tag: string, role = 'targets'): void {
    this.#role(role).targets.delete(tag);
    this.touch(role);
  }

  /** Declares a delegation in its parent (`targets/a/b` in `targets/a`); it has no file before its first `sign`.
   * Gives its keys. Default: one new ECDSA key, and every path. */
  addDelegation(
    name: string,
    options: Partial<RoleKeys> & { readonly paths?: readonly string[] } = {},
  ): readonly SigningKey[] {
    const keys = options.keys ?? [SigningKey.plain(generatePrivateKey('p256'))];
    const role = newRole({ ...options, keys }, lifetimes.targets, this.#delegations.get(name)?.version ?? 0);
    role.changed = false;
    this.#delegations.set(name, role);
    const parent = this.#parent(name);
    parent.children.set(name, options.paths ?? ['']);
    parent.emptied = false;
    this.touch(parentName(name));
    return keys;
  }

  /** As `docker trust signer add`: `targets/<signer>`, and its key among those of the shared `targets/releases`. */
  addSigner(signer: string): void {
    const added = this.addDelegation(`targets/${signer}`);
    const releases = this.#delegations.get('targets/releases');
    const present = this.#base.targets.children.has('targets/releases') ? (releases?.keys ?? []) : [];
    if (releases === undefined || present.length === 0)
      this.addDelegation('targets/releases', { keys: added });
    else this.rotate('targets/releases', { keys: [...present, ...added] }, { resign: false });
  }

  /** With a snapshot by the server the removed role stays listed there, as it does in Notary. */
  removeDelegation(name: string): void {
    const parent = this.#parent(name);
    parent.children.delete(name);
    parent.emptied = parent.children.size === 0;
    this.touch(parentName(name));
    if (!this.#byServer) this.#listed.delete(name);
  }

  /** Replaces a role's keys, in root or in the delegating role, and signs it anew with them unless told not to. */
  rotate(role: string, { keys, threshold = 1 }: RoleKeys, options: { readonly resign?: boolean } = {}): void {
    const state = this.#role(role);
    state.keys = keys;
    state.threshold = threshold;
    this.touch(Object.hasOwn(this.#base, role) ? 'root' : parentName(role));
    if (options.resign !== false && state.version > 0) this.touch(role);
  }

  /** The next publish carries this version, whatever came before. */
  setVersion(role: string, version: number): void {
    this.#role(role).version = version - 1;
    this.touch(role);
  }

  /** A fixed expiry from the next publish on; undefined goes back to the usual lifetime. */
  setExpires(role: string, expires: Date | undefined): void {
    this.#role(role).expires = expires;
    this.touch(role);
  }

  /** Signs these roles anew at the next publish, each one version up; without names, all that have a file. */
  touch(...roles: readonly string[]): void {
    for (const name of roles.length > 0 ? roles : [...Object.keys(this.#base), ...this.#delegationsInUse()])
      this.#role(name).changed = true;
  }

  /** Alters one file at the next publish only; the publish after that makes it honestly again. */
  forge(role: string, forgery: Forgery): void {
    this.#forgeries.set(role, [...(this.#forgeries.get(role) ?? []), forgery]);
    this.touch(role);
  }

  /** Signs what has changed, then the snapshot if it must, and always a new timestamp. Gives `files`. */
  publish(): TrustFiles {
    const { root, targets, snapshot, timestamp } = this.#base;
    const forged = new Set(this.#forgeries.keys());
    const signable: readonly (readonly [string, Role])[] = [['targets', targets], ...this.#delegations];
    if (root.changed) this.#publishRoot();
    for (const [name, role] of signable) {
      if (role.changed) this.#list(name, this.#write(name, role, targetsBody(role, this.#delegations)));
    }
    if (snapshot.changed) {
      const meta = Object.fromEntries(this.#listed);
      this.#snapshotFile = describeFile(this.#write('snapshot', snapshot, { _type: 'Snapshot', meta }));
    }
    this.#write('timestamp', timestamp, { _type: 'Timestamp', meta: { snapshot: this.#snapshotFile } });
    this.#forgeries.clear();
    for (const name of forged) this.touch(name);
    return this.files;
  }

  #publishRoot(): void {
    const { root } = this.#base;
    // The last keys sign too, so that who trusts them can go on to this version. All keys ever stay listed.
    const signers = distinct([...this.#rootKeysTrusted, ...root.keys]);
    this.#list('root', this.#write('root', root, rootBody(this.#base, this.#rootKeysOnce), signers));
    if (this.#forgeries.has('root')) return; // Nobody trusts a forged root: the honest one follows the last honest one.
    this.#rootKeysTrusted = root.keys;
    this.#rootKeysOnce = distinct([...this.#rootKeysOnce, ...root.keys]);
  }

  #list(name: string, bytes: Buffer): void {
    this.#listed.set(name, describeFile(bytes));
    this.#base.snapshot.changed = true;
  }

  #write(name: string, role: Role, body: JsonObject, keys = role.keys): Buffer {
    role.version += 1;
    role.changed = false;
    const expires = printTime(role.expires?.getTime() ?? this.#now() + role.lifetime);
    const signed: JsonObject = { ...body, expires, version: role.version };
    const forgeries = this.#forgeries.get(name) ?? [];
    for (const forgery of forgeries) forgery.signed?.(signed);
    const canonical = canonicalJson(signed);
    const text = forgeries.reduce((now, { text: alter }) => alter?.(now) ?? now, canonical);
    const signers = forgeries.reduce((now, forgery) => forgery.keys ?? now, keys);
    const honest: readonly Signature[] = signers.map((key) => key.sign(Buffer.from(text)));
    const signatures = forgeries.reduce((now, forgery) => forgery.signatures?.(now) ?? now, honest);
    const file = printSignedFile(text === canonical ? escapeForFile(text) : text, signatures);
    const bytes = forgeries.reduce((now, forgery) => Buffer.from(forgery.bytes?.(now) ?? now), file);
    this.files.put(name, role.version, { bytes, written: this.#now() });
    return bytes;
  }

  #delegationsInUse(): string[] {
    const all = [...this.#delegations].filter(
      ([name, role]) => role.version > 0 && this.#parent(name).children.has(name),
    );
    return all.map(([name]) => name);
  }

  get #byServer(): boolean {
    return this.#snapshotBy === 'server';
  }

  #snapshotKeys(): RoleKeys {
    return { keys: [SigningKey.plain(generatePrivateKey(this.#byServer ? 'ed25519' : 'p256'))] };
  }

  #role(name: string): Role {
    const role = Object.hasOwn(this.#base, name) ? this.#base[name as BaseRole] : this.#delegations.get(name);
    if (role === undefined) throw new TypeError(`${this.gun} has no role ${name}`);
    return role;
  }

  #parent(name: string): Role {
    return this.#role(parentName(name));
  }
}

function parentName(delegation: string): string {
  return delegation.slice(0, delegation.lastIndexOf('/'));
}
