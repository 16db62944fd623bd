import type { Fault } from '../world/fault.ts';
import { hang, slow } from '../world/fault.ts';
import type { Attack } from './attack.ts';
import { attacks, evil } from './attack.ts';
import { refused } from './expected.ts';

// Slow retrieval (TUF §1.5.2): an answer that never ends because it hardly moves. One deadline is for the whole file:
// silence is not what is measured.

const roles = ['root', 'timestamp', 'snapshot', 'targets', 'targets/releases'] as const;
const drip = slow(250);
/** Informational answers, one after the other, and never the real one. */
const earlyHints: Fault = () => (response) => {
  const timer = setInterval(() => response.writeEarlyHints({ link: '</x>; rel=preload' }), 50);
  response.once('close', () => clearInterval(timer));
};
/** One byte of the head at a time. */
const slowHead: Fault = () => (response) => {
  const timer = setInterval(() => response.socket?.write('x'), 250);
  response.socket?.write('HTTP/1.1 200 OK\r\n');
  response.once('close', () => clearInterval(timer));
};

/** Each case takes the whole deadline, so that one request has to do. */
const once: NonNullable<Attack['ask']> = async ({ world, name }, image) => [
  { method: 'GET', answer: await world.proxy.pull(`${name}${image}`) },
];

attacks(
  'slow retrieval',
  [
    ...roles.map((role) => atNotary('U-22', `${role} that comes byte by byte`, role, drip)),
    atNotary('U-22', 'a timestamp that never comes', 'timestamp', hang),
    atNotary('U-22', 'a timestamp whose head comes byte by byte', 'timestamp', slowHead),
    atNotary('U-06', 'a timestamp behind informational answers without end', 'timestamp', earlyHints),
    atRegistry('U-22', 'a manifest that comes byte by byte', drip),
    atRegistry('U-22', 'a manifest that never comes', hang),
    atRegistry('U-06', 'a manifest behind informational answers without end', earlyHints),
  ],
  { config: { limits: { download_timeout: '1s' } } },
);

function atNotary(id: string, what: string, role: string, fault: Fault): Attack {
  return {
    id,
    title: `${what} is given up at the deadline`,
    warm: refused('NOTARY_UNAVAILABLE'),
    cold: refused('NOTARY_UNAVAILABLE', { roots: role === 'root' ? 0 : 1 }),
    lie: ({ world, name, repository }) => {
      repository.touch('targets', 'targets/releases');
      repository.publish();
      world.notary.fault(name, role, fault, ({ version }) => version === undefined);
    },
    ask: once,
  };
}

function atRegistry(id: string, what: string, fault: Fault): Attack {
  return {
    id,
    title: `${what} is given up at the deadline`,
    warm: refused('UPSTREAM_UNAVAILABLE'),
    cold: refused('UPSTREAM_UNAVAILABLE'),
    prepare: ({ repository }) => repository.sign('2.0', evil, 'targets/releases'),
    lie: ({ world, name }) => {
      world.registry.fault(name, `manifests/${evil.digest}`, fault);
      return ':2.0';
    },
    ask: once,
  };
}
