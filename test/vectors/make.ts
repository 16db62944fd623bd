// Writes own.json anew: `node test/vectors/make.ts`. A test compares the two.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ownVectors } from './own-vectors.ts';

writeFileSync(join(import.meta.dirname, 'own.json'), ownVectors());
