/** One file of a client, whole. */
export interface ClientFile {
  /** Where it goes, or what it is. */
  readonly path: string;
  /** Said beside the path. */
  readonly note?: string;
  readonly language: 'toml' | 'yaml' | 'json' | 'sh';
  readonly text: string;
  /** Why nothing in it falls back; a comment at its end, or after it where the language has none. */
  readonly why: string;
}

/** Some files that belong together, and what is to be known of them. */
export interface Part {
  readonly heading: string;
  readonly prose: readonly string[];
  readonly files: readonly ClientFile[];
}

/** How one runtime is made to pull through the gate, and in no other way. */
export interface Recipe {
  readonly title: string;
  readonly parts: readonly Part[];
  /** Where credentials go. */
  readonly login: readonly string[];
  /** What the files cannot close. */
  readonly outside: readonly string[];
  /** What the proxy's configuration lacks for this runtime; the files refuse until it is there. */
  readonly problems: readonly string[];
}

const width = 100;

/** What every recipe leaves to the network. */
export const egressRule =
  'Allow nodes to reach the gate and no registry: root, another tool and a file of the user can each undo a configuration.';

/** Takes text; gives it in the double quotes that JSON, TOML and YAML read alike. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}

/** Takes text; gives it as one word of a shell. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_.:/=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Takes a file; gives what is in it, the comment at its end included. */
export function content({ language, text, why }: ClientFile): string {
  return language === 'json' ? text : `${text}\n${comment(why)}\n`;
}

/** Takes a recipe; gives it for a terminal and a shell: each file under its path, and all else a comment. */
export function printRecipe({ title, parts, login, outside }: Recipe, url: string): string {
  const paragraphs = (lines: readonly string[]): string => lines.map((line) => comment(line)).join('\n#\n');
  return [
    comment(`${title}: through ${url}, or not at all.`),
    ...parts.flatMap(({ heading, prose, files }) => [
      paragraphs([`== ${heading} ==`, ...prose]),
      ...files.map((file) => `${headerOf(file)}\n${contentAndWhy(file)}`),
    ]),
    paragraphs(['== Credentials ==', ...login]),
    `${paragraphs(['== What lies outside ==', ...outside.map((line) => `- ${line}`)])}\n`,
  ].join('\n\n');
}

function headerOf({ path, note }: ClientFile): string {
  return `# ${path}${note === undefined ? '' : ` (${note})`}`;
}

function contentAndWhy(file: ClientFile): string {
  const { language, why } = file;
  return (language === 'json' ? `${content(file)}${comment(why)}` : content(file)).trimEnd();
}

function comment(text: string): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + word.length > width - 3) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.map((line) => `# ${line}`).join('\n');
}
