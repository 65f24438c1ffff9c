/** The code under test: a client of the Runner API that retries a 503. */
exports.ask = async function ask(url, key, text) {
  for (let tries = 1; ; tries += 1) {
    const answer = await fetch(`${url}/YOUR_DEPLOYMENT_ID`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key },
      body: JSON.stringify({ content: [{ type: 'text', text }] }),
    });
    if (answer.ok) return (await answer.json()).content;
    if (tries === 3) throw new Error(`turned away with ${answer.status}`);
  }
};
