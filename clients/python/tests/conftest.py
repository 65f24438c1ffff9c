from __future__ import annotations

import http.client
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from mynah_testing import Account

pytest_plugins = ["pytester"]

REPOSITORY = Path(__file__).parents[3]

# Set here, before the plugin reads it, and so for the pytest in the pytest as well.
os.environ.setdefault("MYNAH_BINARY", str(REPOSITORY / "target" / "debug" / "mynah"))


class Client:
    """A client under test."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def ask(self, text: str, path: str = "YOUR_DEPLOYMENT_ID", **more: Any) -> tuple[int, Any]:
        body = {"content": [{"type": "text", "text": text}], **more}
        return self.send("POST", f"{self._account.runner_url}/{path}", body)

    def complete(self, text: str) -> tuple[int, Any]:
        body = {"llm_id": "model_abc123", "messages": [{"role": "user", "content": text}]}
        return self.send("POST", f"{self._account.characters_url}/completions", body)

    def send(self, method: str, url: str, body: Any = None) -> tuple[int, Any]:
        parts = urlsplit(url)
        assert parts.hostname
        headers = {"content-type": "application/json"}
        headers |= self._account.runner_headers | self._account.characters_headers
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        try:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            sent = None if body is None else json.dumps(body)
            connection.request(method, target, sent, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"null")
        finally:
            connection.close()


@pytest.fixture
def client(mynah_account: Account) -> Client:
    return Client(mynah_account)
