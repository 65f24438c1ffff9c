"""The pytest plugin: a server per session, an account per test, the request log of failed tests."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from mynah_testing.control import MynahError
from mynah_testing.server import Server

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from typing_extensions import Unpack

    from mynah_testing.account import Account, NewAccount

#: Seconds without a request after which an attached server removes an account that the tests did
#: not remove.
_TTL = 3600

_ACCOUNTS = pytest.StashKey["list[Account]"]()


class MakeAccount(Protocol):
    """Creates accounts that are removed after the test."""

    def __call__(self, **settings: Unpack[NewAccount]) -> Account:
        """Creates an account with the settings of `Server.new_account`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("mynah")
    group.addoption("--mynah-binary", metavar="PATH", help="start this Mynah (MYNAH_BINARY)")
    group.addoption("--mynah-url", metavar="URL", help="use the Mynah at this URL (MYNAH_URL)")
    parser.addini("mynah_args", "options for the started Mynah", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line(
        "markers", "mynah(**settings): options of the test's account: plan, balance, clock …"
    )


@pytest.fixture(scope="session")
def mynah(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server: a new one per process of xdist, or the selected one."""
    with _server(request.config) as server:
        yield server


def _server(config: pytest.Config) -> Server:
    """The command line takes precedence over the environment, a URL over a binary."""
    url, binary = config.getoption("--mynah-url"), config.getoption("--mynah-binary")
    if not url and not binary:
        url = os.getenv("MYNAH_URL")
    if url:
        return Server.attach(url)
    return Server.start(binary, args=config.getini("mynah_args"))


@pytest.fixture
def mynah_accounts(mynah: Server, request: pytest.FixtureRequest) -> Iterator[MakeAccount]:
    """Creates accounts for a test; they and their forks are removed after it."""
    created: list[Account] = []
    request.node.stash[_ACCOUNTS] = created

    def make(**settings: Unpack[NewAccount]) -> Account:
        # Derived from the test's name, so that its ids are the same in every run.
        seed = zlib.crc32(f"{request.node.nodeid}#{len(created)}".encode())
        settings.setdefault("seed", seed)
        if not mynah.started_here:
            settings.setdefault("ttl", _TTL)
        account = mynah.new_account(**settings)
        account.on_fork(created.append)
        created.append(account)
        return account

    yield make
    for account in reversed(created):
        account.remove()


@pytest.fixture
def mynah_account(mynah_accounts: MakeAccount, request: pytest.FixtureRequest) -> Account:
    """The test's account, with the settings of its `mynah` markers, the closest first."""
    settings: dict[str, Any] = {}
    for marker in request.node.iter_markers("mynah"):
        settings = marker.kwargs | settings
    return mynah_accounts(**settings)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the request logs of a failed test's accounts to its report."""
    report = yield
    # At teardown the accounts are gone.
    if report.failed and report.when != "teardown":
        for account in item.stash.get(_ACCOUNTS, []):
            report.sections.append((f"mynah requests of {account.id}", _requests(account)))
    return report


def _requests(account: Account) -> str:
    try:
        return account.journal.describe()
    except MynahError as error:
        return f"it cannot be read: {error}"
