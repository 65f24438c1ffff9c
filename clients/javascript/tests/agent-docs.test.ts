/** The program in docs/agents.md prints what the page says. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { Mynah } from '../src/index.js';

const page = readFileSync(new URL('../../../docs/agents.md', import.meta.url), 'utf8');
const client = readFileSync(new URL('../examples/agent-chat.ts', import.meta.url), 'utf8');

/** The first code block in `language`. */
function block(language: string): string {
  return page.split(`\`\`\`${language}\n`)[1]?.split('```')[0] ?? '';
}

test('the program of docs/agents.md prints what the page says', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mynah-docs-'));
  const fixtures = join(folder, 'my-fixtures');
  execFileSync(process.env['MYNAH_BINARY'] ?? 'mynah', ['fixtures', 'export', fixtures]);
  writeFileSync(join(fixtures, 'a-orders.toml'), block('toml'));
  const mynah = await Mynah.start({ fixtures });
  try {
    const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
    const program = block('ts').replace('http://127.0.0.1:4310', mynah.url);
    for (const [name, source] of [['agent-chat.js', client], ['main.js', program]] as const) {
      writeFileSync(join(folder, name), ts.transpileModule(source, { compilerOptions: options }).outputText);
    }
    writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
    const printed = execFileSync(process.execPath, [join(folder, 'main.js')], { encoding: 'utf8' });
    expect(printed).toBe(block('text'));
  } finally {
    await mynah.stop();
    rmSync(folder, { recursive: true });
  }
});
