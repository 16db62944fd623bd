import assert from 'node:assert/strict';
import { test } from 'node:test';
import { denyReasons } from '../../src/policy/reason.ts';
import type { Route } from '../../src/telemetry/metrics.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';

const options = { version: '1.2.3', registries: ['docker.io'], notaries: ['main'] };

async function series(metrics: Metrics, name: string): Promise<string[]> {
  const text = await metrics.text();
  return text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
}

/** The series that moved, without those still at 0. */
async function counted(metrics: Metrics, name: string): Promise<string[]> {
  return (await series(metrics, name)).filter((line) => !line.endsWith(' 0'));
}

test('build_info names the version and the Node that runs it', async () => {
  assert.deepEqual(await series(new Metrics(options), 'tufgate_build_info'), [
    `tufgate_build_info{version="1.2.3",node="${process.versions.node}"} 1`,
  ]);
});

test('each reason of an enforced refusal starts at 0, so that the first one shows in a rate', async () => {
  const presets = await series(new Metrics(options), 'tufgate_pulls_total');
  for (const reason of denyReasons) {
    const mode = reason === 'NO_RULE' ? 'none' : reason === 'RULE_DENY' ? 'deny' : 'enforce';
    const wanted = `tufgate_pulls_total{registry="docker.io",mode="${mode}",verdict="deny",reason="${reason}"} 0`;
    assert.ok(presets.includes(wanted), wanted);
  }
});

test('one pull moves one series by one', async () => {
  const metrics = new Metrics(options);
  metrics.pull({ registry: 'docker.io', mode: 'enforce', verdict: 'deny', reason: 'ROLLBACK' });
  metrics.pull({ registry: 'docker.io', mode: 'enforce', verdict: 'allow', reason: undefined });
  assert.deepEqual((await counted(metrics, 'tufgate_pulls_total')).toSorted(), [
    'tufgate_pulls_total{registry="docker.io",mode="enforce",verdict="allow",reason=""} 1',
    'tufgate_pulls_total{registry="docker.io",mode="enforce",verdict="deny",reason="ROLLBACK"} 1',
  ]);
});

test('requests, refreshes, upstream requests, caches and disagreements are counted under their labels', async () => {
  const metrics = new Metrics(options);
  metrics.request('manifest', 'GET', 403);
  metrics.pullDuration('deny', 0.2);
  metrics.trustRefresh('main', 'invalid', 0.2);
  metrics.upstreamRequest('docker.io', 404, 0.2);
  metrics.upstreamRequest('docker.io', 'error', 0.2);
  metrics.cacheRequest('manifest', 'hit');
  metrics.signatureDisagreement();
  const text = await metrics.text();
  for (const line of [
    'tufgate_requests_total{route="manifest",method="GET",code="403"} 1',
    'tufgate_pull_duration_seconds_bucket{le="0.1",verdict="deny"} 0',
    'tufgate_pull_duration_seconds_bucket{le="0.25",verdict="deny"} 1',
    'tufgate_trust_refresh_total{notary="main",result="invalid"} 1',
    'tufgate_trust_refresh_duration_seconds_count{notary="main"} 1',
    'tufgate_upstream_requests_total{registry="docker.io",code="404"} 1',
    'tufgate_upstream_requests_total{registry="docker.io",code="error"} 1',
    'tufgate_upstream_request_duration_seconds_count{registry="docker.io"} 2',
    'tufgate_cache_requests_total{cache="manifest",result="hit"} 1',
    'tufgate_signature_disagreements_total 1',
  ]) {
    assert.ok(text.includes(`${line}\n`), `${line}\nin\n${text}`);
  }
});

test('disagreements are visible at 0 before the first', async () => {
  assert.deepEqual(await series(new Metrics(options), 'tufgate_signature_disagreements_total'), [
    'tufgate_signature_disagreements_total 0',
  ]);
});

test('invented methods, statuses and names do not grow the number of series', async () => {
  const metrics = new Metrics(options);
  const routes: Route[] = ['manifest', 'unknown'];
  for (let i = 0; i < 5000; i += 1) {
    for (const route of routes) metrics.request(route, `PURGE${i}`, 600 + i);
    metrics.pull({ registry: `r${i}.example`, mode: 'none', verdict: 'deny', reason: 'NO_RULE' });
    metrics.trustRefresh(`n${i}`, 'ok', 0);
    metrics.upstreamRequest(`r${i}.example`, 700 + i, 0);
  }
  assert.deepEqual(await series(metrics, 'tufgate_requests_total'), [
    'tufgate_requests_total{route="manifest",method="other",code="other"} 5000',
    'tufgate_requests_total{route="unknown",method="other",code="other"} 5000',
  ]);
  assert.deepEqual(await counted(metrics, 'tufgate_pulls_total'), [
    'tufgate_pulls_total{registry="other",mode="none",verdict="deny",reason="NO_RULE"} 5000',
  ]);
  assert.deepEqual(await series(metrics, 'tufgate_trust_refresh_total'), [
    'tufgate_trust_refresh_total{notary="other",result="ok"} 5000',
  ]);
  assert.deepEqual(await series(metrics, 'tufgate_upstream_requests_total'), [
    'tufgate_upstream_requests_total{registry="other",code="other"} 5000',
  ]);
});

test('every metric carries the prefix, and two instances share nothing', async () => {
  const one = new Metrics(options);
  const two = new Metrics(options);
  one.signatureDisagreement();
  const names = (await two.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  assert.deepEqual(
    names.filter((line) => !line.startsWith('tufgate_')),
    [],
  );
  assert.deepEqual(await series(two, 'tufgate_signature_disagreements_total'), [
    'tufgate_signature_disagreements_total 0',
  ]);
});
