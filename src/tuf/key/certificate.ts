import type { KeyObject } from 'node:crypto';
import { X509Certificate } from 'node:crypto';
import type { DerElement } from './der.ts';
import { derChild, derChildren, derElement } from './der.ts';
import { RepositoryError } from '../error.ts';

// The X.509 certificates in which Notary wraps keys (notary-v1 §2.6, §3, §5.4).

export interface Certificate {
  readonly x509: X509Certificate;
  /** Read once, with the certificate: the getter of `x509` throws for a key that OpenSSL cannot read. */
  readonly publicKey: KeyObject;
  /** Every common name of the subject, in order. */
  readonly commonNames: readonly string[];
  readonly signatureAlgorithm: string;
  readonly validFrom: Date;
  readonly validTo: Date;
  /** How many authorities may stand between this one and a leaf (RFC 5280 §4.2.1.9); undefined: any number. */
  readonly pathLength: number | undefined;
}

/**
 * Takes the bytes of a certificate bundle as Notary stores it; gives its certificates, the leaf first. Throws
 * RepositoryError MALFORMED unless it is nothing but PEM blocks of whole certificates: OpenSSL would read the first
 * block and ignore the rest, and private keys would pass as public ones.
 */
export function readBundle(bytes: Uint8Array, place: string): readonly [Certificate, ...Certificate[]] {
  const lines = Buffer.from(bytes).toString('latin1').split('\n');
  if (lines.at(-1) === '') lines.pop();
  const certificates: Certificate[] = [];
  let body: string[] | undefined;
  for (const line of lines) {
    if (body === undefined && line === '-----BEGIN CERTIFICATE-----') body = [];
    else if (body !== undefined && line === '-----END CERTIFICATE-----') {
      certificates.push(readCertificate(body.join(''), place));
      body = undefined;
    } else if (body !== undefined && /^[A-Za-z0-9+/]{1,76}={0,2}$/.test(line)) body.push(line);
    else
      throw new RepositoryError('MALFORMED', `${place} is not a bundle of PEM certificates and nothing else`);
  }
  const [leaf, ...issuers] = certificates;
  if (leaf === undefined || body !== undefined) {
    throw new RepositoryError('MALFORMED', `${place} has no whole PEM certificate`);
  }
  return [leaf, ...issuers];
}

function readCertificate(base64: string, place: string): Certificate {
  const der = Buffer.from(base64, 'base64');
  try {
    const x509 = new X509Certificate(der);
    if (!x509.raw.equals(der)) throw new RangeError('bytes after the certificate');
    if (der.toString('base64') !== base64) throw new RangeError('a second spelling of base64');
    return { x509, publicKey: x509.publicKey, ...readFields(der) };
  } catch (error) {
    // OpenSSL's errors have no class of their own; whatever it or the DER reader says, the bytes are no certificate.
    if (error instanceof TypeError) throw error;
    throw new RepositoryError('MALFORMED', `${place} has a certificate that cannot be read`, {
      cause: error,
    });
  }
}

const commonName = '550403'; // 2.5.4.3
/** UTF8String, PrintableString, IA5String: the types whose ASCII bytes everyone reads alike. */
const textTags = [0x0c, 0x13, 0x16];

/** RFC 5280 §4.1: what is needed of it, structurally; the printed subject can be forged (CVE-2021-44532). */
function readFields(der: Buffer): Omit<Certificate, 'x509' | 'publicKey'> {
  const { content } = derElement(der);
  const [tbs, algorithm] = [derChild(content, 0).content, derChild(content, 1).content];
  // The version stands before the serial number, unless it is the first.
  const signature = derChild(tbs, 0).tag === 0xa0 ? 2 : 1;
  const [validity, subject] = [derChild(tbs, signature + 2).content, derChild(tbs, signature + 3).content];
  // RFC 5280 §4.1.1.2: the algorithm that is signed, and the one beside the signature, have to be one.
  if (!derChild(tbs, signature).content.equals(algorithm)) throw new RangeError('two signature algorithms');
  const commonNames: string[] = [];
  for (const set of derChildren(subject)) {
    for (const attribute of derChildren(set.content)) {
      if (derChild(attribute.content, 0).content.toString('hex') !== commonName) continue;
      const value = derChild(attribute.content, 1);
      // RFC 4514 §2.4: what is no plain text is shown in hex, which is nobody's GUN.
      const text = textTags.includes(value.tag)
        ? value.content.toString('latin1')
        : `#${value.content.toString('hex')}`;
      commonNames.push(text);
    }
  }
  return {
    commonNames,
    signatureAlgorithm: derChild(algorithm, 0).content.toString('hex'),
    validFrom: readTime(derChild(validity, 0)),
    validTo: readTime(derChild(validity, 1)),
    pathLength: readPathLength(derChildren(tbs)),
  };
}

/** RFC 5280 §4.1.2.5. For a time that is none, node:crypto gives whatever lay in its memory. */
function readTime({ tag, content }: DerElement): Date {
  const text = content.toString('latin1');
  const digits = tag === 0x17 ? `${text.slice(0, 2) < '50' ? '20' : '19'}${text}` : text;
  const time = digits.replace(/^(....)(..)(..)(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6.000Z');
  const date = new Date(time);
  const exists = !Number.isNaN(date.getTime()) && date.toISOString() === time;
  if ((tag !== 0x17 && tag !== 0x18) || !exists) throw new RangeError('a date that does not exist');
  return date;
}

const basicConstraints = '551d13'; // 2.5.29.19

function readPathLength(fields: readonly DerElement[]): number | undefined {
  const extensions = fields.find(({ tag }) => tag === 0xa3);
  if (extensions === undefined) return undefined;
  for (const extension of derChildren(derElement(extensions.content).content)) {
    if (derChild(extension.content, 0).content.toString('hex') !== basicConstraints) continue;
    const constraints = derElement(derChild(extension.content, -1).content);
    const length = derChildren(constraints.content).find(({ tag }) => tag === 0x02);
    return length && (length.content.length === 1 ? length.content.readUInt8(0) : 0);
  }
  return undefined;
}

/** Signature algorithms over MD5 or SHA-1: md5WithRSA, sha1WithRSA, its OIW twin, ecdsa-with-SHA1, dsa-with-SHA1. */
const brokenSignatures = [
  '2a864886f70d010104',
  '2a864886f70d010105',
  '2b0e03021d',
  '2a8648ce3d0401',
  '2a8648ce380403',
];

const leastRsaBits = 2048;
/** Finding a path through many authorities of one name takes as many verifications as their number squared. */
const mostAuthorities = 8;

/** Says why a bundle cannot stand for a root key of this GUN, or undefined if it can (notary-v1 §5.4, without dates). */
export function rootCertificateFault(bundle: readonly Certificate[], gun: string): string | undefined {
  const [leaf, ...issuers] = bundle;
  if (leaf === undefined || leaf.x509.ca) return 'its first certificate is not a leaf';
  if (!issuers.every(({ x509 }) => x509.ca)) return 'it has more than one leaf';
  if (issuers.length > mostAuthorities) {
    return `it has ${issuers.length} authorities, and ${mostAuthorities} are the limit`;
  }
  if (bundle.some(({ signatureAlgorithm }) => brokenSignatures.includes(signatureAlgorithm))) {
    return 'it is signed with MD5 or SHA-1';
  }
  // The leaf's own key is checked with all keys; an authority's signs leafs.
  const weak = issuers.map(rsaBits).find((bits) => bits !== undefined && bits < leastRsaBits);
  if (weak !== undefined) return `it has an RSA key of ${weak} bits`;
  const [name] = leaf.commonNames;
  if (name === undefined || leaf.commonNames.length !== 1)
    return `it has ${leaf.commonNames.length} common names`;
  if (!namesGun(name, gun)) return `its common name is ${JSON.stringify(name.slice(0, 100))}`;
  return leaf.validFrom > leaf.validTo ? 'it ends before it begins' : undefined;
}

function rsaBits({ publicKey }: Certificate): number | undefined {
  return publicKey.asymmetricKeyDetails?.modulusLength;
}

/** The common name is the GUN, or `prefix/*` for everything below a prefix; compared byte by byte. */
function namesGun(name: string, gun: string): boolean {
  if (!name.endsWith('/*')) return name === gun;
  const prefix = name.slice(0, -1);
  return prefix.length > 1 && gun.startsWith(prefix) && gun.length > prefix.length;
}

const clockLeeway = 24 * 3600 * 1000;

/** Says whether a leaf is within its dates at `now`, with one day of leeway before its begin (notary-v1 §5.4). */
export function isWithinDates(leaf: Certificate, now: Date): boolean {
  return leaf.validFrom.getTime() <= now.getTime() + clockLeeway && now <= leaf.validTo;
}

/**
 * Says whether a bundle, leaf first, leads to one of the authorities: every step by signature and not by name alone
 * (`checkIssued` accepts a forged issuer of the right name), every authority one, within its dates and path length.
 */
export function chainsTo(
  bundle: readonly Certificate[],
  authorities: readonly Certificate[],
  now: Date,
): boolean {
  const [leaf, ...issuers] = bundle;
  if (leaf === undefined) return false;
  const usable = [...authorities, ...issuers].filter(({ x509 }) => x509.ca);
  let current = leaf;
  for (let between = 0; between <= issuers.length; between += 1) {
    const issuer = usable.find(
      (candidate) =>
        current.x509.checkIssued(candidate.x509) &&
        current.x509.verify(candidate.publicKey) &&
        candidate.validFrom <= now &&
        now <= candidate.validTo &&
        between <= (candidate.pathLength ?? between),
    );
    if (issuer === undefined) return false;
    if (authorities.includes(issuer)) return true;
    current = issuer;
  }
  return false;
}
