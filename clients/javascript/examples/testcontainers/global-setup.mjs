import { GenericContainer, Wait } from 'testcontainers';

const TOKEN = 'for-this-run';
let container;

export async function setup() {
  container = await new GenericContainer('mynah:local')
    .withEnvironment({
      MYNAH_ADMIN_TOKEN: TOKEN,
      MYNAH_DATABASE: 'sqlite::memory:',
      MYNAH_SEED: '1',
      MYNAH_PACE: '0',
    })
    .withExposedPorts(4310)
    .withWaitStrategy(Wait.forLogMessage(/Ready on /))
    .start();
  process.env.MYNAH_URL = `http://${container.getHost()}:${container.getMappedPort(4310)}`;
  process.env.MYNAH_ADMIN_TOKEN = TOKEN;
}

export async function teardown() {
  await container.stop();
}
