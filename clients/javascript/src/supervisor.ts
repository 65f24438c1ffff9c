/**
 * Starts the server as its child and ends it when standard input ends: that happens when the test
 * process closes it, and just as well when the test process is killed. So no server is left behind,
 * and a SIGTERM can never meet another process that was given the same number.
 *
 * It is handed to Node as text (`node -e`), so that it is found wherever this package lies, bundled
 * or not. Its arguments are the patience in milliseconds, the binary, and the binary's arguments.
 */
export const SUPERVISOR = `
const { spawn } = require('node:child_process');
const [patience, binary, ...args] = process.argv.slice(1);
const server = spawn(binary, args, { stdio: ['ignore', 'inherit', 'inherit'] });
const stop = () => {
  server.kill('SIGTERM');
  setTimeout(() => server.kill('SIGKILL'), Number(patience)).unref();
};
server.on('error', (fault) => {
  process.exitCode = 127;
  process.stderr.write('cannot start: ' + fault.message + '\\n', () => process.exit());
});
server.on('exit', (code) => process.exit(code ?? 1));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
process.stdin.resume().on('end', stop).on('error', stop);
`;
