import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { cellsOf, chapters, Matrix } from './matrix.ts';
import { roles, situations } from './corruption.ts';

// `npm run test:matrix` prints the same cells as a table.

let matrix: Matrix;
before(async () => {
  matrix = await Matrix.start();
});
after(() => matrix.close());

for (const [title, rows] of chapters) {
  describe(title, () => {
    for (const corruption of rows) {
      const cells = cellsOf(corruption);
      const outcomes = [...new Set(cells.map(({ expected }) => expected))].join(' or ');
      test(`${corruption.what}: ${outcomes}, as it stands in the table, and no other state`, async () => {
        const found: string[] = [];
        for (const cell of cells) found.push(`${cell.role}, ${cell.situation}: ${await matrix.find(cell)}`);
        assert.deepEqual(
          found,
          cells.map(({ role, situation, expected }) => `${role}, ${situation}: ${expected}`),
        );
      });
    }
  });
}

test('every role meets corruptions of every chapter that has any for it, in both situations', () => {
  for (const [title, rows] of chapters) {
    for (const role of roles) {
      if (role === 'timestamp' && title.startsWith('What the parent states')) continue;
      for (const situation of situations) {
        const cells = rows
          .flatMap(cellsOf)
          .filter((cell) => cell.role === role && cell.situation === situation);
        assert.ok(cells.length >= 15, `${title}: ${role}, ${situation} has ${cells.length} cells`);
      }
    }
  }
});

test('no corruption stands in the table twice', () => {
  const cells = chapters.flatMap(([title, rows]) =>
    rows
      .flatMap(cellsOf)
      .map(({ corruption, role, situation }) => `${title}: ${corruption.what}, ${role}, ${situation}`),
  );
  assert.deepEqual(
    cells.filter((cell, index) => cells.indexOf(cell) !== index),
    [],
  );
});
