from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING
from unittest.mock import ANY

import pytest
from conftest import Client

from mynah_testing import Server

if TYPE_CHECKING:
    from mynah_testing import Account


def part(text: object) -> dict[str, object]:
    return {"content": [{"text": text}]}


def test_requests_are_picked_by_all_that_they_are(mynah_account: Account, client: Client) -> None:
    mynah_account.replies.rule("Yes.", id="yes", contains="billing")
    client.ask("Is billing open?", variables={"TONE": "warm"})
    client.send("GET", f"{mynah_account.runner_url}/conversations?page=1&userId=user_123")
    client.ask("Hi", "NO_SUCH_DEPLOYMENT")

    def numbers(**wanted: object) -> list[int]:
        return [it.number for it in mynah_account.requests(**wanted)]  # type: ignore[arg-type]

    assert numbers() == [1, 2, 3]
    assert numbers(method="post") == [1, 3]
    assert numbers(path="/v1/runner/conversations") == [2]
    assert numbers(path="/v1/runner/*") == [1, 2, 3]
    assert numbers(path=re.compile("_ID$")) == [1]
    assert numbers(route="/v1/runner/{deployment_id}") == [1, 3]
    assert numbers(query="page=1&userId=user_123") == [2]
    assert numbers(query={"page": "1"}) == [2]
    assert numbers(query={"page": ANY}) == [2]
    assert numbers(headers={"Content-Type": ANY}, status="2xx") == [1, 2]
    assert numbers(status=404, api="runner") == [3]
    assert numbers(status=lambda status: status > 400, api=ANY) == [3]
    assert numbers(fault=ANY) == numbers(fault="status") == []
    assert numbers(body="billing") == [1]
    assert numbers(body=re.compile("open.$")) == [1]
    assert numbers(body=part(re.compile("bill"))) == [1]
    assert numbers(body=part(ANY)) == [1, 3]
    assert numbers(body={"variables": {"TONE": "warm"}}, end="complete") == [1]
    assert numbers(model={"rule": "yes", "variables": {"TONE": "warm"}}) == [1]
    assert numbers(answer={"content": "Yes."}) == [1]
    assert numbers(answer={"content": lambda text: text.endswith(".")}, status=200) == [1]
    assert numbers(since=2) == [3]
    assert mynah_account.requests()[0].rule == "yes"
    with pytest.raises(TypeError, match="pfad is none of api, method"):
        numbers(pfad="/")


def test_assertions_that_hold_give_the_requests(mynah_account: Account, client: Client) -> None:
    client.ask("Hi")
    client.ask("Hello")
    [request] = mynah_account.assert_requested(body=part("Hello"))
    assert (request.number, request.status, request.path) == (
        2,
        200,
        "/v1/runner/YOUR_DEPLOYMENT_ID",
    )
    assert len(mynah_account.assert_request_count(2, method="POST")) == 2
    mynah_account.assert_not_requested(method="GET")
    last = mynah_account.journal.last
    mynah_account.assert_not_requested(since=last)
    mynah_account.journal.clear()
    mynah_account.assert_not_requested()
    assert mynah_account.journal.last == last == 2


def test_a_failure_names_what_came_and_the_nearest_miss(
    mynah_account: Account, client: Client
) -> None:
    client.ask("Is billing open?", history_limit=3)
    client.send("GET", f"{mynah_account.runner_url}/conversations?page=2")
    with mynah_account.fault(status=503):
        client.ask("Hi")
    with pytest.raises(AssertionError) as failed:
        mynah_account.assert_requested(
            method="POST", path="/v1/runner/*", body={**part("Is billing open?"), "meta": {"a": 1}}
        )
    assert str(failed.value) == (
        f"no request was like this, of {mynah_account.id}:\n"
        "conditions:\n"
        "    method: POST\n"
        "    path: /v1/runner/*\n"
        '    body: {"content":[{"text":"Is billing open?"}],"meta":{"a":1}}\n'
        "received 3 requests:\n"
        "    1 POST /v1/runner/YOUR_DEPLOYMENT_ID → 200\n"
        '        {"content":[{"type":"text","text":"Is billing open?"}],"history_limit":3}\n'
        "    2 GET /v1/runner/conversations?page=2 → 200\n"
        "    3 POST /v1/runner/YOUR_DEPLOYMENT_ID → 503 (fault: status)\n"
        '        {"content":[{"type":"text","text":"Hi"}]}\n'
        '        ← {"error":{"type":"api_error","message":"the service is temporarily unavailable",'
        '"param":null,"code":"service_unavailable"}}\n'
        "nearest miss: 1 POST /v1/runner/YOUR_DEPLOYMENT_ID → 200\n"
        '    body.meta: wanted {"a":1}, found nothing'
    )


def test_a_failure_names_what_only_the_test_compares(
    mynah_account: Account, client: Client
) -> None:
    client.ask("Hi", meta={"a": "x"})
    client.ask("Hi", meta={"a": "y", "b": "z"})
    meta = {"a": lambda it: it == "z", "b": lambda it: it == "z"}
    with pytest.raises(AssertionError) as failed:
        mynah_account.assert_requested(body={"meta": meta})
    assert str(failed.value).endswith(
        '\nrequest 2 differs only in what the test compares:\n    body.meta.a: found "y"'
    )


def test_a_wrong_count_names_the_requests(mynah_account: Account, client: Client) -> None:
    client.ask("Hi")
    client.ask("Hi")
    with pytest.raises(AssertionError, match=r"2 requests \(1, 2\) were like this, 1 were want"):
        mynah_account.assert_request_count(1, method="POST")
    with pytest.raises(AssertionError, match=r"2 requests \(1, 2\) were like this, 0 were want"):
        mynah_account.assert_not_requested()


def test_an_empty_journal_is_said_to_be(mynah_account: Account) -> None:
    with pytest.raises(AssertionError, match=r"any request\nreceived no requests$"):
        mynah_account.assert_requested()


def test_a_long_body_is_shown_by_its_beginning(mynah_account: Account, client: Client) -> None:
    client.ask("Hi " * 200, meta={f"key_{n}": "x" * 20 for n in range(20)})
    with pytest.raises(AssertionError) as failed:
        mynah_account.assert_requested(method="DELETE")
    lines = str(failed.value).splitlines()
    assert len(lines) < 20
    assert max(map(len, lines)) < 320
    assert any(line.startswith('        {"content":') and line.endswith("…") for line in lines)


def test_what_comes_in_the_background_is_waited_for(mynah_account: Account, client: Client) -> None:
    client.ask("Hi")
    threads = [threading.Thread(target=client.ask, args=(f"Order {n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    came = mynah_account.wait_for(3, body=re.compile(r"Order \d"))
    assert len(came) >= 3
    for thread in threads:
        thread.join()
    assert mynah_account.wait_for(body="Hi")[0].number == 1
    last = mynah_account.journal.last
    with pytest.raises(AssertionError, match=r"0 of 1 requests came within 0.05 s, of acct_"):
        mynah_account.wait_for(since=last, timeout=0.05)
    with pytest.raises(AssertionError, match=r"3 of 4 requests came (?s:.*)nearest miss: 1 "):
        mynah_account.wait_for(4, body="Order", timeout=0.05)


def test_a_wait_for_what_only_the_test_compares(mynah_account: Account, client: Client) -> None:
    client.ask("0")
    thread = threading.Thread(target=lambda: [client.ask(str(n)) for n in range(1, 5)])
    thread.start()
    found = mynah_account.wait_for(2, body=part(lambda text: int(text) % 2))
    assert [request.body["content"][0]["text"] for request in found] == ["1", "3"]
    thread.join()
    assert mynah_account.wait_for(since=3, body=part(ANY))[0].number == 4


def test_absence_is_not_claimed_of_what_was_dropped() -> None:
    with Server.start(args=["--journal-max", "1"]) as server:
        account = server.new_account()
        client = Client(account)
        client.ask("Hi")
        client.ask("Hi")
        with pytest.raises(AssertionError, match="1 are no longer in the log"):
            account.assert_not_requested(method="DELETE")
