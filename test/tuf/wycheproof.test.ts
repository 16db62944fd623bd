import assert from 'node:assert/strict';
import { constants, createHash, verify } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { PublicKey } from '../../src/tuf/key/key.ts';
import { readKey } from '../../src/tuf/key/key.ts';
import { SignatureVerifier, verifyEcdsa, verifyWithNoble } from '../../src/tuf/key/signature.ts';
import { json } from './refuses.ts';

// C2SP/wycheproof, testvectors_v1. The vectors are not copied into the repository.
const folder = new URL('../../../shared/vectors/wycheproof/', import.meta.url);

interface Group {
  readonly publicKeyDer: string;
  readonly publicKey: { readonly pk?: string };
  readonly tests: readonly Vector[];
}
interface Vector {
  readonly tcId: number;
  readonly msg: string;
  readonly sig: string;
  readonly result: 'valid' | 'invalid' | 'acceptable';
}

type Decide = (key: PublicKey, message: Uint8Array, signature: Uint8Array) => boolean;

interface Suite {
  readonly file: string;
  readonly keytype: string;
  readonly method: string;
  readonly valid: number;
  readonly invalid: number;
  /** Implementations beside the pair that the verifier makes of them; each has to decide every vector rightly. */
  readonly alone: Readonly<Record<string, Decide>>;
}

/** Both libraries throw for some malformed input; that is no acceptance. */
function accepts(decide: () => boolean): boolean {
  try {
    return decide();
  } catch (error) {
    assert.ok(error instanceof Error);
    return false;
  }
}

const byNoble: Decide = ({ algorithm, point }, message, signature) => {
  assert.notEqual(algorithm, 'rsa');
  return algorithm !== 'rsa' && verifyWithNoble(algorithm, point, message, signature);
};

const pss = (saltLength: number): Decide => {
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return ({ key }, message, signature) => verify('sha256', message, { key, padding, saltLength }, signature);
};

const suites: readonly Suite[] = [
  {
    file: 'ecdsa_secp256r1_sha256_p1363_test.json',
    keytype: 'ecdsa',
    method: 'ecdsa',
    valid: 173,
    invalid: 89,
    alone: {
      'node:crypto': ({ key }, message, signature) => verifyEcdsa(key, message, signature),
      noble: byNoble,
    },
  },
  {
    file: 'ed25519_test.json',
    keytype: 'ed25519',
    method: 'eddsa',
    valid: 88,
    invalid: 63,
    alone: {
      'node:crypto': ({ key }, message, signature) => verify(null, message, key, signature),
      noble: byNoble,
    },
  },
  ...[2048, 3072, 4096].map((bits) => ({
    file: `rsa_pss_${bits}_sha256_mgf1_32_test.json`,
    keytype: 'rsa',
    method: 'rsapss',
    valid: 63,
    invalid: 45,
    alone: { 'node:crypto': pss(32) },
  })),
];

function readVectors(file: string): readonly Group[] {
  return (JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as { testGroups: readonly Group[] })
    .testGroups;
}

function keyOf({ publicKey, publicKeyDer }: Group, keytype: string): PublicKey {
  const bytes = Buffer.from(publicKey.pk ?? publicKeyDer, 'hex');
  const object = json({ keytype, keyval: { public: bytes.toString('base64') } });
  assert.ok(object instanceof Map);
  return readKey(object, createHash('sha256').update(bytes).digest('hex'));
}

/** Gives the ids of the vectors that are decided wrongly, and how many of each result there are. */
function run({ file, keytype }: Suite, decide: Decide) {
  const found = {
    valid: 0,
    invalid: 0,
    acceptable: 0,
    validRefused: [] as number[],
    invalidAccepted: [] as number[],
  };
  for (const group of readVectors(file)) {
    const key = keyOf(group, keytype);
    for (const { tcId, msg, sig, result } of group.tests) {
      const accepted = accepts(() => decide(key, Buffer.from(msg, 'hex'), Buffer.from(sig, 'hex')));
      found[result] += 1;
      if (accepted && result !== 'valid') found.invalidAccepted.push(tcId);
      if (!accepted && result === 'valid') found.validRefused.push(tcId);
    }
  }
  return found;
}

if (!existsSync(folder)) {
  test('vectors not beside this checkout', (t) => {
    t.diagnostic(`no ${folder.pathname}: the Wycheproof vectors were not run`);
  });
} else {
  for (const suite of suites) {
    const { file, method, valid, invalid, alone } = suite;
    const right = { valid, invalid, acceptable: 0, validRefused: [], invalidAccepted: [] };
    describe(file, () => {
      test(`the verifier accepts all ${valid} valid vectors and none of ${invalid}, and its halves agree on each`, () => {
        const disagreements: string[] = [];
        const verifier = new SignatureVerifier({
          onDisagreement: (algorithm) => disagreements.push(algorithm),
        });
        const decide: Decide = (key, message, bytes) =>
          verifier.verify(key, message, { keyId: '', method, bytes });
        assert.deepEqual(run(suite, decide), right);
        assert.deepEqual(disagreements, []);
      });
      for (const [name, decide] of Object.entries(alone)) {
        test(`${name} alone decides every vector rightly`, () => assert.deepEqual(run(suite, decide), right));
      }
    });
  }

  test('with the salt length that node:crypto takes by itself, invalid RSA-PSS vectors would be accepted', () => {
    const [, , rsa] = suites;
    assert.ok(rsa);
    assert.equal(run(rsa, pss(constants.RSA_PSS_SALTLEN_AUTO)).invalidAccepted.length, 6);
  });
}
