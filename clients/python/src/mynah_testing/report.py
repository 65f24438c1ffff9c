"""Reports as text: failed assertions, and the section of a failed test."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mynah_testing.matching import Difference, misses, shown

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping, Sequence

    from mynah_testing.journal import Request

#: Maximum number of requests shown.
MOST = 20
#: Maximum number of lines of a body, and their length.
_LINES, _COLUMNS = 8, 100
#: Maximum number of differences shown for the nearest miss.
_DIFFERENCES = 10
#: Weights of criteria for the nearest miss: a request to another path is far away.
_WEIGHTS = {"path": 3, "route": 3, "method": 2}


def failure(head: str, wanted: Mapping[str, Any], came: Sequence[Request], dropped: int) -> str:
    """Formats the criteria, the requests received, and the differences of the nearest miss."""
    lines = [f"{head}:", *_indented(_wanted(wanted)), *_received(came, dropped)]
    near = nearest(wanted, came)
    if near:
        request, differing = near
        lines.append(f"nearest miss: {headline(request)}")
        lines += _indented([str(it) for it in differing[:_DIFFERENCES]])
        if len(differing) > _DIFFERENCES:
            lines.append(f"    … and {len(differing) - _DIFFERENCES} more differences")
    return "\n".join(lines)


def nearest(
    wanted: Mapping[str, Any], came: Sequence[Request]
) -> tuple[Request, list[Difference]] | None:
    """Finds the closest request that does not match; of equals, the latest."""
    missed = [(request, misses(request, wanted)) for request in came]
    missed = [(request, differing) for request, differing in missed if differing]

    def distance(missed: tuple[Request, list[Difference]]) -> tuple[int, int, int]:
        request, differing = missed
        criteria = {difference.criterion for difference in differing}
        weight = sum(_WEIGHTS.get(criterion, 1) for criterion in criteria)
        # A missing body or one of another type is farther away than one with other fields.
        weight += sum(difference.at == "body" for difference in differing)
        return weight, len(differing), -request.number

    return min(missed, key=distance, default=None)


def journal(came: Sequence[Request], dropped: int) -> str:
    """Formats requests with their answers and what answered."""
    return "\n".join(_received(came, dropped, answers=True))


def headline(request: Request) -> str:
    """Formats a request on one line: `#3 POST /v1/runner/X -> 503 (fault: status)`."""
    query = f"?{request.query}" if request.query else ""
    status = "no answer" if request.status is None else request.status
    notes = []
    if request.fault:
        notes.append(f"fault: {request.fault['effect']}")
    if request.end != "complete":
        notes.append(request.end)
    note = f" ({', '.join(notes)})" if notes else ""
    return f"#{request.number} {request.method} {request.path}{query} -> {status}{note}"


def _wanted(wanted: Mapping[str, Any]) -> list[str]:
    """Formats criteria, one per line."""
    if not wanted:
        return ["any request"]
    return [f"{name}: {_criterion(value)}" for name, value in wanted.items()]


def _criterion(value: str | re.Pattern[str] | object) -> str:
    return value if isinstance(value, str) else shown(value)


def _received(came: Sequence[Request], dropped: int, *, answers: bool = False) -> list[str]:
    if not came:
        lines = ["received no requests"]
    else:
        lines = [f"received {len(came)} request{'' if len(came) == 1 else 's'}:"]
    if dropped:
        lines.append(f"    … {dropped} before these are no longer in the journal")
    if len(came) > MOST:
        lines.append(f"    … {len(came) - MOST} more before these")
    for request in came[-MOST:]:
        lines += _indented(_request(request, answers=answers))
    return lines


def _request(request: Request, *, answers: bool) -> list[str]:
    lines = [headline(request), *_indented(_body(request.body))]
    if answers:
        if request.answer is not None:
            lines += _indented(_marked("answer ", _body(request.answer["body"])))
        lines += _indented(_answered(request))
    return lines


def _answered(request: Request) -> list[str]:
    """Formats what answered, and which rules nearly did."""
    if request.model is None:
        return []
    who = f"rule {request.rule}" if request.rule else f"the backend {request.model['backend']}"
    if request.rule == "queue":
        who = "the queue"
    lines = [f"answered by {who}"]
    for miss in request.model["near_misses"]:
        wanted, found = shown(miss["wanted"]), shown(miss["found"])
        lines.append(f"not by {miss['rule']}: {miss['condition']} wants {wanted}, found {found}")
    return lines[: _LINES + 1]


def _body(body: Any) -> list[str]:
    """Formats a body on one line if it fits, else its first lines."""
    if body is None or body == "":
        return []
    if isinstance(body, str):
        lines = body.splitlines()
    else:
        lines = [json.dumps(body, ensure_ascii=False)]
        if len(lines[0]) > _COLUMNS:
            lines = json.dumps(body, ensure_ascii=False, indent=2).splitlines()
    short = [line if len(line) <= _COLUMNS else f"{line[:_COLUMNS]}…" for line in lines[:_LINES]]
    if len(lines) > _LINES:
        short.append(f"… {len(lines) - _LINES} more lines")
    return short


def _marked(mark: str, lines: list[str]) -> list[str]:
    return [(mark if index == 0 else " " * len(mark)) + it for index, it in enumerate(lines)]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines]
