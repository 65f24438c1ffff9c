import { Mynah } from '@mynah/testing';

export default async function setup() {
  const mynah = await Mynah.start({ flags: { strict: true } });
  process.env['MYNAH_URL'] = mynah.url;
  return () => mynah.stop();
}
