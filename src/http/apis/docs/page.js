// Shows one of the two OpenAPI documents, ready to be tried on the server that serves the page.
"use strict";

// The demo account's keys (README.md), by the kind of the security scheme that takes them.
const KEYS = { apiKey: "YOUR_API_KEY", http: "your_api_key_here" };

const room = new URLSearchParams(location.search).get("api") === "characters" ? "characters" : "runner";
const text = (format) => new URL(`openapi/${room}.${format}`, location.href).href;

async function show() {
  const answer = await fetch(text("json"));
  if (!answer.ok) throw new Error(`the document is answered with ${answer.status}`);
  const spec = await answer.json();
  // Where this page comes from can be reached, and its policy allows no other place.
  const here = new URL("..", location.href).href.replace(/\/$/, "");
  spec.servers = [{ url: here }];
  document.title = `${spec.info.title} – Mynah`;
  const ui = SwaggerUIBundle({
    spec,
    dom_id: "#document",
    deepLinking: true,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    onComplete() {
      const schemes = Object.entries(spec.components?.securitySchemes ?? {});
      for (const [name, { type }] of schemes) ui.preauthorizeApiKey(name, KEYS[type]);
    },
  });
}

document.querySelector(`nav a[href="?api=${room}"]`).setAttribute("aria-current", "page");
for (const format of ["yaml", "json"]) document.getElementById(format).href = text(format);
show().catch((fault) => {
  document.getElementById("document").textContent = `${fault}`;
});
