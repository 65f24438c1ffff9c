"""Faults (docs/control.md, "Faults"): requests that fail, are delayed, or break off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from mynah_testing.control import Removable, segment

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

Burst = TypedDict("Burst", {"every": int, "for": int})
Burst.__doc__ = """`for` seconds of every `every` seconds, on the account's clock."""


class When(TypedDict, total=False):
    """Conditions of a fault; all given ones must hold."""

    api: Literal["runner", "characters"]
    route: str
    method: str
    nth: int
    every: int
    probability: float
    burst: Burst


class FaultRule(When, total=False):
    """A fault as keyword arguments: `times`, conditions, and an effect."""

    times: int
    delay_ms: int
    status: int
    retry_after: int
    envelope: Literal["openai", "fastapi", "detail_object"]
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
    """A fault of an account. Used in a `with`, it is removed at the end."""

    def __init__(self, call: Callable[..., Any], fault_id: str) -> None:
        super().__init__(call, f"faults/{segment(fault_id)}")
        self.id = fault_id

    @property
    def matched(self) -> int:
        """Number of requests that it applied to."""
        return int(self._shown()["matched"])

    @property
    def fired(self) -> int:
        """Number of requests that got its effect."""
        return int(self._shown()["fired"])

    def _shown(self) -> dict[str, Any]:
        shown: dict[str, Any]
        for shown in self._call("GET", "faults"):
            if shown["id"] == self.id:
                return shown
        raise LookupError(f"{self.id} has been taken away")


class Faults:
    """The faults of an account, in the order in which they are considered."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def add(self, **rule: Unpack[FaultRule]) -> Fault:
        """Adds a fault after the existing ones.

        `status=503, retry_after=1, route="/v1/runner/{deployment_id}", times=2`: the names of
        `when` and `effect` together. Raises `ControlError` with the field for an unknown name.
        """
        effect: dict[str, Any] = dict(rule)
        body: dict[str, Any] = {}
        if "times" in effect:
            body["times"] = effect.pop("times")
        body["when"] = {name: effect.pop(name) for name in When.__annotations__ if name in effect}
        body["effect"] = effect
        return Fault(self._call, self._call("POST", "faults", body)["id"])

    def all(self) -> list[dict[str, Any]]:
        """Lists them as returned by the server."""
        faults: list[dict[str, Any]] = self._call("GET", "faults")
        return faults

    def clear(self) -> None:
        """Removes all of them."""
        self._call("DELETE", "faults")
