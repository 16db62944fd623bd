import type { KeyObject } from 'node:crypto';
import { createHash, createPublicKey, sign } from 'node:crypto';
import { isIP } from 'node:net';

// X.509 certificates (RFC 5280), written by hand because node:crypto reads them but does not issue any.

export type SignatureHash = 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512';
export type ExtendedUsage = 'serverAuth' | 'clientAuth' | 'codeSigning';

/** Names by the object identifier of the attribute: `['2.5.4.10', 'Example Ltd']` is an organisation. */
export type NameAttribute = readonly [oid: string, value: string];

export interface CertificateOptions {
  /** In this order, before `attributes`. Several are legal X.509, and a trap for readers that pick one. */
  readonly commonNames: readonly string[];
  readonly attributes?: readonly NameAttribute[];
  /** The key that is certified; its private half signs when there is no issuer. */
  readonly key: KeyObject;
  /** Who signs: the names of its certificate, and its private key. */
  readonly issuer?: {
    readonly commonNames: readonly string[];
    readonly attributes?: readonly NameAttribute[];
    readonly key: KeyObject;
  };
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly isCa?: boolean;
  readonly pathLength?: number;
  /** Default SHA-256. Of no effect on Ed25519, which has its own. */
  readonly hash?: SignatureHash;
  /** Default `codeSigning`, as Notary's own root certificates have it; an authority has none. */
  readonly usages?: readonly ExtendedUsage[];
  /** Subject alternative names: host names and addresses, for TLS. */
  readonly hosts?: readonly string[];
}

const commonName = '2.5.4.3';
const extendedUsages: Record<ExtendedUsage, string> = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
};
const signatureAlgorithms: Record<'ec' | 'rsa', Partial<Record<SignatureHash, string>>> = {
  ec: {
    sha1: '1.2.840.10045.4.1',
    sha256: '1.2.840.10045.4.3.2',
    sha384: '1.2.840.10045.4.3.3',
    sha512: '1.2.840.10045.4.3.4',
  },
  rsa: {
    md5: '1.2.840.113549.1.1.4',
    sha1: '1.2.840.113549.1.1.5',
    sha256: '1.2.840.113549.1.1.11',
    sha384: '1.2.840.113549.1.1.12',
    sha512: '1.2.840.113549.1.1.13',
  },
};

/**
 * Takes what the certificate shall say; gives it as PEM in the form of Go's encoder (64 columns, a newline at the
 * end), which notary re-encodes to when it computes key ids. Self-signed without `issuer`. Throws TypeError when the
 * signing key's type has no such signature.
 */
export function issueCertificate(options: CertificateOptions): string {
  const issuer = options.issuer ?? options;
  const algorithm = signatureAlgorithm(issuer.key, options.hash ?? 'sha256');
  const spki = createPublicKeyOf(options.key).export({ type: 'spki', format: 'der' });
  const body = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(serialNumber(options, spki)),
    algorithm.der,
    name(issuer.commonNames, issuer.attributes ?? []),
    sequence(time(options.notBefore), time(options.notAfter)),
    name(options.commonNames, options.attributes ?? []),
    spki,
    explicit(3, sequence(...extensions(options))),
  );
  const certificate = sequence(body, algorithm.der, bitString(sign(algorithm.hash, body, issuer.key)));
  return pem('CERTIFICATE', certificate);
}

/** Takes a label and DER; gives PEM with 64 columns and a newline at the end. */
export function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

function createPublicKeyOf(key: KeyObject): KeyObject {
  return key.type === 'private' ? createPublicKey(key) : key;
}

function signatureAlgorithm(
  key: KeyObject,
  hash: SignatureHash,
): { der: Buffer; hash: SignatureHash | null } {
  const type = key.asymmetricKeyType;
  if (type === 'ed25519') return { der: sequence(objectIdentifier('1.3.101.112')), hash: null };
  const oid = type === 'ec' || type === 'rsa' ? signatureAlgorithms[type][hash] : undefined;
  if (oid === undefined) throw new TypeError(`no signature by a key of type ${type} with ${hash}`);
  return { der: sequence(objectIdentifier(oid), ...(type === 'rsa' ? [tagged(0x05)] : [])), hash };
}

/** The same request gives the same number: nothing in a double is random that need not be. */
function serialNumber(options: CertificateOptions, spki: Buffer): Buffer {
  const hash = createHash('sha256').update(spki);
  hash.update(JSON.stringify([options.commonNames, options.notBefore, options.notAfter, options.hosts]));
  return hash.digest().subarray(0, 16);
}

function extensions(options: CertificateOptions): Buffer[] {
  const isCa = options.isCa ?? false;
  const usages = options.usages ?? (isCa ? [] : ['codeSigning']);
  const pathLength = options.pathLength === undefined ? [] : [integer(Buffer.from([options.pathLength]))];
  const constraints = isCa ? sequence(tagged(0x01, Buffer.from([0xff])), ...pathLength) : sequence();
  // keyCertSign and cRLSign, or digitalSignature and keyEncipherment.
  const keyUsage = isCa ? Buffer.from([0x03, 0x02, 0x01, 0x06]) : Buffer.from([0x03, 0x02, 0x05, 0xa0]);
  const purposes = sequence(...usages.map((usage) => objectIdentifier(extendedUsages[usage])));
  const hosts = options.hosts ?? [];
  return [
    extension('2.5.29.15', true, keyUsage),
    ...(usages.length === 0 ? [] : [extension('2.5.29.37', false, purposes)]),
    extension('2.5.29.19', true, constraints),
    ...(hosts.length === 0 ? [] : [extension('2.5.29.17', false, sequence(...hosts.map(generalName)))]),
  ];
}

function extension(oid: string, critical: boolean, value: Buffer): Buffer {
  const mark = critical ? [tagged(0x01, Buffer.from([0xff]))] : [];
  return sequence(objectIdentifier(oid), ...mark, tagged(0x04, value));
}

function generalName(host: string): Buffer {
  if (isIP(host) === 0) return tagged(0x82, Buffer.from(host, 'latin1'));
  if (isIP(host) === 4) return tagged(0x87, Buffer.from(host.split('.').map(Number)));
  if (host === '::1') return tagged(0x87, Buffer.concat([Buffer.alloc(15), Buffer.from([1])]));
  throw new TypeError(`no subject alternative name for ${host}`);
}

function name(commonNames: readonly string[], attributes: readonly NameAttribute[]): Buffer {
  const all = [...commonNames.map((value): NameAttribute => [commonName, value]), ...attributes];
  return sequence(
    ...all.map(([oid, value]) =>
      tagged(0x31, sequence(objectIdentifier(oid), tagged(0x0c, Buffer.from(value, 'utf8')))),
    ),
  );
}

/** RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050. */
function time(date: Date): Buffer {
  const digits = date
    .toISOString()
    .replaceAll(/[-:T]/g, '')
    .replace(/\.\d+Z$/, 'Z');
  const short = date.getUTCFullYear() >= 1950 && date.getUTCFullYear() < 2050;
  return short ? tagged(0x17, Buffer.from(digits.slice(2))) : tagged(0x18, Buffer.from(digits));
}

function tagged(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const length = content.length;
  const header =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  if (length > 0xffff) throw new TypeError(`a certificate part of ${length} bytes`);
  return Buffer.concat([Buffer.from(header), content]);
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tagged(0x30, ...parts);
}

function explicit(number: number, content: Buffer): Buffer {
  return tagged(0xa0 + number, content);
}

function bitString(bytes: Buffer): Buffer {
  return tagged(0x03, Buffer.from([0]), bytes);
}

function integer(magnitude: Buffer): Buffer {
  const start = magnitude.findIndex((byte) => byte !== 0);
  const digits = start < 0 ? Buffer.from([0]) : magnitude.subarray(start);
  return tagged(0x02, Buffer.from((digits[0] ?? 0) >= 0x80 ? [0] : []), digits);
}

function objectIdentifier(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc % 128];
    for (let more = Math.floor(arc / 128); more > 0; more = Math.floor(more / 128))
      groups.unshift((more % 128) + 128);
    bytes.push(...groups);
  }
  return tagged(0x06, Buffer.from(bytes));
}
