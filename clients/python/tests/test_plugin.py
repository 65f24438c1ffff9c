from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mynah_testing import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

README = Path(__file__).parents[1] / "README.md"

#: A client, for tests in tests.
CLIENT = """
import json, urllib.request
import pytest

def ask(account, text):
    body = json.dumps({"content": [{"type": "text", "text": text}]}).encode()
    headers = {"content-type": "application/json"} | account.runner_headers
    url = f"{account.runner_url}/YOUR_DEPLOYMENT_ID"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
        return json.load(response)["content"]
"""


@pytest.fixture
def running() -> Iterator[Server]:
    with Server.start(args=["--admin-token", "secret"]) as server:
        yield server


def test_a_failed_test_shows_the_journals_of_its_accounts(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        CLIENT
        + """
def test_fails(mynah_account, mynah_accounts):
    mynah_account.replies.rule("Warm.", id="warm", variables={"TONE": "warm"})
    ask(mynah_account, "Is billing open?")
    mynah_accounts(plan="free")
    mynah_account.assert_requested(body={"content": [{"text": "Is it closed?"}]})

def test_passes(mynah_account):
    ask(mynah_account, "Never shown")

@pytest.fixture
def broken(mynah_account):
    ask(mynah_account, "From a fixture")
    raise RuntimeError

def test_does_not_begin(broken):
    pass
"""
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1, passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*From a fixture*",
            ">   *mynah_account.assert_requested(*",
            "E   *AssertionError: no request was like this, of acct_*:",
            'E   *body.content?0?.text: wanted "Is it closed?", found "Is billing open?"',
            "*- mynah requests of acct_* -*",
            "received 1 request:",
            "    1 POST /v1/runner/YOUR_DEPLOYMENT_ID → 200",
            "*Is billing open?*",
            '        not by warm: variables.TONE wants "warm", found nothing',
            "*- mynah requests of acct_* -*",
            "received no requests",
        ]
    )
    result.stdout.no_fnmatch_line("*Never shown*")
    result.stdout.no_fnmatch_line("*journal.py:*")


def test_an_account_is_made_as_the_markers_say_and_removed(
    pytester: pytest.Pytester, running: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MYNAH_ADMIN_TOKEN", "secret")
    pytester.makepyfile("""
        import pytest

        @pytest.mark.mynah(plan="free", balance="12.5")
        class TestThem:
            @pytest.mark.mynah(balance="1")
            def test_it(self, mynah, mynah_account):
                state = mynah_account.state()
                assert (state["plan"], state["balance"]) == ("free", "1")
                mynah_account.fork().fork()
                assert len(mynah.accounts()) == 7
    """)
    result = pytester.runpytest_inprocess("--strict-markers", "--mynah-url", running.url)
    result.assert_outcomes(passed=1)
    accounts = Server.attach(running.url, "secret").accounts()
    assert [account["id"] for account in accounts] == [
        "demo",
        "demo-free",
        "demo-broke",
        "demo-other",
    ]


def test_a_test_draws_the_same_ids_whatever_runs_beside_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        CLIENT
        + """
@pytest.mark.parametrize("n", range(3))
def test_it(mynah_account, n):
    ask(mynah_account, "Hi")
    print(f"<{n} {mynah_account.requests()[0].entry['request_id']}>")
"""
    )
    all_of_them = pytester.runpytest_inprocess("-s")
    one = pytester.runpytest_inprocess("-s", "-k", "2")
    ids = re.findall(r"<(\d) (req_\w+)>", all_of_them.stdout.str())
    assert len({drawn for _, drawn in ids}) == 3
    assert re.findall(r"<(\d) (req_\w+)>", one.stdout.str()) == ids[2:]


@pytest.mark.parametrize("attached", [False, True])
def test_workers_have_a_server_each_unless_there_is_a_url(
    pytester: pytest.Pytester, running: Server, monkeypatch: pytest.MonkeyPatch, *, attached: bool
) -> None:
    monkeypatch.setenv("MYNAH_ADMIN_TOKEN", "secret")
    monkeypatch.setenv("MYNAH_URL", running.url if attached else "")
    pytester.makepyfile(
        CLIENT
        + """
@pytest.mark.parametrize("n", range(8))
def test_it(mynah, mynah_account, n, worker_id):
    assert worker_id in ("gw0", "gw1")
    mynah_account.replies.queue(f"Answer {n}")
    assert ask(mynah_account, "Hi") == f"Answer {n}"
    mynah_account.assert_request_count(1)
    assert n < 8, mynah.url
    with open("urls", "a") as urls:
        print(mynah.url, file=urls)
"""
    )
    result = pytester.runpytest_subprocess("-n2", "--dist=each")
    result.assert_outcomes(passed=16)
    urls = set((pytester.path / "urls").read_text().split())
    assert urls == {running.url} if attached else len(urls) == 2


def test_the_command_line_goes_before_the_environment(
    pytester: pytest.Pytester, running: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MYNAH_URL", running.url)
    monkeypatch.delenv("MYNAH_ADMIN_TOKEN", raising=False)
    pytester.makepyfile("def test_it(mynah_account): pass")
    pytester.runpytest_inprocess("--mynah-binary", "no-such-program").stdout.fnmatch_lines(
        ["E*MynahError: the given binary, 'no-such-program', is no program"]
    )
    pytester.runpytest_inprocess().stdout.fnmatch_lines(["E*401*MYNAH_ADMIN_TOKEN*"])


def test_the_server_is_started_with_options_of_the_configuration(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeini("[pytest]\nmynah_args = --strict --clock 2026-01-01T00:00:00Z")
    pytester.makepyfile("""
        def test_it(mynah_account):
            assert mynah_account.state()["clock"]["now"] == "2026-01-01T00:00:00Z"
    """)
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_server_that_dies_is_told_in_the_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import os, signal

        def test_it(mynah, mynah_account):
            os.kill(mynah.pid, signal.SIGKILL)
            mynah._process._process.wait()
            assert False
    """)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["it cannot be read: no answer from*; it ended with -9.*"])


def test_the_readme_holds(pytester: pytest.Pytester) -> None:
    snippets = re.findall(
        r"(<!-- not run.*?-->\n)?```python\n(.*?)```", README.read_text(), re.DOTALL
    )
    assert [bool(skipped) for skipped, _ in snippets].count(True) == 1
    run = "\n".join(code for skipped, code in snippets if not skipped)
    pytester.makepyfile(run)
    pytester.runpytest_inprocess("-W", "error").assert_outcomes(passed=7)


def test_the_failure_that_the_readme_shows(pytester: pytest.Pytester) -> None:
    text = README.read_text()
    [shown] = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    ask = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0].split("def test_")[0]
    pytester.makepyfile(f"""{ask}
def test_it(mynah_account):
    for text in ("Is billing open?", "And on Sundays?"):
        ask(mynah_account, text)
    try:
        body = {{"content": [{{"text": "And on Mondays?"}}]}}
        mynah_account.assert_requested(method="POST", body=body)
    except AssertionError as error:
        print(f"<AssertionError: {{error}}>")
""")
    result = pytester.runpytest_inprocess("-s")
    [failure] = re.findall(
        "<(AssertionError: .*?)>$", result.stdout.str(), re.DOTALL | re.MULTILINE
    )
    ids = re.compile(r"acct_\w+")
    assert ids.sub("acct_…", failure) == ids.sub("acct_…", shown.strip())
