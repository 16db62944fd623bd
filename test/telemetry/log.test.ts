import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { createLog } from '../../src/telemetry/log.ts';

class Page extends Writable {
  readonly isTTY: boolean;
  text = '';

  constructor(isTTY = false) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
  }

  override _write(chunk: string, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk;
    done();
  }

  get record(): Record<string, unknown> {
    return JSON.parse(this.text) as Record<string, unknown>;
  }
}

const hostile = 'v1"\r\n{"level":"info","msg":"allowed"}\u001b[2J\u009b2J\u0085\u2028\u202e\u007f\\';

test('a record is one line of JSON with level, time, fields and message', () => {
  const page = new Page();
  createLog(page).warn(
    { registry: 'docker.io', status: 403, reason: null, missing: ['targets/a'] },
    'refused',
  );
  const { time, ...rest } = page.record;
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(rest, {
    level: 'warn',
    registry: 'docker.io',
    status: 403,
    reason: null,
    missing: ['targets/a'],
    msg: 'refused',
  });
  assert.equal(page.text.indexOf('\n'), page.text.length - 1);
});

test('what a client wrote stays inside its field: no new record, no terminal escape', () => {
  const page = new Page();
  createLog(page).info({ agent: hostile }, hostile);
  assert.match(page.text, /^[\u0020-\u007e]+\n$/);
  assert.equal(page.record['agent'], hostile);
  assert.equal(page.record['msg'], hostile);
});

test('on a terminal a record is a readable line', () => {
  const page = new Page(true);
  createLog(page).info(
    { tag: '3.22', why: 'two words', status: 200, missing: ['a b'], none: undefined },
    'allowed',
  );
  assert.match(
    page.text,
    /^\d\d:\d\d:\d\d\.\d{3} INFO {2}allowed tag=3\.22 why="two words" status=200 missing=\["a b"\]\n$/,
  );
});

test('on a terminal control characters are shown, not obeyed', () => {
  const page = new Page(true);
  createLog(page).error({ agent: hostile }, hostile);
  assert.match(page.text, /^[\u0020-\u007e]+\n$/);
  assert.ok(page.text.includes(String.raw`\u001b[2J\u009b2J\u0085\u2028\u202e\u007f`));
});

test('an error is logged with its causes, and without the members that libraries hang on it', () => {
  const cause = Object.assign(new Error('refused'), {
    code: 'ECONNREFUSED',
    headers: { authorization: 'secret' },
  });
  const error = new TypeError('no answer', { cause });
  const page = new Page();
  createLog(page).error({ error }, 'failed');
  assert.deepEqual(page.record['error'], {
    name: 'TypeError',
    message: 'no answer',
    stack: error.stack,
    cause: { name: 'Error', message: 'refused', code: 'ECONNREFUSED' },
  });
  const terminal = new Page(true);
  createLog(terminal).error({ error }, 'failed');
  assert.match(terminal.text, / ERROR failed error="TypeError: no answer <- Error: refused"\n$/);
});

test('an error that is its own cause is logged', () => {
  const error = new Error('loop');
  error.cause = error;
  const page = new Page();
  createLog(page).error({ error }, 'failed');
  assert.equal(page.record['level'], 'error');
});

test('a reader that stops reading costs records, not memory, and is told how many', async () => {
  const held: (() => void)[] = [];
  let text = '';
  const output = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      text += chunk;
      held.push(done);
    },
  });
  const log = createLog(output);
  for (let i = 0; i < 3000; i += 1) log.info({ padding: 'x'.repeat(1000) }, 'filler');
  assert.ok(output.writableLength < 1024 * 1024 + 4096, String(output.writableLength));

  while (output.writableLength > 0) {
    held.shift()?.();
    await new Promise(setImmediate);
  }
  log.info({}, 'reading again');
  while (output.writableLength > 0) {
    held.shift()?.();
    await new Promise(setImmediate);
  }
  const records = text.trimEnd().split('\n');
  const { dropped, level } = JSON.parse(records.at(-1) ?? '') as { dropped: number; level: string };
  assert.equal(level, 'warn');
  assert.equal(records.filter((line) => line.includes('filler')).length + dropped, 3000);
  assert.ok(records.at(-2)?.includes('reading again'));
});

test('a reader that closes the pipe does not end the process', async () => {
  const program = `
    import { createLog } from ${JSON.stringify(new URL('../../src/telemetry/log.ts', import.meta.url).href)};
    const log = createLog(process.stdout);
    log.info({}, 'first');
    process.stdin.on('data', () => { for (let i = 0; i < 100; i += 1) log.info({ i }, 'into the void'); });
    process.stdin.on('end', () => { log.info({}, 'last'); process.exitCode = 7; });
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
  await once(child.stdout, 'data');
  child.stdout.destroy();
  await once(child.stdout, 'close');
  for (let i = 0; i < 10; i += 1) await new Promise((resolve) => child.stdin.write('go', resolve));
  child.stdin.end();
  const [code] = (await once(child, 'exit')) as [number];
  assert.equal(complaints, '');
  assert.equal(code, 7);
});
