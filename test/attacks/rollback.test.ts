import { attacks, evil } from './attack.ts';
import { refused, served } from './expected.ts';
import { good } from './attack.ts';

attacks('arbitrary', [
  {
    id: 'T-02',
    title: 'a tag that the registry moves still means what was signed',
    warm: served(good),
    cold: served(good),
    lie: ({ world, name }) => {
      world.registry.put(name, evil, '1.0');
    },
  },
  {
    id: 'T-03',
    title: 'a tag that nobody signed is refused',
    warm: refused('TAG_NOT_SIGNED'),
    cold: refused('TAG_NOT_SIGNED'),
    lie: () => ':9.9',
  },
]);
