/** What a token is asked for (distribution's token scopes): `repository:<name>:<action>,<action>`. */
export interface Scope {
  /** As it stands: a repository's name, to Docker Content Trust with its host before it. */
  readonly name: string;
  readonly actions: readonly Action[];
}
export type Action = 'pull' | 'push' | 'delete' | '*';

const actions: readonly Action[] = ['pull', 'push', 'delete', '*'];
const scope = /^repository:([A-Za-z0-9._:/-]{1,511}):([a-z*,]{1,64})$/;

/** Takes `scope` parameters, each with one or more scopes between spaces; gives those of repositories. Others, as
 * `registry:catalog:*`, are for what is not carried. */
export function parseScopes(texts: readonly string[]): readonly Scope[] {
  return texts
    .flatMap((text) => text.split(' '))
    .flatMap((text) => {
      const [, name, asked = ''] = scope.exec(text) ?? [];
      if (name === undefined) return [];
      const known = actions.filter((action) => asked.split(',').includes(action));
      return known.length === 0 ? [] : [{ name, actions: known }];
    });
}

/** Takes a scope; gives its text. */
export function printScope({ name, actions: asked }: Scope): string {
  return `repository:${name}:${asked.join(',')}`;
}
