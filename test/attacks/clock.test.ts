import { attacks } from './attack.ts';
import { refused, served } from './expected.ts';
import { good } from './attack.ts';
import { day, hour } from './lies.ts';

// The clock of the machine (attacks of group S). It is trusted: no signature says what time it is. What can be shown is
// that a wrong one leaves nothing behind, and that nothing is kept as fresh across it.

const years = 365 * day;
const ahead = (milliseconds: number, title: string) => ({
  id: 'S-29',
  title: `a clock ${title} ahead finds everything expired, and when it is right again nothing has changed`,
  world: {},
  warm: refused('EXPIRED'),
  lie: ({ world }: { world: { clock: { advance: (by: number) => void } } }) =>
    world.clock.advance(milliseconds),
  mend: ({ world }: { world: { clock: { advance: (by: number) => void } } }) =>
    world.clock.advance(-milliseconds),
});

attacks('the clock', [
  ahead(15 * day, 'fifteen days'),
  ahead(20 * years, 'twenty years'),
  {
    id: 'S-28',
    title: 'a clock that went back an hour makes nothing fresh: the notary is asked again, and confirms',
    world: { rule: { check_every: '30m', outage_grace: '2h' } },
    warm: served(good),
    lie: ({ world }) => world.clock.advance(-hour),
  },
  {
    id: 'S-28',
    title: 'a clock that went back an hour bridges no outage, as nobody knows how old the last answer is',
    world: { rule: { check_every: '30m', outage_grace: '2h' } },
    warm: refused('NOTARY_UNAVAILABLE'),
    lie: async ({ world }) => {
      world.clock.advance(-hour);
      await world.notary.close();
    },
    mend: 'never',
  },
  {
    id: 'S-28',
    title: 'a clock from before the root was made finds no certificate within its dates',
    world: {},
    warm: refused('EXPIRED'),
    lie: ({ world }) => world.clock.advance(-30 * day),
    mend: ({ world }) => world.clock.advance(30 * day),
  },
]);
