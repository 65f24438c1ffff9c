"""Patterns of requests: what the server compares, and what must be compared here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Iterator


class RequestPattern(TypedDict, total=False):
    """Criteria for requests; all given ones must match.

    docs/control.md says how the server compares them ("Patterns"). A value may also be a pattern of
    `re`, which the server searches, a function, or an object with an `__eq__` of its own, such as
    `unittest.mock.ANY`.

    - `api`: `runner` or `characters`. `method`: in any case. `route`: as in entries of the log.
    - `path`: exact, or a prefix with `*` at its end.
    - `query`: its text, or names and texts, among others.
    - `headers`: names in any case, among others. Keys are `[redacted]`.
    - `body`: a text is searched in all texts of the body; anything else is compared in part.
    - `status`: a number, or `"2xx"`, `"4xx"` and so on. `answer`: the body of the answer.
    - `model`: what the model was shown: `{"variables": {"TONE": "warm"}}`.
    - `end`: `complete`, `broken` or `hung_up`. `fault`: the name of the effect.
    - `since`: only requests after this number.
    """

    api: Literal["runner", "characters"]
    method: str | re.Pattern[str]
    path: str | re.Pattern[str]
    route: str | re.Pattern[str]
    query: str | Mapping[str, Any]
    headers: Mapping[str, Any]
    body: Any
    status: int | str | re.Pattern[str]
    answer: Any
    model: Any
    end: str
    fault: str | re.Pattern[str]
    since: int


#: Where a value is in an entry: a field name or an index for each step.
_Place = tuple["str | int", ...]

#: Stands for what cannot be sent.
_NOT_SENT = object()


class SplitPattern:
    """A pattern in two parts: `parameters` for the server, and conditions that cannot be sent."""

    def __init__(self, pattern: Mapping[str, Any]) -> None:
        unknown = pattern.keys() - RequestPattern.__annotations__.keys()
        if unknown:
            known = ", ".join(RequestPattern.__annotations__)
            raise TypeError(f"{', '.join(sorted(unknown))} is none of {known}")
        criteria = dict(pattern)
        self.since = int(criteria.pop("since", 0))
        self._local: list[tuple[_Place, Any]] = []
        sent = self._fields(criteria, ())
        self.parameters = {"match": json.dumps(sent), "since": self.since or None}

    def differences(self, entry: Mapping[str, Any]) -> list[str]:
        """Returns where an entry that the server selected differs; empty if it matches."""
        return [] if not self._local else list(self._differences(_values(entry)))

    def _differences(self, values: dict[str, Any]) -> Iterator[str]:
        for place, wanted in self._local:
            found: Any = values
            try:
                for step in place:
                    found = found[step]
            except (LookupError, TypeError):
                yield f"{_written(place)}: found nothing"
                continue
            if not _holds(wanted, found):
                yield f"{_written(place)}: found {json.dumps(found, ensure_ascii=False):.200}"

    def _sent(self, wanted: Any, place: _Place) -> Any:
        """Returns the JSON for the server; adds to `_local` what cannot be sent."""
        if wanted is None or isinstance(wanted, (str, int, float)):
            return wanted
        if isinstance(wanted, re.Pattern):
            return {"regex": _regex(wanted)}
        if isinstance(wanted, Mapping):
            # As the only field, one of these is an operator, but not as a parameter or header.
            is_operator = [*wanted] in (["equals"], ["contains"], ["regex"])
            if not is_operator or place in (("query",), ("headers",)):
                return self._fields(wanted, place)
            if _is_json(wanted):
                return {"equals": wanted}
        if isinstance(wanted, (list, tuple)):
            items = [self._sent(item, (*place, index)) for index, item in enumerate(wanted)]
            # The server has no pattern that matches any item.
            if _NOT_SENT not in items:
                return items
        self._local.append((place, wanted))
        return _NOT_SENT

    def _fields(self, wanted: Mapping[str, Any], place: _Place) -> dict[str, Any]:
        if place == ("headers",):
            wanted = {name.lower(): value for name, value in wanted.items()}
        sent = {name: self._sent(value, (*place, name)) for name, value in wanted.items()}
        return {name: value for name, value in sent.items() if value is not _NOT_SENT}


def _regex(wanted: re.Pattern[str]) -> str:
    """Converts to the syntax of the server, which refuses what it does not know."""
    if wanted.flags & ~(re.IGNORECASE | re.MULTILINE | re.DOTALL) != re.UNICODE:
        raise ValueError(f"{wanted!r}: only texts with the flags i, m and s can be sent")
    sent = "".join(flag for flag in "ims" if wanted.flags & re.RegexFlag[flag.upper()])
    return f"(?{sent}){wanted.pattern}" if sent else wanted.pattern


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


def _values(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of an entry by the names of their criteria, without missing ones."""
    answer, fault = entry["answer"] or {}, entry["fault"] or {}
    # Of a repeated parameter, the first counts.
    query = dict(reversed(parse_qsl(entry["query"] or "", keep_blank_values=True)))
    values = {
        **entry,
        "api": "runner" if entry["path"].startswith("/v1/runner") else "characters",
        "query": query,
        "body": _parsed(entry["body"]),
        "answer": _parsed(answer.get("body")),
        "status": answer.get("status"),
        "fault": fault.get("effect"),
    }
    return {name: value for name, value in values.items() if value is not None}


def _parsed(body: Any) -> Any:
    """Parses a body of JSON that is not an object, which is text in the entry."""
    try:
        return json.loads(body) if isinstance(body, str) else body
    except ValueError:
        return body


def _holds(wanted: Any, found: Any) -> bool:
    """Returns whether a value is like `wanted`, which the server has not compared."""
    # Some libraries give classes an `__eq__`.
    if callable(wanted) and not isinstance(wanted, type):
        return bool(wanted(found))
    if isinstance(wanted, re.Pattern):
        return isinstance(found, str) and bool(wanted.search(found))
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return all(it in found and _holds(value, found[it]) for it, value in wanted.items())
    if isinstance(wanted, (list, tuple)) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(_holds, wanted, found))
    if isinstance(wanted, (bool, int, float)) and isinstance(wanted, bool) != isinstance(
        found, bool
    ):
        return False  # True equals 1 in Python, but not in JSON.
    return bool(wanted == found)


def _written(place: _Place) -> str:
    """Formats a place: `body.content[0].text`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return "".join(steps).removeprefix(".")
