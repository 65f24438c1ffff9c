"""The request log (docs/control.md, "Request log"): read, waited for, asserted on."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mynah_testing.control import ANSWER_TIMEOUT, ControlError
from mynah_testing.pattern import SplitPattern

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Unpack

    from mynah_testing.pattern import RequestPattern

#: The longest wait of the server in seconds.
_LONGEST_WAIT = 600.0


@dataclass(frozen=True)
class Request:
    """A recorded request; `entry` is the complete JSON."""

    entry: Mapping[str, Any]

    @property
    def number(self) -> int:
        """Its number, from 1."""
        return int(self.entry["number"])

    @property
    def method(self) -> str:
        """`GET`, `POST` …."""
        return str(self.entry["method"])

    @property
    def path(self) -> str:
        """Its path, without the query."""
        return str(self.entry["path"])

    @property
    def query(self) -> str | None:
        """The query without the `?`, as sent."""
        query: str | None = self.entry["query"]
        return query

    @property
    def headers(self) -> Mapping[str, Any]:
        """Its headers, names in lower case, keys `[redacted]`."""
        headers: Mapping[str, Any] = self.entry["headers"]
        return headers

    @property
    def body(self) -> Any:
        """An object if it was a JSON object, else its text; `None` if it was not read."""
        return self.entry["body"]

    @property
    def body_cut(self) -> bool:
        """Whether only the beginning of the body was recorded."""
        return bool(self.entry.get("body_cut", False))

    @property
    def status(self) -> int | None:
        """The answer's status; `None` if there was no answer."""
        answer = self.entry["answer"]
        return None if answer is None else int(answer["status"])

    @property
    def answer(self) -> Mapping[str, Any] | None:
        """The answer: `status`, `headers`, `body`, and `words` of a stream."""
        answer: Mapping[str, Any] | None = self.entry["answer"]
        return answer

    @property
    def end(self) -> str:
        """How it ended: `complete`, `broken` (by the server) or `hung_up` (by the client)."""
        return str(self.entry["end"])

    @property
    def model(self) -> Mapping[str, Any] | None:
        """What the model was shown and what answered; `None` if no model was used."""
        model: Mapping[str, Any] | None = self.entry["model"]
        return model

    @property
    def rule(self) -> str | None:
        """The rule that answered, or `queue`; `None` for neither."""
        rule: str | None = (self.model or {}).get("rule")
        return rule

    @property
    def fault(self) -> Mapping[str, Any] | None:
        """The fault that took effect."""
        fault: Mapping[str, Any] | None = self.entry["fault"]
        return fault

    def __str__(self) -> str:
        return f"{self.number} {self.method} {self.path} → {self.status or 'no answer'}"


class Journal:
    """The request log of an account.

    A request is recorded before its client has the end of the answer, so a test that has its
    answer can assert at once. Requests in the background are waited for.
    """

    def __init__(self, call: Callable[..., Any], account: str) -> None:
        self._call = call
        self._account = account

    def requests(self, **pattern: Unpack[RequestPattern]) -> list[Request]:
        """Lists the matching requests, oldest first."""
        found, _ = self._matching(SplitPattern(pattern))
        return found

    @property
    def last(self) -> int:
        """The number of the latest request, for `since`; 0 if there is none."""
        return int(self._call("GET", "requests", query={"limit": 0})["last"])

    def clear(self) -> None:
        """Clears the log; numbers continue."""
        self._call("DELETE", "requests")

    def wait_for(
        self, count: int = 1, *, timeout: float = 5.0, **pattern: Unpack[RequestPattern]
    ) -> list[Request]:
        """Waits until `count` requests match, and returns them.

        Existing entries count. Fails like an assertion after `timeout` seconds of real time. It
        blocks: in a coroutine, use `asyncio.to_thread`.
        """
        __tracebackhide__ = True
        wanted = SplitPattern(pattern)
        deadline = time.monotonic() + timeout
        found, listing = self._matching(wanted)
        last = max(int(listing["last"]), wanted.since)
        while len(found) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                head = f"{len(found)} of {count} requests came within {timeout:g} s"
                raise AssertionError(self._failure(head, wanted))
            entries = self._next(wanted, last, left)
            found += _matching(wanted, entries)
            last = entries[-1]["number"] if entries else last
        return found

    def assert_requested(self, **pattern: Unpack[RequestPattern]) -> list[Request]:
        """Fails unless at least one request matches; returns the matching ones.

        The failure lists the requests received, and where the nearest miss differs.
        """
        __tracebackhide__ = True
        wanted = SplitPattern(pattern)
        found, _ = self._matching(wanted)
        if not found:
            raise AssertionError(self._failure("no request was like this", wanted))
        return found

    def assert_not_requested(self, **pattern: Unpack[RequestPattern]) -> None:
        """Fails if a request matches; without criteria, if there is any request."""
        __tracebackhide__ = True
        self.assert_request_count(0, **pattern)

    def assert_request_count(self, count: int, **pattern: Unpack[RequestPattern]) -> list[Request]:
        """Fails unless exactly `count` requests match; returns them.

        Also fails if the log has evicted requests, since those may have matched.
        """
        __tracebackhide__ = True
        wanted = SplitPattern(pattern)
        found, listing = self._matching(wanted)
        dropped = listing["dropped"]
        if len(found) != count:
            numbers = ", ".join(str(request.number) for request in found)
            which = f" ({numbers})" if found else ""
            head = f"{len(found)} requests{which} were like this, {count} were wanted"
            raise AssertionError(self._failure(head, wanted))
        if dropped:
            head = f"{count} requests were like this, but {dropped} are no longer in the log"
            raise AssertionError(self._failure(head, wanted))
        return found

    def describe(self) -> str:
        """Formats the latest requests, with the rules that nearly answered them."""
        report = self._reported({"limit": 0})["report"]
        # Without the conditions, of which there are none.
        return str(report[report.index("received ") :])

    def _matching(self, wanted: SplitPattern) -> tuple[list[Request], Mapping[str, Any]]:
        """Returns the matching requests, and the server's listing."""
        listing = self._call("GET", "requests", query=wanted.parameters)
        return _matching(wanted, listing["requests"]), listing

    def _next(self, wanted: SplitPattern, after: int, timeout: float) -> list[Mapping[str, Any]]:
        """Waits for an entry after this number; returns none if the time is over."""
        milliseconds = math.ceil(min(timeout, _LONGEST_WAIT) * 1000)
        try:
            answer = self._call(
                "GET",
                "requests/wait",
                query={**wanted.parameters, "since": after, "timeout": f"{milliseconds}ms"},
                timeout=milliseconds / 1000 + ANSWER_TIMEOUT,
            )
        except ControlError as error:
            if error.status != 408:
                raise
            return []
        entries: list[Mapping[str, Any]] = answer["requests"]
        return entries

    def _failure(self, head: str, wanted: SplitPattern) -> str:
        """Returns the server's report, and where the nearest request that it selected differs."""
        answer = self._reported(wanted.parameters)
        lines = [f"{head}, of {self._account}:", answer["report"]]
        differing = [(entry["number"], wanted.differences(entry)) for entry in answer["requests"]]
        others = [(number, places) for number, places in differing if places]
        if others:
            number, places = min(others, key=lambda other: len(other[1]))
            lines.append(f"request {number} differs only in what the test compares:")
            lines += [f"    {place}" for place in places]
        return "\n".join(lines)

    def _reported(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._call(
            "GET", "requests", query={**parameters, "report": "true"}
        )
        return answer


def _matching(wanted: SplitPattern, entries: list[Mapping[str, Any]]) -> list[Request]:
    return [Request(entry) for entry in entries if not wanted.differences(entry)]
