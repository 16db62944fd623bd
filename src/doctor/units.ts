import type { Place } from './finding.ts';
import type { NodeFiles, TextFile } from './node-files.ts';

// How systemd starts a runtime (systemd.unit(5)): what stands on the command line overrides or adds to its files.

const folders = [
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
  '/run/systemd/system',
  '/etc/systemd/system',
];
/** Where distributions let a unit read its variables from. */
const variables = ['/etc/default', '/etc/sysconfig'];

export interface Setting {
  readonly place: Place;
  readonly value: string;
}

export class Units {
  readonly #words: readonly Setting[];

  /** Takes names of services, without `.service`. Throws FileError. */
  constructor(node: NodeFiles, ...names: readonly string[]) {
    this.#words = names.flatMap((name) => {
      // The last folder wins for the unit itself; drop-ins of every folder count.
      const paths = folders.toReversed().map((folder) => `${folder}/${name}.service`);
      const unit = paths.map((path) => node.read(path)).find((file) => file !== undefined);
      const dropIns = folders.flatMap((folder) => {
        const below = `${folder}/${name}.service.d`;
        const files = node.list(below).filter((file) => file.endsWith('.conf'));
        return files.map((file) => node.read(`${below}/${file}`));
      });
      return [
        ...[unit, ...dropIns].flatMap((file) => linesOf(file, /^\s*(?:ExecStart|Environment)=/)),
        ...variables.flatMap((folder) => linesOf(node.read(`${folder}/${name}`), /^\s*[A-Za-z]/)),
      ].flatMap(wordsOf);
    });
  }

  /** Gives every value of an option, written `--option value` or `--option=value`; empty if it has none. */
  option(...names: readonly string[]): readonly Setting[] {
    return this.#words.flatMap(({ place, value: word }, index) => {
      const name = names.find((long) => word === long || word.startsWith(`${long}=`));
      if (name === undefined) return [];
      const next = this.#words[index + 1]?.value ?? '-';
      const apart = next.startsWith('-') ? '' : next;
      return [{ place, value: word === name ? apart : word.slice(name.length + 1) }];
    });
  }

  /** Gives the last value of an option that is an absolute path. */
  path(...names: readonly string[]): string | undefined {
    return this.option(...names).findLast(({ value }) => value.startsWith('/'))?.value;
  }

  /** Gives every value of a variable, whichever way its name is written. */
  variable(name: string): readonly Setting[] {
    return this.#words.flatMap(({ place, value: word }) => {
      const isIt = word.toLowerCase().startsWith(`${name.toLowerCase()}=`) && word.length > name.length + 1;
      return isIt ? [{ place, value: word.slice(name.length + 1) }] : [];
    });
  }
}

/** Gives the lines that begin like this, and those that continue them. */
function linesOf(file: TextFile | undefined, begin: RegExp): Setting[] {
  let isContinued = false;
  return (file?.text ?? '').split('\n').flatMap((value, index) => {
    const counts = isContinued || begin.test(value);
    isContinued = counts && value.endsWith('\\');
    return counts ? [{ place: { file: file?.path ?? '', line: index + 1 }, value }] : [];
  });
}

function wordsOf({ place, value: line }: Setting): Setting[] {
  // `ExecStart=` and `DOCKER_OPTS=` stand before the first word; variables of the runtime itself keep their names.
  return line
    .replace(/^\s*(?:ExecStart|Environment|[A-Z_]*(?:OPTS|OPTIONS|ARGS|FLAGS))=/, '')
    .split(/[\s"'\\]+/)
    .filter((word) => word !== '')
    .map((word) => ({ place, value: word }));
}
