"""Agent runs of the Runner API (docs/control.md, "Agent runs")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mynah_testing.control import segment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Runs:
    """The agent runs of an account."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def all(self) -> list[dict[str, Any]]:
        """Lists the latest 100, those of the latest activity first."""
        runs: list[dict[str, Any]] = self._call("GET", "runs")
        return runs

    def resume(self, run_id: str, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Resumes a run in the client's place; returns it.

        Each result has a `call_id` of the run's `client_tool_calls`, and an `output`.
        """
        body = {"tool_results": list(results)}
        run: dict[str, Any] = self._call("POST", f"runs/{segment(run_id)}/resume", body)
        return run
