"""The request log (docs/control.md, "Request log"): read, waited for, asserted on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mynah_testing import report
from mynah_testing.control import ANSWER_TIMEOUT, ControlError
from mynah_testing.matching import check, misses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Unpack

    from mynah_testing.matching import Wanted

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
        return report.headline(self)


class Journal:
    """The request log of an account.

    A request is recorded before its client has the end of the answer, so a test that has its
    answer can assert at once. Requests in the background are waited for.
    """

    def __init__(self, call: Callable[..., Any], account: str) -> None:
        self._call = call
        self._account = account

    def requests(self, **wanted: Unpack[Wanted]) -> list[Request]:
        """Lists the matching requests, oldest first."""
        check(wanted)
        came, _ = self._read(wanted)
        return [request for request in came if not misses(request, wanted)]

    @property
    def last(self) -> int:
        """The number of the latest request, for `since`; 0 if there is none."""
        return int(self._call("GET", "requests", query={"limit": 0})["last"])

    def clear(self) -> None:
        """Clears the log; numbers continue."""
        self._call("DELETE", "requests")

    def wait_for(
        self, count: int = 1, *, timeout: float = 5.0, **wanted: Unpack[Wanted]
    ) -> list[Request]:
        """Waits until `count` requests match, and returns them.

        Existing entries count. Fails like an assertion after `timeout` seconds of real time. It
        blocks: in a coroutine, use `asyncio.to_thread`.
        """
        __tracebackhide__ = True
        check(wanted)
        deadline = time.monotonic() + timeout
        found: list[Request] = []
        seen = wanted.get("since", 0)
        while len(found) < count:
            came = self._next(seen, deadline - time.monotonic())
            if not came:
                came, dropped = self._read(wanted)
                head = f"{len(found)} of {count} requests came within {timeout:g} s"
                raise AssertionError(self._failure(head, wanted, came, dropped))
            seen = came[-1].number
            found += [request for request in came if not misses(request, wanted)]
        return found

    def assert_requested(self, **wanted: Unpack[Wanted]) -> list[Request]:
        """Fails unless at least one request matches; returns the matching ones.

        The failure lists the requests received, and where the nearest miss differs.
        """
        __tracebackhide__ = True
        check(wanted)
        came, dropped = self._read(wanted)
        found = [request for request in came if not misses(request, wanted)]
        if not found:
            raise AssertionError(self._failure("no request was like this", wanted, came, dropped))
        return found

    def assert_not_requested(self, **wanted: Unpack[Wanted]) -> None:
        """Fails if a request matches; without criteria, if there is any request."""
        __tracebackhide__ = True
        self.assert_request_count(0, **wanted)

    def assert_request_count(self, count: int, **wanted: Unpack[Wanted]) -> list[Request]:
        """Fails unless exactly `count` requests match; returns them.

        Also fails if the log has evicted requests, since those may have matched.
        """
        __tracebackhide__ = True
        check(wanted)
        came, dropped = self._read(wanted)
        found = [request for request in came if not misses(request, wanted)]
        if len(found) != count:
            numbers = ", ".join(f"#{request.number}" for request in found)
            which = f" ({numbers})" if found else ""
            head = f"{len(found)} requests{which} were like this, {count} were wanted"
            raise AssertionError(self._failure(head, wanted, came, dropped))
        if dropped:
            head = f"{count} requests were like this, but {dropped} are no longer in the journal"
            raise AssertionError(self._failure(head, wanted, came, dropped))
        return found

    def describe(self) -> str:
        """Formats the latest requests, with what answered them."""
        came, dropped = self._read({})
        return report.journal(came, dropped)

    def _read(self, wanted: Mapping[str, Any]) -> tuple[list[Request], int]:
        """Returns the requests after `since`, and how many were evicted."""
        answer = self._call("GET", "requests", query={"since": wanted.get("since")})
        return [Request(entry) for entry in answer["requests"]], int(answer["dropped"])

    def _next(self, after: int, patience: float) -> list[Request]:
        """Waits for requests after this number; returns none if the time is over."""
        milliseconds = round(min(max(patience, 0.0), _LONGEST_WAIT) * 1000)
        try:
            answer = self._call(
                "GET",
                "requests/wait",
                query={"since": after, "timeout": f"{milliseconds}ms"},
                timeout=milliseconds / 1000 + ANSWER_TIMEOUT,
            )
        except ControlError as error:
            if error.status != 408:
                raise
            return []
        return [Request(entry) for entry in answer["requests"]]

    def _failure(
        self, head: str, wanted: Mapping[str, Any], came: list[Request], dropped: int
    ) -> str:
        return report.failure(f"{head}, of {self._account}", wanted, came, dropped)
