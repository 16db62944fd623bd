import type { Reading } from './value.ts';
import { readUsername } from './value.ts';

/** Above this cost one guess at a password keeps a core busy for seconds. */
const [cheapest, dearest] = [4, 14];
const bcrypt = /^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$/;

/**
 * Takes the text of an htpasswd file (Apache's `htpasswd -B`); gives the bcrypt hash of each user. A message names the
 * line and what is wrong with it, never what it says: a weak hash is nearly the password.
 */
export function readHtpasswd(text: string): Reading<ReadonlyMap<string, string>> {
  const users = new Map<string, string>();
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const wrong = (why: string): Reading<never> => ({ problem: `names a file whose line ${at + 1} ${why}` });
    const colon = line.indexOf(':');
    const user = readUsername(line.slice(0, Math.max(colon, 0)));
    if ('problem' in user) return wrong('does not begin with a user name and a colon');
    const hash = line.slice(colon + 1);
    const cost = bcrypt.exec(hash)?.[1];
    if (cost === undefined) return wrong('has no bcrypt hash ($2y$, $2a$ or $2b$), as htpasswd -B makes it');
    if (Number(cost) < cheapest || Number(cost) > dearest) {
      return wrong(`has a bcrypt hash whose cost is not from ${cheapest} to ${dearest}`);
    }
    if (users.has(user.value)) return wrong('names a user whom an earlier line names');
    users.set(user.value, hash);
  }
  return users.size > 0 ? { value: users } : { problem: 'names a file without a user' };
}
