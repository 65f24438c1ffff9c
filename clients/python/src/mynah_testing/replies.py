"""Replies (docs/control.md, "Replies"): what the model answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from mynah_testing.control import Removable, segment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import NotRequired, Unpack


class Pace(TypedDict, total=False):
    """The pace of a streamed reply in milliseconds."""

    first_ms: int
    word_ms: int
    jitter_ms: int


class ToolCall(TypedDict):
    """A call of a client's tool. Every string in `arguments` is a template."""

    name: str
    arguments: NotRequired[dict[str, Any]]


class ReplyFields(TypedDict, total=False):
    """A reply: `text`, `json` or `tool_calls`, and optional fields."""

    text: str
    json: Any
    tool_calls: list[ToolCall]
    complete: bool
    run: Literal["completed", "background", "failed", "interrupted"]
    after_ms: int
    name: str
    thoughts: str
    input_tokens: int
    output_tokens: int
    pace: Pace


#: A text, or a reply in the JSON of the control plane.
Reply: TypeAlias = "str | ReplyFields"


class ToolResult(TypedDict, total=False):
    """Conditions on a result with which an agent run is resumed."""

    name: str
    contains: str


class When(TypedDict, total=False):
    """Conditions of a rule; all given ones must hold."""

    api: Literal["runner", "characters"]
    deployment: str
    model: str
    equals: str
    contains: str
    regex: str
    turn: int
    trigger: bool
    variables: Mapping[str, Any]
    meta: Mapping[str, Any]
    parts: list[str]
    capability: str
    tool_result: ToolResult


class Rule(Removable):
    """A rule of an account. Used in a `with`, it is removed at the end."""

    def __init__(self, call: Callable[..., Any], rule_id: str) -> None:
        super().__init__(call, f"replies/{segment(rule_id)}")
        self.id = rule_id

    @property
    def answered(self) -> int:
        """Number of requests that it has answered."""
        for shown in self._call("GET", "replies")["rules"]:
            if shown["id"] == self.id:
                return int(shown["answered"])
        raise LookupError(f"{self.id} has been taken away")


class Replies:
    """The replies of an account: first its queue, then its rules, then the fixtures' rules."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def queue(self, *replies: Reply, api: Literal["runner", "characters"] | None = None) -> None:
        """Queues replies for the next requests, one each.

        `api` restricts them to one API. Raises `ControlError` with the field, and queues none,
        if one of them is invalid.
        """
        self._call("POST", "replies/queue", [_fields(it) for it in replies], query={"api": api})

    def rule(
        self,
        *replies: Reply,
        id: str | None = None,  # noqa: A002 (the field's own name)
        times: int | None = None,
        at: int | None = None,
        before: str | None = None,
        **when: Unpack[When],
    ) -> Rule:
        """Adds a rule: matching requests get its replies one after the other, then the last one.

        `times` limits its answers. It is added at the end, at the position `at` (from 0), or before
        the rule `before`.
        """
        body: dict[str, Any] = {"when": when, "reply": [_fields(it) for it in replies]}
        body |= {name: it for name, it in (("id", id), ("times", times)) if it is not None}
        added = self._call("POST", "replies", body, query={"at": at, "before": before})
        return Rule(self._call, added["id"])

    def all(self) -> dict[str, Any]:
        """Returns `rules` and `queue` as the server does."""
        replies: dict[str, Any] = self._call("GET", "replies")
        return replies

    def clear(self) -> None:
        """Removes all rules and clears the queue."""
        self._call("DELETE", "replies")

    def clear_queue(self) -> None:
        """Clears the queue; rules stay."""
        self._call("DELETE", "replies/queue")


def _fields(reply: Reply) -> ReplyFields:
    return {"text": reply} if isinstance(reply, str) else reply
