import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SigningRepository } from '../../src/demo/signing-repository.ts';
import { parseImageReference } from '../../src/oci/reference.ts';
import { decide } from '../../src/policy/verdict.ts';
import type { Rule } from '../../src/policy/rule.ts';
import { NotaryClient } from '../../src/trust/notary-client.ts';
import { NotaryTrust } from '../../src/trust/notary-trust.ts';
import { SqliteTrustStore } from '../../src/trust/sqlite-trust-store.ts';
import type { TrustAnswer } from '../../src/trust/trust.ts';
import type { StoredRecord } from '../../src/trust/trust-store.ts';
import { SignatureVerifier } from '../../src/tuf/signature.ts';
import { tagOf } from '../trust/trust-world.ts';
import { LyingNotary } from '../world/lying-notary.ts';
import type { Corruption, Outcome, RoleName, Situation } from './corruption.ts';
import { roles, situations } from './corruption.ts';
import { beginRepository, gun, limits, now, outdated, pinned, released, tag } from './fixture.ts';
import { freshnessRows } from './freshness.ts';
import { signatureRows } from './signatures.ts';
import { statementRows } from './statements.ts';
import { structureRows } from './structure.ts';
import { textRows } from './text.ts';
import { wireRows } from './wire.ts';

/** All rows, by what is corrupted. */
export const chapters: readonly (readonly [title: string, rows: readonly Corruption[]])[] = [
  ['The text of the file', textRows],
  ['Types, twins and cases', structureRows],
  ['Signatures and keys', signatureRows],
  ['Versions and expiry', freshnessRows],
  ['What the parent states of the file', statementRows],
  ['What comes over the wire', wireRows],
];

export interface Cell {
  readonly corruption: Corruption;
  readonly role: RoleName;
  readonly situation: Situation;
  readonly expected: Outcome;
}

/** Gives the cells of a row that have a meaning, in the order of roles. */
export function cellsOf(corruption: Corruption): readonly Cell[] {
  return roles.flatMap((role) =>
    situations.flatMap((situation) => {
      const expected = corruption.expected[role]?.[situation];
      return expected === undefined ? [] : [{ corruption, role, situation, expected }];
    }),
  );
}

/** Thousands of commits, each of which waits for the disk, where there is one to wait for. */
const inMemory = ['/dev/shm'].find((directory) => existsSync(directory));
const notaryName = 'main';
const image = parseImageReference(`${gun}:${tag}`);

/** The trust room with its real notary and state, in which one cell after the other is tried. */
export class Matrix {
  readonly #notary: LyingNotary;
  readonly #client: NotaryClient;
  readonly #directory = mkdtempSync(join(inMemory ?? tmpdir(), 'tufgate-matrix-'));
  readonly #store = new SqliteTrustStore(join(this.#directory, 'state.db'));
  readonly #verifier = new SignatureVerifier();

  private constructor(notary: LyingNotary) {
    this.#notary = notary;
    this.#client = new NotaryClient(
      { name: notaryName, url: notary.url, auth: 'anonymous', ca: undefined },
      60_000,
    );
  }

  static async start(): Promise<Matrix> {
    return new Matrix(await LyingNotary.start({ gunPrefix: 'reg.test/', now: () => now }));
  }

  async close(): Promise<void> {
    await this.#client.close();
    await this.#store.close();
    await this.#notary.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Makes the corruption and pulls; gives the outcome, and behind it, in words, what else is not as it has to be. */
  async find({ corruption, role, situation }: Cell): Promise<string> {
    this.#notary.behave();
    await this.#store.forget(notaryName, gun);
    const repository = beginRepository();
    this.#notary.server.serve(gun, repository.files);
    const trust = this.#newTrust();
    const ask = async (): Promise<string> => outcomeOf(await trust.resolveTag(this.#anchor, tagOf(tag)));
    if (situation === 'warm') {
      repository.publish();
      repository.touch();
      repository.publish();
      const control = await ask();
      if (control !== 'signed') return `${control} before anything was wrong`;
      repository.touch();
    }
    const before = await this.#stored();
    const versions = new Map(roles.map((name) => [name, repository.version(name)]));
    corruption.make(
      {
        repository,
        situation,
        fault: (name, fault, which) => void this.#notary.fault('app', name, fault, which),
      },
      role,
    );
    repository.publish();

    const found = await ask();
    const complaints = ['polluted' in {} ? 'Object.prototype is polluted' : ''];
    if (found !== 'signed' && found !== 'fallback') {
      const stands = corruption.rootStands(role);
      complaints.push(changeOf(before, await this.#stored(), stands ? repository : undefined));
      this.#notary.behave();
      if (!corruption.onTheWire) publishHonestly(repository, versions, stands);
      const mended = await ask();
      if (mended !== 'signed') complaints.push(`${mended} with honest files`);
    }
    return [found, ...complaints].filter((text) => text !== '').join(', but ');
  }

  get #anchor() {
    const pin = { kind: 'keys', ids: pinned } as const;
    return { notary: notaryName, gun, pin, signers: [], checkEvery: 0, outageGrace: 0 };
  }

  #stored(): Promise<StoredRecord | undefined> {
    return this.#store.load(notaryName, gun);
  }

  #newTrust(): NotaryTrust {
    return new NotaryTrust({
      notaries: new Map([[notaryName, this.#client]]),
      store: this.#store,
      verifier: this.#verifier,
      limits: {
        rootBytes: limits.root,
        timestampBytes: limits.timestamp,
        snapshotBytes: limits.snapshot,
        targetsBytes: limits.targets,
        rootRotations: 256,
        retryAfter: 0,
      },
      now: () => now,
    });
  }
}

/** The next version of every file, made as it should be; a root that was refused is made again. */
function publishHonestly(
  repository: SigningRepository,
  versions: ReadonlyMap<RoleName, number>,
  stands: boolean,
): void {
  for (const role of roles) {
    const before = versions.get(role) ?? 0;
    if (role !== 'root') repository.setVersion(role, Math.max(before, repository.version(role)) + 1);
    else if (stands) repository.touch(role);
    else repository.setVersion(role, before + 1);
  }
  repository.publish();
}

const rule: Rule = {
  match: 'reg.test/**',
  mode: 'enforce',
  digests: 'signed',
  trust: {
    notary: notaryName,
    gunTemplate: '',
    pin: { kind: 'first-use' },
    signers: [],
    checkEvery: 0,
    outageGrace: 0,
  },
};

/** The word for an answer, as policy decides on it. */
function outcomeOf(answer: TrustAnswer): string {
  if (image === undefined) throw new TypeError(`${gun}:${tag} is no image`);
  const verdict = decide(image, rule, gun, answer);
  if (verdict.kind === 'unjudged') return verdict.kind;
  if (verdict.kind !== 'allow') return verdict.reason;
  const { digest, target } = verdict;
  if (digest === released.digest && target.role === 'targets/releases') return 'signed';
  return digest === outdated.digest && target.role === 'targets' ? 'fallback' : `${digest} of ${target.role}`;
}

/** What a refusal changed in the state that it may not have: nothing but the newest root of `standing` may be there. */
function changeOf(
  before: StoredRecord | undefined,
  after: StoredRecord | undefined,
  standing: SigningRepository | undefined,
): string {
  const newest = standing?.files.current('root')?.bytes;
  const roots = [...(before?.roots ?? []), ...(newest === undefined ? [] : [newest])];
  const found = after?.roots.length ?? 0;
  if (found !== roots.length) return `the state has ${found} roots, not ${roots.length}`;
  if (newest === undefined && before?.revision !== after?.revision) return 'the state was written';
  return print(after?.roots ?? [], after) === print(roots, before) ? '' : 'the state changed';
}

function print(roots: readonly Uint8Array[], record: StoredRecord | undefined): string {
  const files = [...(record?.files ?? [])].map(([role, { floor, bytes }]) => [role, floor, hex(bytes)]);
  return JSON.stringify([roots.map(hex), files, record?.confirmedAt ?? 0]);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
