import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { SigningKey, generatePrivateKey } from '../../src/demo/signing/key.ts';
import type { Signature } from '../../src/demo/signing/key.ts';
import type { RoleKeys } from '../../src/demo/signing/role.ts';
import { objectAt } from '../../src/demo/signing/signed-file.ts';
import type { Attack, Scene } from './attack.ts';
import { good } from './attack.ts';
import type { Expected } from './expected.ts';
import { refused, served } from './expected.ts';
import { certified, forge, newKey } from './lies.ts';

// Ways to count a signature that is none, or one twice. `targets/releases` has a P-256 key, the timestamp an Ed25519 one.

const releases = 'targets/releases';
const rsa = SigningKey.plain(generatePrivateKey('rsa2048'));
const secret = Buffer.from('not to be shown').toString('base64');

export const signatureAttacks: readonly Attack[] = [
  rotated('T-51', 'one key under two ids is one key', refused('BAD_SIGNATURE'), ({ world }) => {
    const { privateKey } = newKey();
    const twice = [SigningKey.plain(privateKey), certified(world, { commonNames: ['x'] }, privateKey)];
    return { keys: twice, threshold: 2 };
  }),
  {
    id: 'T-51',
    title: 'of two keys and a second id of the first, both signatures of the first are one',
    warm: refused('BAD_SIGNATURE'),
    cold: refused('BAD_SIGNATURE'),
    lie: (scene) => {
      const { privateKey } = newKey();
      const twice = [
        SigningKey.plain(privateKey),
        certified(scene.world, { commonNames: ['x'] }, privateKey),
      ];
      scene.repository.rotate(releases, { keys: [...twice, newKey()], threshold: 2 });
      forge(scene, releases, { keys: twice });
    },
  },
  rotated('T-55', 'a threshold of 6 is not met by 5 keys', refused('BAD_SIGNATURE'), () => ({
    keys: [1, 2, 3, 4, 5].map(() => newKey()),
    threshold: 6,
  })),
  signed('T-52', 'a signature that stands twice is refused', refused('MALFORMED'), ([one]) => [one, one], {
    keys: [newKey(), newKey()],
    threshold: 2,
  }),
  signed('T-52', 'two of two keys have to sign', refused('BAD_SIGNATURE'), ([one]) => [one], {
    keys: [newKey(), newKey()],
    threshold: 2,
  }),
  ...['0', '-1', '"1"', '1.5', 'null', '[1]'].flatMap((threshold) => thresholds(threshold)),
  ...thresholds(undefined),
  signed('T-56', 'a file with no signature is refused', refused('MALFORMED'), () => []),
  ...['null', '{}', '[null]', '""'].map((text) => signatureText(`"signatures":${text}`)),
  signatureText('"unsigned":[]'),
  method('eddsa', refused('BAD_SIGNATURE'), 'an RSA key', { keys: [rsa] }),
  method('ecdsa', refused('BAD_SIGNATURE'), 'an RSA key', { keys: [rsa] }),
  method('rsapkcs1v15', refused('BAD_SIGNATURE'), 'a PSS signature', { keys: [rsa] }),
  method('rsapss', refused('BAD_SIGNATURE'), 'a P-256 key'),
  method('eddsa', refused('BAD_SIGNATURE'), 'a P-256 key'),
  method('none', refused('BAD_SIGNATURE'), 'a P-256 key', undefined, 'T-61'),
  method('', refused('BAD_SIGNATURE'), 'a P-256 key', undefined, 'T-61'),
  method('ECDSA', served(good), 'a P-256 key, as its real method in capitals', undefined, 'T-61'),
  raw('K-07', 'in DER, where r and s are expected, counts for nothing', toDer),
  raw('K-08', 'with a byte missing counts for nothing', (sig) => sig.subarray(1)),
  raw('K-08', 'with a byte more counts for nothing', (sig) => Buffer.concat([sig, Buffer.alloc(1)])),
  raw('K-08', 'of zeros counts for nothing', (sig) => Buffer.alloc(sig.length)),
  raw('K-08', 'with r = 0 counts for nothing', (sig) => sig.fill(0, 0, 32)),
  raw('K-08', 'with s = 0 counts for nothing', (sig) => sig.fill(0, 32)),
  raw('K-08', 'with r = n counts for nothing', (sig) => Buffer.concat([number(order), sig.subarray(32)])),
  raw('K-36', 'of 0xff bytes counts for nothing, and harms nothing', (sig) => sig.fill(0xff)),
  raw('K-09', 'with the other s that fits is as good: Go writes either', highTwin, served(good)),
  ...[1024, 2047].map((bits) =>
    rotated('K-11', `an RSA key of ${bits} bits is refused`, refused('MALFORMED'), () => ({
      keys: [SigningKey.plain(generateKeyPairSync('rsa', { modulusLength: bits }).privateKey)],
    })),
  ),
  rotated('K-11', 'an RSA key of 2048 bits is served', served(good), () => ({ keys: [rsa] })),
  ...['P-224', 'secp256k1', 'brainpoolP256r1'].map((namedCurve) =>
    rotated('K-13', `a key on ${namedCurve} is refused`, refused('MALFORMED'), () => ({
      keys: [SigningKey.plain(generateKeyPairSync('ec', { namedCurve }).privateKey)],
    })),
  ),
  {
    id: 'K-14',
    title: 'a key filed under the id of another is refused',
    warm: refused('MALFORMED'),
    cold: refused('MALFORMED'),
    lie: (scene) => {
      const [key] = scene.repository.keys(releases);
      forge(scene, 'targets', {
        signed: (signed) => {
          objectAt(signed, 'delegations', 'keys')[key?.id ?? ''] = newKey().shown;
        },
      });
    },
  },
  {
    id: 'K-15',
    title: 'a private key in a root is refused, and shown to nobody',
    warm: refused('MALFORMED'),
    cold: refused('MALFORMED'),
    lie: (scene) => {
      const [key] = scene.repository.keys('root');
      forge(scene, 'root', {
        signed: (signed) => {
          objectAt(signed, 'keys', key?.id ?? '', 'keyval')['private'] = secret;
        },
      });
    },
    also: ({ world }) => assert.ok(!JSON.stringify(world.proxy.logs).includes(secret)),
    mend: 'restore',
  },
  ...pemAttacks(),
];

/** `targets/releases` gets these keys, and signs with all of them. */
function rotated(id: string, title: string, expected: Expected, keys: (scene: Scene) => RoleKeys): Attack {
  return {
    id,
    title,
    warm: expected,
    cold: expected,
    lie: (scene) => {
      scene.repository.rotate(releases, keys(scene));
      scene.repository.publish();
    },
    mend: ({ repository }) => {
      repository.rotate(releases, { keys: [newKey()] });
      repository.publish();
    },
  };
}

/** The signatures of `targets/releases` are changed, which may have got other keys first. */
function signed(
  id: string,
  title: string,
  expected: Expected,
  change: (signatures: readonly Signature[]) => readonly (Signature | undefined)[],
  keys?: RoleKeys,
): Attack {
  return {
    id,
    title,
    warm: expected,
    cold: expected,
    prepare: ({ repository }) => keys && repository.rotate(releases, keys),
    lie: (scene) => {
      forge(scene, releases, { signatures: (honest) => change(honest).filter((one) => one !== undefined) });
    },
  };
}

function method(name: string, expected: Expected, whose: string, keys?: RoleKeys, id = 'T-60'): Attack {
  const title = `a signature by ${whose} that says it is ${JSON.stringify(name)} is ${expected.manifest ? 'served' : 'refused'}`;
  return signed(id, title, expected, (all) => all.map((one) => ({ ...one, method: name })), keys);
}

function raw(
  id: string,
  title: string,
  change: (sig: Buffer) => Buffer,
  expected = refused('BAD_SIGNATURE'),
): Attack {
  const recoded = (one: Signature): Signature => {
    return { ...one, sig: change(Buffer.from(one.sig, 'base64')).toString('base64') };
  };
  return signed(id, `a signature ${title}`, expected, (all) => all.map(recoded));
}

/** In a delegation, and in every base role; undefined leaves the threshold out. */
function thresholds(value: string | undefined): readonly Attack[] {
  const [before, after] = [/,"threshold":1\b/g, value === undefined ? '' : `,"threshold":${value}`];
  return (['targets', 'root'] as const).map((role) => ({
    id: 'T-54',
    title: `threshold ${value ?? 'missing'} in ${role} is refused`,
    warm: refused('MALFORMED'),
    cold: refused('MALFORMED'),
    lie: (scene) => forge(scene, role, { text: (text) => text.replaceAll(before, after) }),
    mend: role === 'root' ? 'restore' : ({ repository }) => void repository.publish(),
  }));
}

function signatureText(text: string): Attack {
  return {
    id: 'T-56',
    title: `${text} in place of signatures is refused`,
    warm: refused('MALFORMED'),
    cold: refused('MALFORMED'),
    lie: (scene) =>
      forge(scene, releases, {
        bytes: (bytes) => Buffer.from(bytes.toString().replace(/"signatures":\[.*\]/, text)),
      }),
  };
}

/** The key of `targets/releases` is shown as something that is not exactly certificates. */
function pemAttacks(): readonly Attack[] {
  const shapes: readonly (readonly [
    id: string,
    what: string,
    change: (pem: string, key: SigningKey) => string,
  ])[] = [
    ['K-15', 'a private key in place of a certificate', (_pem, key) => privatePem(key)],
    ['K-16', 'a private key behind the certificate', (pem, key) => pem + privatePem(key)],
    ['K-16', 'text before the certificate', (pem) => `subject=x\n${pem}`],
    ['K-16', 'text behind the certificate', (pem) => `${pem}x`],
    ['K-16', 'an empty line in the certificate', (pem) => pem.replace('\n', '\n\n')],
    ['K-16', 'lines that end in CRLF', (pem) => pem.replaceAll('\n', '\r\n')],
    ['K-16', 'no certificate at all', () => ''],
  ];
  return shapes.map(([id, what, change]) =>
    rotated(id, `a key that is shown as ${what} is refused`, refused('MALFORMED'), ({ world }) => {
      const key = certified(world, { commonNames: ['x'] }, newKey().privateKey);
      const shown = Buffer.from(change(key.publicBytes.toString(), key));
      return { keys: [new SigningKey(key.privateKey, 'ecdsa-x509', shown)] };
    }),
  );
}

function privatePem({ privateKey }: SigningKey): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Of the group of P-256. */
const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');

function number(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
}

function highTwin(sig: Buffer): Buffer {
  const s = BigInt(`0x${sig.toString('hex', 32)}`);
  return Buffer.concat([sig.subarray(0, 32), number(order - s)]);
}

/** SEQUENCE of two INTEGERs, as OpenSSL writes it. */
function toDer(sig: Buffer): Buffer {
  const integers = [sig.subarray(0, 32), sig.subarray(32)].map((half) => {
    const padded = Buffer.concat([Buffer.alloc(1), half]);
    return Buffer.concat([Buffer.from([2, padded.length]), padded]);
  });
  const body = Buffer.concat(integers);
  return Buffer.concat([Buffer.from([0x30, body.length]), body]);
}
