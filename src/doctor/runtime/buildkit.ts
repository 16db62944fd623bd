import type { Report } from '../finding.ts';
import { listed, placeOf } from '../finding.ts';
import type { NodeFiles } from '../node-files.ts';
import { at, elementsOf, membersOf, tomlOf } from '../tree.ts';
import { homesOf } from './podman.ts';

/** Looks at buildkitd.toml, root's and every user's. BuildKit has no mirror that does not fall back. */
export function examineBuildkit(report: Report, node: NodeFiles): void {
  const users = homesOf(node).map((home) => `${home}/.config/buildkit/buildkitd.toml`);
  const files = ['/etc/buildkit/buildkitd.toml', ...users].filter((path) => node.exists(path));
  if (files.length === 0) {
    const program = node.program('buildkitd');
    if (program === undefined) report.skipped('buildkit', 'no buildkitd and no buildkitd.toml');
    else report.ok('buildkit', { file: program, line: null }, 'no buildkitd.toml, so no mirrors');
  }
  for (const path of files) {
    report.examine('buildkit', { file: path, line: null }, 'no mirrors', () => {
      const file = node.read(path);
      if (file === undefined) return;
      const mirrored = membersOf(at(tomlOf(file), 'registry'))
        .filter(([, registry]) => elementsOf(at(registry, 'mirrors')).length > 0)
        .map(([name]) => name);
      if (mirrored.length === 0) return;
      const finding = `the mirrors of ${listed(mirrored)} fall back to the registry itself on any error`;
      report.open('buildkit-mirrors', placeOf(file, 'mirrors'), finding);
    });
  }
}
