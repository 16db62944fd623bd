// The corruption matrix as a table, expected against found: `npm run test:matrix`.
import { cellsOf, chapters, Matrix } from './matrix.ts';

const matrix = await Matrix.start();
let [cells, differences] = [0, 0];
for (const [title, rows] of chapters) {
  console.log(`\n## ${title}\n`);
  for (const corruption of rows) {
    for (const cell of cellsOf(corruption)) {
      const found = await matrix.find(cell);
      cells += 1;
      const isSame = found === cell.expected;
      if (!isSame) differences += 1;
      const what = corruption.what.length > 62 ? `${corruption.what.slice(0, 59)}...` : corruption.what;
      const row = [what.padEnd(62), cell.role.padEnd(16), cell.situation, cell.expected.padEnd(21), found];
      console.log(`${isSame ? ' ' : '!'} ${row.join(' | ')}`);
    }
  }
}
await matrix.close();
console.log(`\n${cells} cells, ${differences} differences`);
process.exitCode = differences > 0 ? 1 : 0;
