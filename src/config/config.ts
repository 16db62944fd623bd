import type { Rule } from '../policy/rule.ts';

/** The configuration as the rooms use it: files read, secrets in place, times in milliseconds, sizes in bytes. */
export interface Config {
  readonly listen: Address;
  /** Empty: plain HTTP. Several: chosen by SNI, the first when nothing fits. */
  readonly tls: readonly Certificate[];
  readonly publicUrl: string | undefined;
  readonly clients: Clients;
  readonly admin: Address;
  /** Path of the SQLite state database. */
  readonly statePath: string;
  readonly registries: ReadonlyMap<string, Registry>;
  readonly defaultRegistry: string | undefined;
  readonly notaries: ReadonlyMap<string, Notary>;
  /** Whether RSA PKCS#1 v1.5 signatures of trust data count beside RSA-PSS. */
  readonly pkcs1v15: boolean;
  readonly rules: readonly Rule[];
  readonly limits: Limits;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Whom we serve. `users`: bcrypt hashes by user name; `ca`: PEM certificates of the authorities of clients. */
export type Clients =
  | { readonly kind: 'anyone' }
  | { readonly kind: 'htpasswd'; readonly users: ReadonlyMap<string, string> }
  | { readonly kind: 'certificates'; readonly ca: string };

/** Our own account at a registry or notary. */
export interface Account {
  readonly username: string;
  readonly password: string;
}

/** The absolute path of a Docker config.json that holds our credentials; others may write it anew at any time. */
export interface DockerConfig {
  readonly dockerConfig: string;
}

export interface Registry {
  readonly name: string;
  /** An origin: scheme, host and port, without a path. */
  readonly upstream: string;
  readonly hosts: readonly string[];
  readonly aliases: readonly string[];
  readonly auth: 'forward' | 'anonymous' | Account | DockerConfig;
  /** A token server on another host than the registry's that may see credentials: ours, or the client's. */
  readonly tokenRealm: string | undefined;
  readonly push: 'deny' | 'allow';
  readonly blobs: 'proxy' | 'redirect';
  /** PEM certificates that sign the registry's own, in place of the system's. */
  readonly ca: string | undefined;
}

export interface Notary {
  readonly name: string;
  /** Base address; may carry a path; no trailing slash. */
  readonly url: string;
  readonly auth: 'anonymous' | Account;
  /** As a registry's. */
  readonly tokenRealm: string | undefined;
  readonly ca: string | undefined;
}

export interface Limits {
  readonly rootBytes: number;
  readonly timestampBytes: number;
  readonly snapshotBytes: number;
  readonly targetsBytes: number;
  readonly manifestBytes: number;
  readonly manifestCacheBytes: number;
  readonly rootRotations: number;
  /** For one metadata file or manifest, from request to last byte. */
  readonly downloadTimeout: number;
  /** How long a failure is remembered, and what `Retry-After` says. */
  readonly retryAfter: number;
  /** How many unknown manifests one question by digest may fetch. */
  readonly expandManifests: number;
  /** How long SIGTERM waits for pulls in flight. */
  readonly drainTimeout: number;
}
