// The query of a request target, and the forms that come as a body (application/x-www-form-urlencoded), read in one way.

export type QueryParameter = readonly [name: string, value: string];

const queryText = /^[A-Za-z0-9._~!$'()*,;:@/?%+=&-]*$/;

/** Takes the text after `?`; gives its parameters, each decoded exactly once, or undefined if it does not decode. */
export function parseQuery(text: string): QueryParameter[] | undefined {
  if (text === '') return [];
  if (!queryText.test(text)) return undefined;
  const parameters: QueryParameter[] = [];
  for (const pair of text.split('&')) {
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    const value = decode(equals < 0 ? '' : pair.slice(equals + 1));
    if (name === undefined || value === undefined) return undefined;
    parameters.push([name, value]);
  }
  return parameters;
}

/** Takes parameters; gives their text with the `?` before it, or nothing for none. */
export function printQuery(query: readonly QueryParameter[]): string {
  if (query.length === 0) return '';
  return `?${query.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&')}`;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return undefined; // A broken escape is no parameter of any endpoint.
  }
}
