import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lab } from './lab.ts';
import { debianPath, mustRun, type Setting } from './process.ts';

/** Paths of PEM files: the authority, and a server certificate of it for 127.0.0.1 (and for clients) with its key. */
export interface Pki {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
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
  const extensions =
    'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n';
  await writeFile(join(cwd, 'server.ext'), extensions);
  await openssl(setting, `req ${p256} -keyout server.key -out server.csr -subj /CN=lab-server`);
  const authority = '-CA ca.crt -CAkey ca.key -CAcreateserial';
  await openssl(
    setting,
    `x509 -req -in server.csr ${authority} -days 30 -extfile server.ext -out server.crt`,
  );
  return {
    caFile: join(cwd, 'ca.crt'),
    certFile: join(cwd, 'server.crt'),
    keyFile: join(cwd, 'server.key'),
  };
}

/** A self-signed certificate with its unencrypted key, as a delegation signer has them. Gives the two paths. */
export async function makeSigner(
  setting: Setting & { readonly cwd: string },
  name: string,
  kind: 'ecdsa' | 'rsa',
): Promise<{ readonly certFile: string; readonly keyFile: string }> {
  const key = kind === 'ecdsa' ? p256 : '-newkey rsa:2048 -nodes';
  await openssl(setting, `req -x509 ${key} -keyout ${name}.key -out ${name}.crt -days 30 -subj /CN=${name}`);
  return { certFile: join(setting.cwd, `${name}.crt`), keyFile: join(setting.cwd, `${name}.key`) };
}
