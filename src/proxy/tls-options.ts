import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import type { SecureContext, SecureContextOptions, TlsOptions } from 'node:tls';
import { createSecureContext } from 'node:tls';
import type { Certificate } from '../config/config.ts';

/**
 * Takes a listener's certificates, at least one, and the authorities of its clients' (undefined: clients are not asked
 * for any); gives what to serve TLS with. Throws if a certificate does not parse, has expired or is of another key.
 */
export function tlsOptions(certificates: readonly Certificate[], clientCa: string | undefined): TlsOptions {
  const common = { minVersion: 'TLSv1.2' as const, ...(clientCa !== undefined && clientOptions(clientCa)) };
  return { ...common, ...certificates[0], SNICallback: chooseCertificate(certificates, common) };
}

function clientOptions(ca: string): TlsOptions {
  return {
    ca,
    requestCert: true,
    // Who shows none is told so by HTTP: an alert in the handshake reads like a broken network.
    rejectUnauthorized: false,
    // Without tickets no session is resumed, so that a certificate is judged anew, its end included, on each connection.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

type SniCallback = (name: string, done: (error: Error | null, context?: SecureContext) => void) => void;

function chooseCertificate(certificates: readonly Certificate[], common: SecureContextOptions): SniCallback {
  const contexts = certificates.map(({ cert, key }, index) => {
    const x509 = readCertificate(cert, key, `tls certificate ${index + 1}`);
    return { x509, context: createSecureContext({ ...common, cert, key }) };
  });
  // Without a context Node takes the server's own: the first certificate.
  return (name, done) =>
    done(
      null,
      contexts.find(({ x509 }) => x509.checkHost(name, { partialWildcards: false }) !== undefined)?.context,
    );
}

function readCertificate(cert: string, key: string, what: string): X509Certificate {
  const x509 = new X509Certificate(cert);
  if (!x509.checkPrivateKey(createPrivateKey(key))) throw new Error(`${what} does not belong to its key`);
  if (Date.parse(x509.validTo) < Date.now()) throw new Error(`${what} expired at ${x509.validTo}`);
  return x509;
}
