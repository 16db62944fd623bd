import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import type { ImageReference } from '../oci/reference.ts';
import { printReference } from '../oci/reference.ts';
import { gunOf, ruleFor } from '../policy/rule.ts';
import type { Rule } from '../policy/rule.ts';
import { DownloadError } from '../trust/download-error.ts';
import { NotaryClient } from '../trust/notary-client.ts';
import { scopeOf } from '../trust/notary-trust.ts';
import { SqliteTrustStore } from '../trust/sqlite-trust-store.ts';
import { SqliteSignedLedger } from '../trust/state/sqlite-signed-ledger.ts';
import type { StoredRecord } from '../trust/trust-store.ts';
import { StateError } from '../trust/trust-store.ts';
import { RepositoryError } from '../tuf/error.ts';
import { knownIds } from '../tuf/key/key.ts';
import type { Root } from '../tuf/metadata.ts';
import { readRoot } from '../tuf/metadata.ts';
import { imageIn, notAnImage } from './image.ts';
import { exit, printable } from './output.ts';

type Write = (text: string) => void;
type JudgedRule = Extract<Rule, { mode: 'enforce' | 'audit' }>;

/** Which GUN at which notary speaks for an image. */
interface Subject {
  readonly config: Config;
  readonly image: ImageReference;
  readonly rule: JudgedRule;
  readonly gun: string;
}

/** Prints what is trusted of an image now; gives the exit status: 1 if nothing is. Throws ConfigError and StateError. */
export async function trustShow(
  text: string,
  configPath: string,
  { json, write }: { readonly json: boolean; readonly write: Write },
): Promise<number> {
  const subject = subjectOf(text, configPath);
  if (subject === undefined) return exit.usage;
  const record = await withStore(subject.config, (store) =>
    store.load(subject.rule.trust.notary, subject.gun),
  );
  if (json) write(`${JSON.stringify(recordAsJson(subject, record))}\n`);
  else write(recordAsText(subject, record));
  return record === undefined ? exit.refused : exit.ok;
}

/** Prints a pin of the root that the notary serves now; gives the exit status. Nothing is verified or stored. */
export async function trustPin(text: string, configPath: string, write: Write): Promise<number> {
  const subject = subjectOf(text, configPath);
  if (subject === undefined) return exit.usage;
  const { config, rule, gun } = subject;
  const notary = config.notaries.get(rule.trust.notary);
  if (notary === undefined) throw new TypeError(`no notary ${rule.trust.notary}`);
  const client = new NotaryClient(notary, config.limits.downloadTimeout);
  try {
    const limit = { most: config.limits.rootBytes, excess: 'MALFORMED', fresh: true } as const;
    const root = readRoot(await client.of(gun).fetch('root', limit));
    write(pinAsText(subject, root));
    return exit.ok;
  } catch (error) {
    if (error instanceof DownloadError || error instanceof RepositoryError) {
      const isMissing = error instanceof DownloadError && error.failure === 'missing';
      const finding = isMissing ? `notary ${notary.name} has no trust data for ${gun}` : error.message;
      process.stderr.write(`${printable(`tufgate: no root to pin: ${finding}`)}\n`);
      return error instanceof RepositoryError || isMissing ? exit.refused : exit.undecided;
    }
    throw error;
  } finally {
    await client.close();
  }
}

/** Forgets what is trusted of an image, after asking; gives the exit status. Throws ConfigError and StateError. */
export async function trustReset(
  text: string,
  configPath: string,
  { yes, write }: { readonly yes: boolean; readonly write: Write },
): Promise<number> {
  const subject = subjectOf(text, configPath);
  if (subject === undefined) return exit.usage;
  const { config, rule, gun } = subject;
  return withStore(config, async (store) => {
    const record = await loadEvenDamaged(store, rule.trust.notary, gun);
    if (record !== 'damaged') write(recordAsText(subject, record));
    if (record === undefined) return exit.ok;
    const start =
      rule.trust.pin.kind === 'first-use'
        ? 'and whoever signed it (first_use)'
        : `if the pin of rule ${rule.match} fits`;
    write(
      `Forgetting ${gun} gives up its protection against rollback: whatever the notary serves next\n` +
        `is trusted however old it is, ${start}.\n`,
    );
    if (!yes && !(await confirmed(gun))) return exit.refused;
    await store.forget(rule.trust.notary, gun);
    // What was signed by whoever is not trusted any more is not to be kept either.
    await withLedger(config, (ledger) => ledger.forget(scopeOf({ ...rule.trust, gun })));
    write(`Forgot ${gun}.\n`);
    return exit.ok;
  });
}

/** Keeps a digest no longer that is not signed any more, whatever the rule's `keep` says; gives the exit status. Throws
 * ConfigError and StateError. */
export async function trustRevoke(text: string, configPath: string, write: Write): Promise<number> {
  const subject = subjectOf(text, configPath);
  if (subject === undefined) return exit.usage;
  const { config, image, rule, gun } = subject;
  if (image.identifier.kind !== 'digest') {
    process.stderr.write('tufgate: revoke takes a digest: IMAGE@sha256:…\n');
    return exit.usage;
  }
  const { digest } = image.identifier;
  const outcome = await withLedger(config, (ledger) =>
    ledger.revoke(scopeOf({ ...rule.trust, gun }), digest),
  );
  switch (outcome) {
    case 'revoked':
      write(`${digest} of ${gun} is kept no longer.\n`);
      return exit.ok;
    case 'still-signed':
      write(`${digest} of ${gun} is signed: take its tag away first (docker trust revoke, notary remove).\n`);
      return exit.refused;
    case 'unknown':
      write(
        `${digest} of ${gun} was never seen signed itself: to end what it stands on, revoke the digest that the tag meant.\n`,
      );
      return exit.refused;
  }
}

async function withLedger<Result>(
  { statePath }: Config,
  use: (ledger: SqliteSignedLedger) => Promise<Result>,
): Promise<Result> {
  const ledger = new SqliteSignedLedger(statePath);
  try {
    return await use(ledger);
  } finally {
    await ledger.close();
  }
}

async function loadEvenDamaged(
  store: SqliteTrustStore,
  notary: string,
  gun: string,
): Promise<StoredRecord | 'damaged' | undefined> {
  try {
    return await store.load(notary, gun);
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    // A damaged record is a reason to reset, and not one against it.
    process.stderr.write(`tufgate: ${error.message}\n`);
    return 'damaged';
  }
}

function subjectOf(text: string, configPath: string): Subject | undefined {
  const config = loadConfig(configPath, process.env);
  const image = imageIn(config, text);
  if (image === undefined) {
    process.stderr.write(`tufgate: ${notAnImage(config, text)}\n`);
    return undefined;
  }
  const rule = ruleFor(config.rules, image.registry, image.repository);
  if (rule === undefined || !('trust' in rule)) {
    const { registry, repository } = image;
    const found = rule === undefined ? 'no rule matches it' : `${rule.match} is mode ${rule.mode}`;
    const name = printReference({ registry, repository });
    process.stderr.write(`tufgate: no rule asks a notary about ${name}: ${found}\n`);
    return undefined;
  }
  return { config, image, rule, gun: gunOf(rule.trust, image.registry, image.repository) };
}

async function withStore<Result>(
  config: Config,
  use: (store: SqliteTrustStore) => Promise<Result>,
): Promise<Result> {
  const store = new SqliteTrustStore(config.statePath);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** Asks for the GUN itself, so that no habit answers. Without a terminal there is nobody to ask. */
async function confirmed(gun: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    process.stderr.write(
      'tufgate: no terminal to ask on: nothing was forgotten; --yes forgets without asking\n',
    );
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  terminal.setPrompt(`Type ${gun} to forget it: `);
  terminal.prompt();
  // Ctrl-D and Ctrl-C close it without a line.
  const [answer] = (await Promise.race([once(terminal, 'line'), once(terminal, 'close')])) as [string?];
  terminal.close();
  if (answer !== gun) process.stderr.write('\ntufgate: nothing was forgotten\n');
  return answer === gun;
}

function recordAsJson({ gun, rule }: Subject, record: StoredRecord | undefined) {
  const newest = record?.roots.at(-1);
  return {
    gun,
    notary: rule.trust.notary,
    trusted: record !== undefined,
    root:
      newest === undefined
        ? null
        : { version: readRoot(newest).version, keys: readRoot(newest).roles.root.keys.map(({ id }) => id) },
    confirmedAt:
      record === undefined || record.confirmedAt === 0 ? null : new Date(record.confirmedAt).toISOString(),
    floors: [...(record?.files ?? [])].map(([role, { floor }]) => ({
      role,
      version: floor.version,
      sha256: floor.sha256,
    })),
  };
}

function recordAsText(subject: Subject, record: StoredRecord | undefined): string {
  const { gun, notary, root, confirmedAt, floors } = recordAsJson(subject, record);
  if (root === null) return `${gun} at notary ${notary}: nothing is trusted yet\n`;
  return [
    `${gun} at notary ${notary}`,
    `  root version ${root.version}, keys ${root.keys.join(', ')}`,
    ...floors.map(({ role, version, sha256 }) => `  ${role} at least version ${version}, SHA-256 ${sha256}`),
    confirmedAt === null ? '  never verified as a whole' : `  verified as a whole at ${confirmedAt}`,
    '',
  ].join('\n');
}

function pinAsText({ gun, rule }: Subject, root: Root): string {
  const { keys, threshold } = root.roles.root;
  const ids = keys.map((key) => knownIds(key)[0]);
  return [
    `# Root version ${root.version} of ${gun}, as the notary serves it now, unverified: ask its publisher whether`,
    `# these are the root keys (docker trust inspect, notary key list) before you paste them into rule ${rule.match}.`,
    ...(threshold > 1 ? [`# ${threshold} of them have to sign.`] : []),
    'root:',
    `  keys: [${ids.join(', ')}]`,
    '',
  ].join('\n');
}
