"""An account's clock (docs/control.md, "Clock")."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """The clock of an account: it drives times in answers, limits and streams."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def now(self) -> datetime:
        """Returns the time in UTC, to the second."""
        return _time(self._call("GET", "clock"))

    def is_frozen(self) -> bool:
        """Returns whether it stands still."""
        return bool(self._call("GET", "clock")["frozen"])

    def freeze(self, at: datetime | str | None = None) -> datetime:
        """Stops it, now or at this time; returns the time."""
        body = {"frozen": True} if at is None else {"now": _text(at), "frozen": True}
        return _time(self._call("PUT", "clock", body))

    def run(self) -> datetime:
        """Starts it from its current time; returns the time."""
        return _time(self._call("PUT", "clock", {"frozen": False}))

    def set(self, now: datetime | str) -> datetime:
        """Sets the time; it stands or runs as before. Returns the time."""
        return _time(self._call("PUT", "clock", {"now": _text(now)}))

    def advance(self, by: timedelta | float) -> datetime:
        """Advances it by seconds, to the millisecond; ends waits that it passes over."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        return _time(self._call("POST", "clock/advance", {"seconds": seconds}))


def _time(answer: dict[str, Any]) -> datetime:
    # Python 3.10 does not parse the Z.
    return datetime.fromisoformat(answer["now"].replace("Z", "+00:00"))


def _text(at: datetime | str) -> str:
    """Formats a time as RFC 3339; text is returned unchanged."""
    if isinstance(at, str):
        return at
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone: say tzinfo=timezone.utc")
    return at.astimezone(timezone.utc).isoformat()
