"""A server, started or attached to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mynah_testing.account import Account, new_account_body
from mynah_testing.control import Control, MynahError
from mynah_testing.process import Process, find_binary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from mynah_testing.account import NewAccount

#: Number of log lines in an error.
_LAST_LINES = 20


class Server:
    """A Mynah server at `url`.

    Created by `Server.start` or `Server.attach`. As a context manager, a started server is stopped
    at the end.
    """

    def __init__(self, url: str, admin_token: str | None, process: Process | None) -> None:
        self.url = url.rstrip("/")
        self._process = process
        self.control = Control(self.url, admin_token, error_suffix=self._exit_note)
        health = self.control.call("GET", "health")
        if not isinstance(health, dict) or "version" not in health:
            raise MynahError(f"what answers at {self.url} is no Mynah: {health!r}")
        self.version = str(health["version"])

    @classmethod
    def start(cls, binary: str | Path | None = None, *, args: Sequence[str] = ()) -> Self:
        """Starts a server on a free port of this machine.

        `binary` defaults to that of `find_binary`. The server has a database in memory, a fixed
        seed and streams without pauses; `args`, options of `mynah serve`, override this.
        """
        process = Process(find_binary(binary), args)
        try:
            return cls(process.url, _option(args, "--admin-token"), process)
        except BaseException:
            process.stop()
            raise

    @classmethod
    def attach(cls, url: str, admin_token: str | None = None) -> Self:
        """Uses the running server at `url`.

        `admin_token` is the token of its control plane; default: `MYNAH_ADMIN_TOKEN`.
        """
        return cls(url, admin_token or os.getenv("MYNAH_ADMIN_TOKEN"), None)

    @property
    def started_here(self) -> bool:
        """Whether it was started here."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The process, if started here."""
        return self._process.pid if self._process else None

    @property
    def runner_url(self) -> str:
        """The base URL of the Runner API: `…/v1/runner`."""
        return f"{self.url}/v1/runner"

    @property
    def characters_url(self) -> str:
        """The base URL of the Characters API: `…/api/v1`."""
        return f"{self.url}/api/v1"

    def new_account(self, **settings: Unpack[NewAccount]) -> Account:
        """Creates an account. The caller must remove it."""
        return Account(
            self.control, self.control.call("POST", "accounts", new_account_body(settings))
        )

    def account(self, account_id: str, key: str | None = None) -> Account:
        """Returns an existing account, for example `demo`.

        The server does not return its key; `key` is stored unchecked. Raises `ControlError` for an
        unknown id.
        """
        account = Account(self.control, {"id": account_id, "key": key})
        account.state()
        return account

    def accounts(self) -> list[dict[str, Any]]:
        """Lists the state of all accounts, in order of creation."""
        accounts: list[dict[str, Any]] = self.control.call("GET", "accounts")
        return accounts

    def log(self) -> str:
        """Returns the log of a server started here, else an empty text."""
        return self._process.log() if self._process else ""

    def stop(self) -> None:
        """Stops the server if it was started here; an attached one keeps running."""
        if self._process:
            self._process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Mynah {self.version} at {self.url}>"

    def _exit_note(self) -> str:
        if self._process is None or self._process.exit_code is None:
            return ""
        last = "\n".join(self.log().splitlines()[-_LAST_LINES:])
        return f"; it ended with {self._process.exit_code}. The end of its log:\n{last}"


def _option(args: Sequence[str], name: str) -> str | None:
    """Returns the value of an option, given with a space or with `=`."""
    for index, arg in enumerate(args):
        if arg == name and index + 1 < len(args):
            return args[index + 1]
        if arg.startswith(f"{name}="):
            return arg.removeprefix(f"{name}=")
    return None
