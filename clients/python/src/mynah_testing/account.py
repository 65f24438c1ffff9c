"""An account: a world of its own, chosen by nothing but its key."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict

from mynah_testing.clock import Clock
from mynah_testing.control import Control, ControlError, segment
from mynah_testing.faults import Faults
from mynah_testing.journal import Journal
from mynah_testing.replies import Replies

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from mynah_testing.faults import Fault, FaultRule
    from mynah_testing.journal import Request
    from mynah_testing.matching import Wanted


class NewAccount(TypedDict, total=False):
    """What an account is made with; docs/control.md, "Accounts". `from` is called `copy_of`.

    A fork may say with `sections` what it takes along; docs/control.md, "Snapshots", `with`.
    """

    copy_of: str
    plan: str
    balance: str
    seed: int
    clock: str
    ttl: int
    sections: list[str]


class Changes(TypedDict, total=False):
    """What can be changed of an account; `None` for a limit is the plan's own again."""

    plan: str
    balance: str
    requests_per_minute: int | None
    runner_requests_per_minute: int | None


class Account:
    """An account of a server.

    `clock`, `replies`, `faults` and `journal` are what can be done with it; what tests use most
    is here, too.
    """

    def __init__(self, control: Control, made: dict[str, Any]) -> None:
        self.id: str = made["id"]
        self._key: str | None = made.get("key")
        self._control = control
        self._on_fork: Callable[[Account], None] = lambda _: None
        self.clock = Clock(self.call)
        self.replies = Replies(self.call)
        self.faults = Faults(self.call)
        self.journal = Journal(self.call, self.id)

    def call(self, method: str, path: str = "", body: Any = None, **more: Any) -> Any:
        """Asks for `path` below `/_mynah/accounts/{id}`: for what has no method of its own."""
        whole = f"accounts/{segment(self.id)}"
        return self._control.call(method, f"{whole}/{path}" if path else whole, body, **more)

    # What a client under test is given.

    @property
    def url(self) -> str:
        """Where the server answers."""
        return self._control.url

    @property
    def runner_url(self) -> str:
        """Where the Runner API begins: `…/v1/runner`."""
        return f"{self.url}/v1/runner"

    @property
    def characters_url(self) -> str:
        """Where the Characters API begins: `…/api/v1`."""
        return f"{self.url}/api/v1"

    @property
    def key(self) -> str:
        """The key, for either API."""
        if self._key is None:
            raise AttributeError(f"the key of {self.id} is not known here: give it to `account`")
        return self._key

    @property
    def runner_headers(self) -> dict[str, str]:
        """The header with the key, as the Runner API wants it."""
        return {"x-api-key": self.key}

    @property
    def characters_headers(self) -> dict[str, str]:
        """The header with the key, as the Characters API wants it."""
        return {"authorization": f"Bearer {self.key}"}

    # The account itself.

    def state(self) -> dict[str, Any]:
        """Gives the account as it is: plan, limits, balance, clock."""
        state: dict[str, Any] = self.call("GET")
        return state

    @property
    def balance(self) -> Decimal:
        """The credits there are."""
        return Decimal(self.state()["balance"])

    def change(self, **changes: Unpack[Changes]) -> dict[str, Any]:
        """Changes plan, balance or limits; gives the account as it is then."""
        state: dict[str, Any] = self.call("PATCH", body=dict(changes))
        return state

    def reset(self) -> None:
        """Puts it back to how it was made: data, balance, clock; no replies, faults, journal."""
        self.call("POST", "reset")

    def snapshot(self) -> dict[str, Any]:
        """Gives all its data as one document, for `restore`."""
        document: dict[str, Any] = self.call("GET", "snapshot")
        return document

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Puts a snapshot in the place of all that it holds."""
        self.call("PUT", "snapshot", snapshot)

    def fork(self, **settings: Unpack[NewAccount]) -> Account:
        """Makes a new account from a copy of this one, which the fixtures remove as well."""
        fork = Account(self._control, self.call("POST", "fork", new_account_body(settings)))
        fork.on_fork(self._on_fork)
        self._on_fork(fork)
        return fork

    def on_fork(self, note: Callable[[Account], None]) -> None:
        """Has `note` called with each account that is forked from this one, or from such a one."""
        self._on_fork = note

    def remove(self) -> None:
        """Removes it with all it holds; that it is gone already is no error."""
        try:
            self.call("DELETE")
        except ControlError as error:
            if error.status != 404:
                raise

    # The journal and the faults, in short.

    def fault(self, **rule: Unpack[FaultRule]) -> Fault:
        """Adds a fault, as `faults.add` does; in a `with` it is taken away at the end."""
        return self.faults.add(**rule)

    def requests(self, **wanted: Unpack[Wanted]) -> list[Request]:
        """Lists what was asked, oldest first: see `Journal.requests`."""
        return self.journal.requests(**wanted)

    def wait_for(
        self, count: int = 1, *, timeout: float = 5.0, **wanted: Unpack[Wanted]
    ) -> list[Request]:
        """Waits for requests: see `Journal.wait_for`."""
        __tracebackhide__ = True
        return self.journal.wait_for(count, timeout=timeout, **wanted)

    def assert_requested(self, **wanted: Unpack[Wanted]) -> list[Request]:
        """Fails unless something like this was asked: see `Journal.assert_requested`."""
        __tracebackhide__ = True
        return self.journal.assert_requested(**wanted)

    def assert_not_requested(self, **wanted: Unpack[Wanted]) -> None:
        """Fails if something like this was asked: see `Journal.assert_not_requested`."""
        __tracebackhide__ = True
        self.journal.assert_not_requested(**wanted)

    def assert_request_count(self, count: int, **wanted: Unpack[Wanted]) -> list[Request]:
        """Fails unless so many were like this: see `Journal.assert_request_count`."""
        __tracebackhide__ = True
        return self.journal.assert_request_count(count, **wanted)

    def __repr__(self) -> str:
        return f"<account {self.id} at {self.url}>"


def new_account_body(settings: NewAccount) -> dict[str, Any]:
    """Writes settings as the control plane reads them; unknown ones are refused here."""
    body = dict(settings)
    unknown = body.keys() - NewAccount.__annotations__.keys()
    if unknown:
        raise TypeError(f"an account has no {', '.join(sorted(unknown))}")
    if "copy_of" in body:
        body["from"] = body.pop("copy_of")
    if "sections" in body:
        body["with"] = body.pop("sections")
    return body
