/**
 * Whether pulls should be sent here. A notary that is down does not count: cached answers and other notaries still
 * serve, and with every replica unready the refusals would lose their reasons.
 */
export type Readiness = 'ready' | 'draining' | 'STATE_UNAVAILABLE';

/** Gives the body of /livez. */
export function livenessBody(version: string): string {
  return JSON.stringify({ status: 'alive', version });
}

/** Gives the body of /readyz: `reason` is null, `draining`, or the reason that pulls are refused with. */
export function readinessBody(readiness: Readiness): string {
  return readiness === 'ready'
    ? JSON.stringify({ status: 'ready', reason: null })
    : JSON.stringify({ status: 'unready', reason: readiness });
}
