import assert from 'node:assert/strict';
import { before, after, test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import { denyReasons } from '../../src/policy/reason.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import type { Cell } from './matrix.ts';
import { cellsOf, chapters } from './matrix.ts';
import { prepare, tag } from './fixture.ts';

// Cells of the matrix through the door that a client uses: the whole proxy, its state, and real manifests.

const released = buildImage('released');
const outdated = buildImage('outdated');

/** Every so many cells of those that need no key of the matrix's own repository. */
const stride = 89;
const cells = chapters
  .filter(([title]) => title !== 'Versions and expiry')
  .flatMap(([, rows]) => rows.flatMap(cellsOf))
  .filter((_, index) => index % stride === 0);
