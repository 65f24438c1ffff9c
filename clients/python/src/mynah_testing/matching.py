"""Compares requests with the criteria of a test."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mynah_testing.journal import Request


class Wanted(TypedDict, total=False):
    """Criteria for requests; all given ones must match.

    - `method`: in any case. `route`: as in entries of the log.
    - `path`: exact, a prefix with `*` at its end, or a pattern of `re`.
    - `query`: its text, or names and values, among others.
    - `headers`: names in any case, among others. Keys are `[redacted]`.
    - `body`: in part, see `differences`; a text is searched in all texts of the body.
    - `status`: a number, or `"2xx"`, `"4xx"` and so on.
    - `end`: `complete`, `broken` or `hung_up`.
    - `model`, `answer`: of the entry, in part: `model={"variables": {"TONE": "warm"}}`.
    - `since`: only requests after this number.
    """

    method: str
    path: str | re.Pattern[str]
    route: str
    query: str | Mapping[str, Any]
    headers: Mapping[str, Any]
    body: Any
    status: int | str
    end: str
    model: Mapping[str, Any]
    answer: Mapping[str, Any]
    since: int


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


#: Marks a missing value.
NOTHING = _Nothing()


@dataclass(frozen=True)
class Difference:
    """A difference; `at` is its path: `body.content[0].text`."""

    at: str
    wanted: str
    found: str

    @property
    def criterion(self) -> str:
        """The criterion of `Wanted` that it belongs to."""
        return re.split(r"[.\[]", self.at, maxsplit=1)[0]

    def __str__(self) -> str:
        return f"{self.at}: wanted {self.wanted}, found {self.found}"


def check(wanted: Mapping[str, Any]) -> None:
    """Raises for unknown criteria: a misspelt one would match everything."""
    unknown = wanted.keys() - Wanted.__annotations__.keys()
    if unknown:
        known = ", ".join(Wanted.__annotations__)
        raise TypeError(f"{', '.join(sorted(unknown))} is none of {known}")


def misses(request: Request, wanted: Mapping[str, Any]) -> list[Difference]:
    """Returns where a request differs from the criteria; empty if it matches."""
    found: list[Difference] = []
    for criterion, value in wanted.items():
        if criterion != "since":
            found += _CRITERIA.get(criterion, _entry)(criterion, value, request)
    return found


def differences(wanted: Any, found: Any, at: str) -> Iterator[Difference]:
    """Compares a value with a wanted one.

    An object may have more fields than wanted; an array must have the same length and matching
    items; a pattern of `re` is searched in a text; everything else must be equal, so
    `unittest.mock.ANY` matches anything.
    """
    if isinstance(wanted, re.Pattern):
        if not (isinstance(found, str) and wanted.search(found)):
            yield Difference(at, f"what matches {wanted.pattern!r}", shown(found))
    elif isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for name, value in wanted.items():
            yield from differences(value, found.get(name, NOTHING), f"{at}.{name}")
    elif isinstance(wanted, (list, tuple)) and isinstance(found, (list, tuple)):
        if len(wanted) != len(found):
            yield Difference(at, _items(wanted), f"{_items(found)}: {shown(found)}")
        for index, (value, item) in enumerate(zip(wanted, found, strict=False)):
            yield from differences(value, item, f"{at}[{index}]")
    elif not _equal(wanted, found):
        yield Difference(at, shown(wanted), shown(found))


def _equal(wanted: Any, found: Any) -> bool:
    # True equals 1 in Python, but not in JSON.
    if isinstance(wanted, (bool, int, float)) and isinstance(wanted, bool) != isinstance(
        found, bool
    ):
        return False
    return bool(wanted == found)


def _method(criterion: str, wanted: str, request: Request) -> list[Difference]:
    return list(differences(wanted.upper(), request.method, criterion))


def _path(criterion: str, wanted: str | re.Pattern[str], request: Request) -> list[Difference]:
    if isinstance(wanted, str) and wanted.endswith("*"):
        wanted_text = f"{wanted[:-1]!r} and whatever follows"
        if request.path.startswith(wanted[:-1]):
            return []
        return [Difference(criterion, wanted_text, shown(request.path))]
    return list(differences(wanted, request.path, criterion))


def _query(criterion: str, wanted: Any, request: Request) -> list[Difference]:
    found: Any = request.query
    if isinstance(wanted, Mapping):
        found = dict(parse_qsl(request.query or "", keep_blank_values=True))
        wanted = {name: str(it) if isinstance(it, int) else it for name, it in wanted.items()}
    return list(differences(wanted, found, criterion))


def _headers(criterion: str, wanted: Mapping[str, Any], request: Request) -> list[Difference]:
    lower = {name.lower(): value for name, value in wanted.items()}
    return list(differences(lower, request.headers, criterion))


def _status(criterion: str, wanted: int | str, request: Request) -> list[Difference]:
    found = request.status
    text = "" if found is None else str(found)
    if isinstance(wanted, str) and wanted.endswith("xx"):
        alike = text[:1] == wanted[:-2]
    else:
        alike = text == str(wanted)
    if alike:
        return []
    return [Difference(criterion, str(wanted), text or "no answer")]


def _body(criterion: str, wanted: Any, request: Request) -> list[Difference]:
    found = request.body
    if found is None:
        # A client may wait for `100 Continue` and be refused before it sends its body.
        return [Difference(criterion, shown(wanted), "none: none was sent, or none was read")]
    if isinstance(wanted, (str, re.Pattern)):
        if any(_in(wanted, text) for text in _texts(found)):
            return []
        what = (
            f"text that matches {wanted.pattern!r}"
            if isinstance(wanted, re.Pattern)
            else f"the text {wanted!r}"
        )
        return [Difference(criterion, what, shown(found))]
    if isinstance(found, str):
        if request.body_cut:
            return [
                Difference(criterion, shown(wanted), "the beginning of it only: it is too long")
            ]
        found = _json(found)
    return list(differences(wanted, found, criterion))


def _entry(criterion: str, wanted: Any, request: Request) -> list[Difference]:
    found = request.entry.get(criterion)
    return list(differences(wanted, NOTHING if found is None else found, criterion))


_CRITERIA = {
    "method": _method,
    "path": _path,
    "query": _query,
    "headers": _headers,
    "status": _status,
    "body": _body,
}


def _in(wanted: str | re.Pattern[str], text: str) -> bool:
    return wanted in text if isinstance(wanted, str) else bool(wanted.search(text))


def _texts(value: Any) -> Iterator[str]:
    """Yields every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for field in value.values():
            yield from _texts(field)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _json(text: str) -> Any:
    """Parses an array, which the log keeps as text; other text is returned unchanged."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _items(items: list[Any] | tuple[Any, ...]) -> str:
    return f"{len(items)} item{'' if len(items) == 1 else 's'}"


#: Maximum number of characters of a value in a difference.
_LONGEST = 200


def shown(value: Any) -> str:
    """Formats a value as JSON, else as Python, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except TypeError:
        text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
