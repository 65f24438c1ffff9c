module.exports = {
  globalSetup: '@mynah/testing/global-setup',
  globalTeardown: '@mynah/testing/global-teardown',
};
