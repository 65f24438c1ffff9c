"""Triggers of the Runner API (docs/control.md, "Triggers")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mynah_testing.control import segment

if TYPE_CHECKING:
    from collections.abc import Callable


class Triggers:
    """The triggers of an account."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def all(self) -> list[dict[str, Any]]:
        """Lists them as returned by the server, in the order of their creation."""
        triggers: list[dict[str, Any]] = self._call("GET", "triggers")
        return triggers

    def expire(self, trigger_id: str) -> dict[str, Any]:
        """Has a trigger expire now; returns it."""
        trigger: dict[str, Any] = self._call("POST", f"triggers/{segment(trigger_id)}/expire")
        return trigger
