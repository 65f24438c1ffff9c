// Builds dist/: ES modules, and CommonJS for jest, which runs tests as CommonJS by default.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(dirname(fileURLToPath(import.meta.url)));
rmSync('dist', { recursive: true, force: true });
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
for (const kind of ['esm', 'cjs']) {
  execFileSync(process.execPath, [tsc, '-p', `tsconfig.${kind}.json`], { stdio: 'inherit' });
}
writeFileSync('dist/cjs/package.json', '{"type": "commonjs"}\n');
