import type { JsonObject, JsonValue } from '../../src/demo/signing/signed-file.ts';
import { canonicalJson } from '../../src/demo/signing/signed-file.ts';

// Places in a metadata file, and changes to its text that no JSON value has.

/** Takes a value and a path of names and indices, `<key>` being the first name; gives the object or array there, as
 * something to change by name. Throws TypeError if there is none. */
export function at(start: JsonValue, path: readonly string[]): JsonObject {
  let here: JsonValue | undefined = start;
  for (const name of path) here = isHolder(here) ? here[realName(here, name)] : undefined;
  if (!isHolder(here)) throw new TypeError(`nothing at ${path.join('.')}`);
  return here;
}

/** Takes a value and the path of one of its members; gives what holds the member, and the member's name there. */
export function holderOf(start: JsonValue, path: readonly string[]): { holder: JsonObject; name: string } {
  const holder = at(start, path.slice(0, -1));
  return { holder, name: realName(holder, path.at(-1) ?? '') };
}

/** Gives the member at a path another value; undefined takes it away. */
export function put(start: JsonValue, path: readonly string[], value: JsonValue | undefined): void {
  const { holder, name } = holderOf(start, path);
  if (value === undefined) delete holder[name];
  else holder[name] = value;
}

/** Adds a member of any name, `__proto__` too, as one of the object's own. */
export function own(object: JsonObject, name: string, value: JsonValue): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

/** Takes a finished file, whose text is canonical, and the path of a member; writes the member twice in a row. */
export function twice(file: Buffer, path: readonly string[], second?: JsonValue): string {
  const { text, name, value } = memberIn(file, path);
  return replaced(text, member(name, value), `${member(name, value)},${member(name, second ?? value)}`);
}

/** The same with another name, or with a second member of that name. */
export function renamed(file: Buffer, path: readonly string[], other: string, isBeside: boolean): string {
  const { text, name, value } = memberIn(file, path);
  const first = isBeside ? `${member(name, value)},` : '';
  return replaced(text, member(name, value), first + member(other, value));
}

/** Takes a text that has `part`; gives it with `other` in its first place. Throws TypeError if it has not. */
export function replaced(text: string, part: string, other: string): string {
  if (!text.includes(part)) throw new TypeError(`the file has no ${part.slice(0, 60)}`);
  return text.replace(part, () => other);
}

function memberIn(file: Buffer, path: readonly string[]): { text: string; name: string; value: JsonValue } {
  const text = file.toString();
  const { holder, name } = holderOf(JSON.parse(text) as JsonObject, path);
  const value = holder[name];
  if (value === undefined) throw new TypeError(`nothing at ${path.join('.')}`);
  return { text, name, value };
}

function member(name: string, value: JsonValue): string {
  return `${JSON.stringify(name)}:${canonicalJson(value)}`;
}

function realName(holder: JsonObject, name: string): string {
  return name === '<key>' ? (Object.keys(holder)[0] ?? '') : name;
}

/** An array is changed by index as an object is by name. */
function isHolder(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null;
}
