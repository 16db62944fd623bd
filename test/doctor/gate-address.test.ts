import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GateAddress } from '../../src/doctor/gate-address.ts';

const tls = [{ cert: '', key: '' }];

test('the gate is its public_url, and else where it listens; everywhere is this machine', () => {
  const listen = { host: '0.0.0.0', port: 5000 };
  assert.deepEqual(new GateAddress({ publicUrl: 'https://gate.example/', listen, tls: [] }).origins, ['https://gate.example']); // prettier-ignore
  const here = ['http://127.0.0.1:5000', 'http://localhost:5000', 'http://[::1]:5000'];
  assert.deepEqual(new GateAddress({ publicUrl: undefined, listen, tls: [] }).origins, here);
  const named = { host: '10.0.0.7', port: 443 };
  assert.deepEqual(new GateAddress({ publicUrl: undefined, listen: named, tls }).origins, [
    'https://10.0.0.7',
  ]);
});

test('an address is the gate only if scheme, host and port are, and every parser reads it so', () => {
  const gate = new GateAddress({ publicUrl: 'https://gate.example', listen: { host: '', port: 1 }, tls: [] });
  for (const text of [
    'https://gate.example',
    'https://GATE.example:443/',
    'https://gate.example/v2/docker.io',
    'gate.example',
  ]) {
    assert.equal(gate.isUrl(text), true, text);
  }
  for (const text of [
    'http://gate.example',
    'https://gate.example:8443',
    'https://gate.example@hub.example',
    'https://gate.example\\@hub.example',
    'https://gate.example#@hub.example',
    'https://gate.example.hub.example',
    'HTTPS://gate.example',
    ' https://gate.example',
    'https:gate.example',
    '',
  ]) {
    assert.equal(gate.isUrl(text), false, text);
  }
});

test('a location of containers/image is the gate by host and port', () => {
  const gate = new GateAddress({
    publicUrl: 'http://gate.example:5000',
    listen: { host: '', port: 1 },
    tls: [],
  });
  for (const text of ['gate.example:5000', 'gate.example:5000/docker.io', 'GATE.example:5000/a/b']) {
    assert.equal(gate.isLocation(text), true, text);
  }
  for (const text of [
    'gate.example',
    'gate.example:50001',
    'x@gate.example:5000',
    'http://gate.example:5000',
    '',
  ]) {
    assert.equal(gate.isLocation(text), false, text);
  }
});
