/**
 * Starts the server as its child and stops it when standard input ends: when the test process closes
 * it, or is killed. So no server is left running, and SIGTERM cannot hit another process with a reused
 * pid.
 *
 * It is passed to Node as text (`node -e`), so that it works wherever this package is, bundled or not.
 * Its arguments are the timeout in milliseconds, the binary, and the binary's arguments.
 */
export const SUPERVISOR = `
const { spawn } = require('node:child_process');
const [timeout, binary, ...args] = process.argv.slice(1);
const server = spawn(binary, args, { stdio: ['ignore', 'inherit', 'inherit'] });
const stop = () => {
  server.kill('SIGTERM');
  setTimeout(() => server.kill('SIGKILL'), Number(timeout)).unref();
};
server.on('error', (error) => {
  process.exitCode = 127;
  process.stderr.write('cannot start: ' + error.message + '\\n', () => process.exit());
});
server.on('exit', (code) => process.exit(code ?? 1));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
process.stdin.resume().on('end', stop).on('error', stop);
`;
