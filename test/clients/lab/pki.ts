import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Lab } from './lab.ts';
import { debianPath, mustRun, type Setting } from './process.ts';

/** Paths of PEM files: a certificate and its private key. */
export interface KeyPair {
  readonly certFile: string;
  readonly keyFile: string;
}

/** The authority's certificate, and a server certificate of it for 127.0.0.1 (and for clients). */
export interface Pki extends KeyPair {
  readonly caFile: string;
}

const p256 = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes';

/** Runs openssl with the words of `line`; none of them has a space in it. */
async function openssl(setting: Setting, line: string): Promise<void> {
  await mustRun('openssl', line.split(' '), setting);
}

/** Makes an authority and one certificate with openssl. */
export async function makePki(lab: Lab): Promise<Pki> {
  const cwd = await lab.folder('pki');
  const setting = { env: { PATH: debianPath }, cwd };
  const usage = '-addext keyUsage=critical,keyCertSign,cRLSign';
  await openssl(setting, `req -x509 ${p256} -keyout ca.key -out ca.crt -days 30 -subj /CN=lab-ca ${usage}`);
  const caFile = join(cwd, 'ca.crt');
  return { caFile, ...(await issue({ caFile }, 'server', ['localhost'])) };
}

/** A server certificate of the authority, for 127.0.0.1 and such DNS names, or for a client of such a name. */
export async function issue(
  { caFile }: Pick<Pki, 'caFile'>,
  name: string,
  dnsNames: readonly string[] = [],
): Promise<KeyPair> {
  const cwd = dirname(caFile);
  const setting = { env: { PATH: debianPath }, cwd };
  const names = ['IP:127.0.0.1', ...dnsNames.map((dns) => `DNS:${dns}`)].join(',');
  await writeFile(
    join(cwd, `${name}.ext`),
    `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n`,
  );
  await openssl(setting, `req ${p256} -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`);
  const authority = '-CA ca.crt -CAkey ca.key -CAcreateserial';
  await openssl(
    setting,
    `x509 -req -in ${name}.csr ${authority} -days 30 -extfile ${name}.ext -out ${name}.crt`,
  );
  return { certFile: join(cwd, `${name}.crt`), keyFile: join(cwd, `${name}.key`) };
}

/** A self-signed certificate with its unencrypted key, as a delegation signer has them. Gives the two paths. */
export async function makeSigner(
  setting: Setting & { readonly cwd: string },
  name: string,
  kind: 'ecdsa' | 'rsa',
): Promise<KeyPair> {
  const key = kind === 'ecdsa' ? p256 : '-newkey rsa:2048 -nodes';
  await openssl(setting, `req -x509 ${key} -keyout ${name}.key -out ${name}.crt -days 30 -subj /CN=${name}`);
  return { certFile: join(setting.cwd, `${name}.crt`), keyFile: join(setting.cwd, `${name}.key`) };
}
