"""The journal for people: what a failed assertion says, and a failed test's section."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mynah_testing.matching import Difference, misses, shown

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping, Sequence

    from mynah_testing.journal import Request

#: How many of the latest requests are shown.
MOST = 20
#: How many lines of a body are shown, and how long they may be.
_LINES, _COLUMNS = 8, 100
#: How many differences of the nearest miss are shown.
_DIFFERENCES = 10
#: How much a criterion weighs when the nearest miss is sought: a request to elsewhere is a far one.
_WEIGHTS = {"path": 3, "route": 3, "method": 2}


def failure(head: str, wanted: Mapping[str, Any], came: Sequence[Request], dropped: int) -> str:
    """Says what was wanted, what came, and what differs in the nearest miss."""
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
    """Finds the request that is most like this without being so; of two, the later one."""
    missed = [(request, misses(request, wanted)) for request in came]
    missed = [(request, differing) for request, differing in missed if differing]

    def distance(missed: tuple[Request, list[Difference]]) -> tuple[int, int, int]:
        request, differing = missed
        criteria = {difference.criterion for difference in differing}
        weight = sum(_WEIGHTS.get(criterion, 1) for criterion in criteria)
        # To have no body, or another form of one, is farther than to have other fields in it.
        weight += sum(difference.at == "body" for difference in differing)
        return weight, len(differing), -request.number

    return min(missed, key=distance, default=None)


def journal(came: Sequence[Request], dropped: int) -> str:
    """Lists requests with their answers and who gave them."""
    return "\n".join(_received(came, dropped, answers=True))


def headline(request: Request) -> str:
    """Writes a request in a line: `#3 POST /v1/runner/X -> 503 (fault: status)`."""
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
    """Writes criteria one a line."""
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
    """Says who answered, and which rules nearly did."""
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
    """Writes a body in a line where it fits, else its first lines."""
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
