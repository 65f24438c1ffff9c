"""An account of a server."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from mynah_testing.clock import Clock
from mynah_testing.control import Control, ControlError, segment
from mynah_testing.faults import Faults
from mynah_testing.journal import Journal
from mynah_testing.replies import Replies
from mynah_testing.runs import Runs
from mynah_testing.triggers import Triggers

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from mynah_testing.faults import Fault, FaultRule
    from mynah_testing.journal import Request
    from mynah_testing.pattern import RequestPattern


class NewAccount(TypedDict, total=False):
    """Options of a new account; docs/control.md, "Accounts". `from` is called `copy_of`.

    `sections` selects what a fork copies; docs/control.md, "Snapshots", `with`.
    """

    copy_of: str
    plan: str
    balance: str
    seed: int
    clock: str
    ttl: int
    profile: Literal["documents", "current"]
    sections: list[str]


class Changes(TypedDict, total=False):
    """Changes of an account; `None` resets a limit to the plan's."""

    plan: str
    balance: str
    requests_per_minute: int | None
    runner_requests_per_minute: int | None


class Account:
    """An account of a server, selected by its key.

    `clock`, `replies`, `faults`, `triggers`, `runs` and `journal` have all operations; the most
    common are also methods here.
    """

    def __init__(self, control: Control, created: dict[str, Any]) -> None:
        self.id: str = created["id"]
        self._key: str | None = created.get("key")
        self._control = control
        self._on_fork: Callable[[Account], None] = lambda _: None
        self.clock = Clock(self.call)
        self.replies = Replies(self.call)
        self.faults = Faults(self.call)
        self.triggers = Triggers(self.call)
        self.runs = Runs(self.call)
        self.journal = Journal(self.call, self.id)

    def call(self, method: str, path: str = "", body: Any = None, **more: Any) -> Any:
        """Calls `path` below `/_mynah/accounts/{id}`, for requests without a method here."""
        whole = f"accounts/{segment(self.id)}"
        return self._control.call(method, f"{whole}/{path}" if path else whole, body, **more)

    # Values for the client under test.

    @property
    def url(self) -> str:
        """The base URL of the server."""
        return self._control.url

    @property
    def runner_url(self) -> str:
        """The base URL of the Runner API: `…/v1/runner`."""
        return f"{self.url}/v1/runner"

    @property
    def characters_url(self) -> str:
        """The base URL of the Characters API: `…/api/v1`."""
        return f"{self.url}/api/v1"

    @property
    def key(self) -> str:
        """The key for both APIs."""
        if self._key is None:
            raise AttributeError(f"the key of {self.id} is not known here: give it to `account`")
        return self._key

    @property
    def runner_headers(self) -> dict[str, str]:
        """The header with the key for the Runner API."""
        return {"x-api-key": self.key}

    @property
    def characters_headers(self) -> dict[str, str]:
        """The header with the key for the Characters API."""
        return {"authorization": f"Bearer {self.key}"}

    # The account itself.

    def state(self) -> dict[str, Any]:
        """Returns plan, limits, balance and clock."""
        state: dict[str, Any] = self.call("GET")
        return state

    @property
    def balance(self) -> Decimal:
        """The credits left."""
        return Decimal(self.state()["balance"])

    def change(self, **changes: Unpack[Changes]) -> dict[str, Any]:
        """Changes plan, balance or limits; returns the new state."""
        state: dict[str, Any] = self.call("PATCH", body=dict(changes))
        return state

    def reset(self) -> None:
        """Restores the state at creation; removes replies, faults and the request log."""
        self.call("POST", "reset")

    def snapshot(self) -> dict[str, Any]:
        """Returns all data as one document, for `restore`."""
        document: dict[str, Any] = self.call("GET", "snapshot")
        return document

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Replaces all data by a snapshot."""
        self.call("PUT", "snapshot", snapshot)

    def fork(self, **settings: Unpack[NewAccount]) -> Account:
        """Creates an account from a copy of this one; the pytest fixtures remove it, too."""
        fork = Account(self._control, self.call("POST", "fork", new_account_body(settings)))
        fork.on_fork(self._on_fork)
        self._on_fork(fork)
        return fork

    def on_fork(self, note: Callable[[Account], None]) -> None:
        """Calls `note` with each account forked from this one, directly or indirectly."""
        self._on_fork = note

    def remove(self) -> None:
        """Removes the account and all its data; does nothing if it is already gone."""
        try:
            self.call("DELETE")
        except ControlError as error:
            if error.status != 404:
                raise

    # Shortcuts to the request log and the faults.

    def fault(self, **rule: Unpack[FaultRule]) -> Fault:
        """Adds a fault as `faults.add` does; used in a `with`, it is removed at the end."""
        return self.faults.add(**rule)

    def requests(self, **pattern: Unpack[RequestPattern]) -> list[Request]:
        """Lists requests, oldest first: see `Journal.requests`."""
        return self.journal.requests(**pattern)

    def wait_for(
        self, count: int = 1, *, timeout: float = 5.0, **pattern: Unpack[RequestPattern]
    ) -> list[Request]:
        """Waits for requests: see `Journal.wait_for`."""
        __tracebackhide__ = True
        return self.journal.wait_for(count, timeout=timeout, **pattern)

    def assert_requested(self, **pattern: Unpack[RequestPattern]) -> list[Request]:
        """Fails unless a request matches: see `Journal.assert_requested`."""
        __tracebackhide__ = True
        return self.journal.assert_requested(**pattern)

    def assert_not_requested(self, **pattern: Unpack[RequestPattern]) -> None:
        """Fails if a request matches: see `Journal.assert_not_requested`."""
        __tracebackhide__ = True
        self.journal.assert_not_requested(**pattern)

    def assert_request_count(self, count: int, **pattern: Unpack[RequestPattern]) -> list[Request]:
        """Fails unless `count` requests match: see `Journal.assert_request_count`."""
        __tracebackhide__ = True
        return self.journal.assert_request_count(count, **pattern)

    def __repr__(self) -> str:
        return f"<account {self.id} at {self.url}>"


def new_account_body(settings: NewAccount) -> dict[str, Any]:
    """Converts settings to the JSON of the control plane; raises for unknown ones."""
    body = dict(settings)
    unknown = body.keys() - NewAccount.__annotations__.keys()
    if unknown:
        raise TypeError(f"an account has no {', '.join(sorted(unknown))}")
    if "copy_of" in body:
        body["from"] = body.pop("copy_of")
    if "sections" in body:
        body["with"] = body.pop("sections")
    return body
