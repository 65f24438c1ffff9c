"""The control plane as JSON over HTTP, and its errors."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from typing_extensions import Self

#: Timeout of an answer of the control plane in seconds, except for waits.
ANSWER_TIMEOUT = 30.0


class MynahError(Exception):
    """There is no server, it does not answer, or it refuses a call."""


class ControlError(MynahError):
    """The control plane refused a call: `status`, `message`, and the whole `answer`."""

    def __init__(self, call: str, status: int, answer: Any) -> None:
        message = answer.get("error") if isinstance(answer, dict) else None
        self.status = status
        self.message = str(answer if message is None else message)
        self.answer = answer
        hint = ""
        if status in (401, 403):
            hint = " (the control plane's token goes into MYNAH_ADMIN_TOKEN)"
        super().__init__(f"{call}: {status}: {self.message}{hint}")


class Control:
    """A client of the control plane of the server at `url`.

    It uses one connection per call, so threads may share it, and ignores proxies of the
    environment. `error_suffix` is added to the error if the server does not answer.
    """

    def __init__(
        self,
        url: str,
        admin_token: str | None = None,
        *,
        error_suffix: Callable[[], str] = lambda: "",
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise MynahError(f"{url!r} is no URL of a server: http://127.0.0.1:4310 is one")
        self.url = url.rstrip("/")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._below = f"{parts.path.rstrip('/')}/_mynah"
        self._token = admin_token
        self._error_suffix = error_suffix

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        timeout: float = ANSWER_TIMEOUT,
    ) -> Any:
        """Calls `path` below `/_mynah`; returns the answer's JSON, `None` if it has no body.

        Parameters of `query` that are `None` are left out. Raises `ControlError` if the server
        refuses, `MynahError` if it does not answer within `timeout` seconds.
        """
        target = f"{self._below}/{path}"
        parameters = {name: value for name, value in (query or {}).items() if value is not None}
        if parameters:
            target += f"?{urlencode(parameters)}"
        status, answer = self._exchange(method, target, body, timeout)
        if not 200 <= status < 300:
            raise ControlError(f"{method} {self.url}/_mynah/{path}", status, answer)
        return answer

    def _exchange(self, method: str, target: str, body: Any, timeout: float) -> tuple[int, Any]:
        # Changes need a JSON content type, even without a body.
        headers = {"content-type": "application/json"}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        content = None if body is None else json.dumps(body).encode()
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=timeout)
        try:
            connection.request(method, target, content, headers)
            response = connection.getresponse()
            return response.status, _parsed(response.read())
        except (OSError, http.client.HTTPException) as error:
            reason = f"{type(error).__name__}: {error}"
            raise MynahError(
                f"no answer from {self.url}: {reason}{self._error_suffix()}"
            ) from error
        finally:
            connection.close()


class Removable:
    """An item of an account at `path`. Used in a `with`, it is removed at the end."""

    def __init__(self, call: Callable[..., Any], path: str) -> None:
        self._call = call
        self._path = path

    def remove(self) -> None:
        """Removes it; does nothing if it is already gone."""
        try:
            self._call("DELETE", self._path)
        except ControlError as error:
            if error.status != 404:
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()


def segment(text: str) -> str:
    """Escapes `text` as one segment of a path."""
    return quote(text, safe="")


def _parsed(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")
