"""The pytest plugin: a server a session, an account a test, the journal of failed tests."""

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

#: Seconds without a request after which a server of others forgets an account, should the tests
#: have ended without removing it.
_TTL = 3600

_ACCOUNTS = pytest.StashKey["list[Account]"]()


class MakeAccount(Protocol):
    """Makes an account that is removed when the test has ended."""

    def __call__(self, **settings: Unpack[NewAccount]) -> Account:
        """Makes one, with settings as `Server.new_account` takes them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("mynah")
    group.addoption("--mynah-binary", metavar="PATH", help="start this Mynah (MYNAH_BINARY)")
    group.addoption("--mynah-url", metavar="URL", help="use the Mynah that runs here (MYNAH_URL)")
    parser.addini("mynah_args", "options that Mynah is started with", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Names the marker."""
    config.addinivalue_line(
        "markers", "mynah(**settings): what the test's account is made with: plan, balance, clock …"
    )


@pytest.fixture(scope="session")
def mynah(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Gives the server: a new one, in each process of xdist, or the one that is to be used."""
    with _server(request.config) as server:
        yield server


def _server(config: pytest.Config) -> Server:
    """What the command line says goes before the environment; a URL before a binary."""
    url, binary = config.getoption("--mynah-url"), config.getoption("--mynah-binary")
    if not url and not binary:
        url = os.getenv("MYNAH_URL")
    if url:
        return Server.attach(url)
    return Server.start(binary, args=config.getini("mynah_args"))


@pytest.fixture
def mynah_accounts(mynah: Server, request: pytest.FixtureRequest) -> Iterator[MakeAccount]:
    """Makes accounts for one test, forks of them too, which are removed when it has ended."""
    made: list[Account] = []
    request.node.stash[_ACCOUNTS] = made

    def make(**settings: Unpack[NewAccount]) -> Account:
        # From the test's name: its ids are the same in every run, whatever runs beside it.
        seed = zlib.crc32(f"{request.node.nodeid}#{len(made)}".encode())
        settings.setdefault("seed", seed)
        if not mynah.started_here:
            settings.setdefault("ttl", _TTL)
        account = mynah.new_account(**settings)
        account.on_fork(made.append)
        made.append(account)
        return account

    yield make
    for account in reversed(made):
        account.remove()


@pytest.fixture
def mynah_account(mynah_accounts: MakeAccount, request: pytest.FixtureRequest) -> Account:
    """Makes the test's account, with the settings of its `mynah` markers, the nearest first."""
    settings: dict[str, Any] = {}
    for marker in request.node.iter_markers("mynah"):
        settings = marker.kwargs | settings
    return mynah_accounts(**settings)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the journals of a failed test's accounts to its report."""
    report = yield
    # At teardown they are gone.
    if report.failed and report.when != "teardown":
        for account in item.stash.get(_ACCOUNTS, []):
            report.sections.append((f"mynah journal of {account.id}", _journal(account)))
    return report


def _journal(account: Account) -> str:
    try:
        return account.journal.describe()
    except MynahError as error:
        return f"it cannot be read: {error}"
