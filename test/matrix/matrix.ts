import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { SigningRepository } from '../../src/demo/signing-repository.ts';
import { readSigned } from '../../src/demo/signing/signed-file.ts';
import { parseImageReference } from '../../src/oci/reference.ts';
import { decide } from '../../src/policy/verdict.ts';
import type { Rule } from '../../src/policy/rule.ts';
import { NotaryClient } from '../../src/trust/notary-client.ts';
import { NotaryTrust } from '../../src/trust/notary-trust.ts';
import { SqliteTrustStore } from '../../src/trust/sqlite-trust-store.ts';
import type { TrustAnswer } from '../../src/trust/trust.ts';
import type { StoredRecord, TrustRecord } from '../../src/trust/trust-store.ts';
import { SignatureVerifier } from '../../src/tuf/key/signature.ts';
import { tagOf } from '../trust/trust-world.ts';
import { LyingNotary } from '../world/lying-notary.ts';
import type { Corruption, Outcome, Place, RoleName, Situation } from './corruption.ts';
import { roles, situations } from './corruption.ts';
import { beginRepository, gun, limits, now, outdated, pinned, released, tag } from './fixture.ts';
import { freshnessRows } from './freshness.ts';
import { signatureRows } from './signatures.ts';
import { statementRows } from './statements.ts';
import { structureRows } from './structure.ts';
import { textRows } from './text.ts';
import { wireRows } from './wire.ts';
import { MemorySignedLedger } from '../trust/memory-signed-ledger.ts';

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

  /** What is stored once the honest version is trusted; its files are the same for every cell. */
  #trusted: TrustRecord | undefined;

  private constructor(notary: LyingNotary) {
    this.#notary = notary;
    this.#client = new NotaryClient(
      { name: notaryName, url: notary.url, auth: 'anonymous', tokenRealm: undefined, ca: undefined },
      60_000,
    );
  }

  static async start(): Promise<Matrix> {
    const matrix = new Matrix(await LyingNotary.start({ gunPrefix: 'reg.test/', now: () => now }));
    matrix.#serve('warm');
    const control = await matrix.#ask();
    if (control !== 'signed') throw new TypeError(`the honest version is ${control}`);
    matrix.#trusted = await matrix.#stored();
    return matrix;
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
    const repository = this.#serve(situation);
    if (situation === 'warm' && this.#trusted !== undefined)
      await this.#store.commit(notaryName, gun, 0, this.#trusted);
    const before = await this.#stored();
    const versions = new Map(roles.map((name) => [name, repository.version(name)]));
    // Everything is newer, so that nothing is refused for standing still.
    if (situation === 'warm') repository.touch();
    const fault: Place['fault'] = (name, made, which) => void this.#notary.fault('app', name, made, which);
    corruption.make({ repository, situation, fault }, role);
    repository.publish();

    const found = await this.#ask();
    const complaints = ['polluted' in {} ? 'Object.prototype is polluted' : ''];
    if (found !== 'signed' && found !== 'fallback') {
      const stands = corruption.rootStands(role);
      complaints.push(changeOf(before, await this.#stored(), stands ? repository : undefined));
      this.#notary.behave();
      if (!corruption.onTheWire) publishHonestly(repository, versions, stands);
      const mended = await this.#ask();
      if (mended !== 'signed') complaints.push(`${mended} with honest files`);
    }
    return [found, ...complaints].filter((text) => text !== '').join(', but ');
  }

  /** An honest repository, in the warm situation with two versions of each role published. */
  #serve(situation: Situation): SigningRepository {
    const repository = beginRepository();
    this.#notary.server.serve(gun, repository.files);
    if (situation === 'cold') return repository;
    repository.publish();
    repository.touch();
    repository.publish();
    return repository;
  }

  /** Pulls in a process that has just begun, with the state there is. */
  async #ask(): Promise<string> {
    const pin = { kind: 'keys', ids: pinned } as const;
    const anchor = { notary: notaryName, gun, pin, signers: [], checkEvery: 0, outageGrace: 0 };
    return outcomeOf(await this.#newTrust().resolveTag(anchor, tagOf(tag)));
  }

  #stored(): Promise<StoredRecord | undefined> {
    return this.#store.load(notaryName, gun);
  }

  #newTrust(): NotaryTrust {
    return new NotaryTrust({
      notaries: new Map([[notaryName, this.#client]]),
      store: this.#store,
      ledger: new MemorySignedLedger(),
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

/** The next version of every file, made as it should be; a root that does not stand is made again. `versions` are those of
 * before the corruption. */
export function publishHonestly(
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
  tags: 'signed',
  keep: 0,
  exceptions: [],
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
  const { digest, standing } = verdict;
  if (standing.kind !== 'signed') return standing.kind;
  const { target } = standing;
  if (digest === released.digest && target.role === 'targets/releases') return 'signed';
  return digest === outdated.digest && target.role === 'targets' ? 'fallback' : `${digest} of ${target.role}`;
}

/**
 * What a refusal changed in the state that it may not have: nothing but the newest root of `standing` may be there, which
 * is the same root whatever stands around its signed part.
 */
function changeOf(
  before: StoredRecord | undefined,
  after: StoredRecord | undefined,
  standing: SigningRepository | undefined,
): string {
  const newest = standing?.files.current('root')?.bytes;
  if (newest === undefined) {
    if (before?.revision !== after?.revision) return 'the state was written';
    return print(after?.roots ?? [], after) === print(before?.roots ?? [], before) ? '' : 'the state changed';
  }
  const [last, ...earlier] = [...(after?.roots ?? [])].toReversed();
  if (last === undefined || earlier.length !== (before?.roots.length ?? 0))
    return `the state has ${after?.roots.length ?? 0} roots`;
  if (!isDeepStrictEqual(readSigned(last), readSigned(newest))) return 'the state has another root';
  return print(earlier.toReversed(), after) === print(before?.roots ?? [], before) ? '' : 'the state changed';
}

function print(roots: readonly Uint8Array[], record: StoredRecord | undefined): string {
  const files = [...(record?.files ?? [])].map(([role, { floor, bytes }]) => [role, floor, hex(bytes)]);
  return JSON.stringify([roots.map(hex), files, record?.confirmedAt ?? 0]);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
