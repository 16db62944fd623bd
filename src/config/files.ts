import { X509Certificate, createPrivateKey } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { parseDockerConfig } from '../oci/docker-config.ts';
import type { Certificate as TufCertificate } from '../tuf/key/certificate.ts';
import { readBundle } from '../tuf/key/certificate.ts';
import { RepositoryError } from '../tuf/error.ts';
import type { Certificate } from './config.ts';
import { readHtpasswd } from './htpasswd.ts';
import type { Reading } from './value.ts';

const mebibyte = 1024 ** 2;
const longestPassword = 64 * 1024;

/** Takes a path and the most bytes it may have; gives the content of a regular file that is not empty. */
export function readFile(path: string, most: number): Reading<Buffer> {
  let opened: number | undefined;
  try {
    // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
    opened = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!fstatSync(opened).isFile()) return { problem: 'is not a regular file' };
    const content = readAtMost(opened, most + 1);
    if (content.length > most) return { problem: `is larger than ${most} bytes` };
    return content.length === 0 ? { problem: 'is empty' } : { value: content };
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    // The operator named a file that the system will not give us: a mistake in the configuration like any other.
    return { problem: code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})` };
  } finally {
    if (opened !== undefined) closeSync(opened);
  }
}

/** Takes bytes; gives the text, if it is UTF-8. */
export function decodeUtf8(content: Uint8Array): Reading<string> {
  try {
    return { value: new TextDecoder('utf-8', { fatal: true }).decode(content) };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { problem: 'is not UTF-8 text' }; // How a fatal decoder says so (Encoding Standard, "decode").
  }
}

/** The files that a configuration names, by paths relative to its own folder. Messages never hold what a file says. */
export interface Files {
  /** Gives the password that is the file's only line; one line break at its end is not part of it. */
  password(name: string): Reading<string>;
  /** Gives the bcrypt hash of each user in an htpasswd file; at least one. */
  htpasswd(name: string): Reading<ReadonlyMap<string, string>>;
  /** Gives the absolute path of a Docker config.json that can be read as one. */
  dockerConfig(name: string): Reading<string>;
  /** Gives each PEM certificate in the file; at least one. */
  certificates(name: string): Reading<readonly string[]>;
  /** Gives the authorities in the file, in the form the verifier of roots takes; at least one. */
  authorities(name: string): Reading<readonly TufCertificate[]>;
  /** Gives the bytes of a TUF root, not yet verified. */
  root(name: string): Reading<Uint8Array>;
  /** Gives the text of a private key. */
  key(name: string): Reading<string>;
}

/** Takes the folder of the configuration; gives the files beside it. */
export function filesIn(folder: string): Files {
  const read = (name: string, most: number): Reading<Buffer> =>
    wordFile(readFile(resolve(folder, name), most));
  const text = (name: string, most: number): Reading<string> => {
    const content = read(name, most);
    return 'problem' in content ? content : wordFile(decodeUtf8(content.value));
  };
  const certificates = (name: string): Reading<readonly string[]> => {
    const content = text(name, mebibyte);
    return 'problem' in content ? content : readCertificates(content.value);
  };
  return {
    certificates,
    authorities(name) {
      const content = certificates(name);
      return 'problem' in content ? content : readAuthorities(content.value);
    },
    password(name) {
      const content = text(name, longestPassword);
      if ('problem' in content) return content;
      const value = content.value.replace(/\r?\n$/, '');
      if (value === '') return { problem: 'names a file that is empty' };
      return /\p{Cc}/u.test(value) ? { problem: 'names a file that is not one line of text' } : { value };
    },
    htpasswd(name) {
      const content = text(name, mebibyte);
      return 'problem' in content ? content : readHtpasswd(content.value);
    },
    dockerConfig(name) {
      const content = text(name, mebibyte);
      if ('problem' in content) return content;
      const config = parseDockerConfig(content.value);
      return 'problem' in config ? wordFile(config) : { value: resolve(folder, name) };
    },
    root(name) {
      const content = read(name, mebibyte);
      if ('problem' in content) return content;
      return looksLikeRoot(content.value)
        ? content
        : { problem: 'names a file that is not a TUF root (JSON with "signed" and "signatures")' };
    },
    key: (name) => text(name, mebibyte),
  };
}

/** Takes the PEM chain and key of a listener; gives them as a pair that OpenSSL can serve with today. */
export function readPair(chain: readonly string[], key: string, now: Date): Reading<Certificate> {
  const leaf = new X509Certificate(chain[0] ?? '');
  if (leaf.validToDate < now) {
    return { problem: `names a certificate that expired on ${leaf.validToDate.toISOString()}` };
  }
  const cert = chain.join('');
  return openSsl(
    () => {
      if (!leaf.checkPrivateKey(createPrivateKey(key)))
        return { problem: 'names a certificate of another key' };
      createSecureContext({ cert, key });
      return { value: { cert, key } };
    },
    (code) => `cannot be used with the key in "key_file" (${code}); an encrypted key cannot be used`,
  );
}

function readCertificates(pem: string): Reading<readonly string[]> {
  const [begin, end] = ['-----BEGIN CERTIFICATE-----', '-----END CERTIFICATE-----'];
  const found: string[] = [];
  for (let from = pem.indexOf(begin); from >= 0; from = pem.indexOf(begin, from + 1)) {
    const to = pem.indexOf(end, from);
    const block = to < 0 ? pem.slice(from) : pem.slice(from, to + end.length);
    const certificate = openSsl(
      () => ({ value: new X509Certificate(block).toString() }),
      (code) => `names a file with a broken certificate, the ${found.length + 1}. in it (${code})`,
    );
    if ('problem' in certificate) return certificate;
    found.push(certificate.value);
  }
  return found.length > 0 ? { value: found } : { problem: 'names a file without a PEM certificate' };
}

function readAuthorities(certificates: readonly string[]): Reading<readonly TufCertificate[]> {
  try {
    const authorities = readBundle(Buffer.from(certificates.join('')), 'ca_file');
    return authorities.every(({ x509 }) => x509.ca)
      ? { value: authorities }
      : { problem: 'names a file with a certificate that is not of an authority' };
  } catch (error) {
    if (!(error instanceof RepositoryError)) throw error;
    return { problem: `names a file that cannot pin a root: ${error.message}` }; // Here it is the operator's file.
  }
}

function looksLikeRoot(content: Buffer): boolean {
  try {
    const root: unknown = JSON.parse(content.toString());
    return typeof root === 'object' && root !== null && 'signed' in root && 'signatures' in root;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return false; // Not JSON, so not a root; what else it must be is for the verifier to say.
  }
}

/** Runs what OpenSSL may refuse; gives the refusal by its code alone, as its text is not ours to vouch for. */
function openSsl<T>(use: () => Reading<T>, word: (code: string) => string): Reading<T> {
  try {
    return use();
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined || !/^ERR_(?:OSSL|SSL|CRYPTO|MISSING_PASSPHRASE)/.test(code)) throw error;
    return { problem: word(code) }; // node:crypto has no class for it: the content of an operator's file is bad.
  }
}

function wordFile<T>(reading: Reading<T>): Reading<T> {
  return 'problem' in reading ? { problem: `names a file that ${reading.problem}` } : reading;
}

function readAtMost(opened: number, most: number): Buffer {
  const chunks: Buffer[] = [];
  for (let left = most; left > 0;) {
    const chunk = Buffer.alloc(Math.min(left, 64 * 1024));
    const length = readSync(opened, chunk);
    if (length === 0) break;
    chunks.push(chunk.subarray(0, length));
    left -= length;
  }
  return Buffer.concat(chunks);
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
