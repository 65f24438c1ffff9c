"""Faults (docs/control.md, "Faults"): requests that are refused, delayed, broken off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from mynah_testing.control import Removable, segment

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

Burst = TypedDict("Burst", {"every": int, "for": int})
Burst.__doc__ = """For so many seconds of every so many, on the account's clock."""


class When(TypedDict, total=False):
    """Which requests: all that is given must hold."""

    api: Literal["runner", "characters"]
    route: str
    method: str
    nth: int
    every: int
    probability: float
    burst: Burst


class FaultRule(When, total=False):
    """A fault in one: `times`, the conditions, and an effect."""

    times: int
    delay_ms: int
    status: int
    retry_after: int
    drop: Literal["before_answer", "after_commit"]
    body: Literal["empty", "truncated", "malformed"]
    content_type: str
    break_after: int
    end_after: int
    stall_after: int
    pace_ms: int
    repeat_chunk: int
    split_character: bool


class Fault(Removable):
    """A fault of an account. In a `with` it is taken away at the end."""

    def __init__(self, call: Callable[..., Any], fault_id: str) -> None:
        super().__init__(call, f"faults/{segment(fault_id)}")
        self.id = fault_id

    @property
    def matched(self) -> int:
        """How many requests it was for."""
        return int(self._shown()["matched"])

    @property
    def fired(self) -> int:
        """How many requests met its effect."""
        return int(self._shown()["fired"])

    def _shown(self) -> dict[str, Any]:
        shown: dict[str, Any]
        for shown in self._call("GET", "faults"):
            if shown["id"] == self.id:
                return shown
        raise LookupError(f"{self.id} has been taken away")


class Faults:
    """The faults of an account, in the order in which they are looked at."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def add(self, **rule: Unpack[FaultRule]) -> Fault:
        """Adds a fault behind those there are.

        `status=503, retry_after=1, route="/v1/runner/{deployment_id}", times=2`: the names are
        those of `when` and `effect` in one. Raises `ControlError`, which names the field, for
        what the server does not know.
        """
        said: dict[str, Any] = dict(rule)
        body: dict[str, Any] = {}
        if "times" in said:
            body["times"] = said.pop("times")
        body["when"] = {name: said.pop(name) for name in When.__annotations__ if name in said}
        body["effect"] = said
        return Fault(self._call, self._call("POST", "faults", body)["id"])

    def all(self) -> list[dict[str, Any]]:
        """Lists them as the server shows them."""
        faults: list[dict[str, Any]] = self._call("GET", "faults")
        return faults

    def clear(self) -> None:
        """Takes all of them away."""
        self._call("DELETE", "faults")
