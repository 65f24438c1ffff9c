from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from mynah_testing import ControlError

if TYPE_CHECKING:
    from conftest import Client

    from mynah_testing import Account, Server
    from mynah_testing.plugin import MakeAccount

NEW_YEAR = datetime(2026, 1, 1, tzinfo=timezone.utc)


def test_an_account_has_what_a_client_needs(
    mynah: Server, mynah_account: Account, client: Client
) -> None:
    assert mynah_account.runner_url == f"{mynah.url}/v1/runner" == mynah.runner_url
    assert mynah_account.characters_url == f"{mynah.url}/api/v1" == mynah.characters_url
    assert client.ask("Hi")[0] == 200
    assert client.complete("Hi")[0] == 200


def test_an_account_is_changed_and_reset(mynah_account: Account, client: Client) -> None:
    mynah_account.change(balance="0", plan="free", runner_requests_per_minute=1)
    assert mynah_account.balance == Decimal(0)
    assert client.complete("Hi")[0] == 402
    assert client.ask("Hi")[0] == 200
    assert client.ask("Hi")[0] == 429
    mynah_account.change(runner_requests_per_minute=None)
    assert client.ask("Hi")[0] == 200
    mynah_account.reset()
    assert mynah_account.state()["plan"] == "pro"
    assert client.complete("Hi")[0] == 200


def test_a_trigger_is_listed_and_expires(mynah_account: Account) -> None:
    (seeded,) = mynah_account.triggers.all()
    assert (seeded["id"], seeded["expired"]) == ("trg_123abc", False)
    assert mynah_account.triggers.expire("trg_123abc")["expired"] is True
    with pytest.raises(ControlError, match="there is no trigger"):
        mynah_account.triggers.expire("trg_0")


def test_an_agent_run_is_listed_and_resumed(mynah_account: Account, client: Client) -> None:
    url = f"{mynah_account.runner_url.replace('/v1/', '/v2/')}/AGENT_DEPLOYMENT_ID/conversation"
    content = [{"type": "text", "text": "What is the weather in Oslo?"}]
    body = {"content": content, "client_capabilities": ["get_weather"]}
    assert client.send("POST", url, body)[0] == 200
    (run,) = mynah_account.runs.all()
    assert run["run_status"] == "waiting_for_client_action"
    (call,) = run["client_tool_calls"]
    results = [{"call_id": call["call_id"], "output": {"sky": "clear"}}]
    resumed = mynah_account.runs.resume(run["run_id"], results)
    assert (resumed["run_id"], resumed["run_status"]) == (run["run_id"], "completed")
    with pytest.raises(ControlError, match="there is no run"):
        mynah_account.runs.resume("run_0", results)


def test_an_account_of_the_fixtures_is_found(mynah: Server) -> None:
    assert mynah.account("demo", "YOUR_API_KEY").key == "YOUR_API_KEY"
    with pytest.raises(AttributeError, match="key of demo is not known"):
        _ = mynah.account("demo").key
    with pytest.raises(ControlError, match="404"):
        mynah.account("no-such-account")


def test_a_copy_of_another_account(mynah_accounts: MakeAccount) -> None:
    account = mynah_accounts(copy_of="demo-broke", seed=3)
    assert account.state()["from"] == "demo-broke"
    assert account.balance == 0
    with pytest.raises(TypeError, match="an account has no colour"):
        mynah_accounts(colour="red")  # type: ignore[call-arg]


def test_a_snapshot_is_taken_back_and_forked(
    mynah: Server, mynah_account: Account, client: Client
) -> None:
    conversations = f"{mynah_account.runner_url}/conversations"
    before = client.send("GET", conversations)
    snapshot = mynah_account.snapshot()
    client.ask("Hi", "YOUR_DEPLOYMENT_ID/conversation")
    assert client.send("GET", conversations) != before
    fork = mynah_account.fork(plan="free")
    mynah_account.restore(snapshot)
    assert client.send("GET", conversations) == before
    assert fork.state()["plan"] == "free"
    fork.remove()
    fork.remove()
    assert fork.id not in [account["id"] for account in mynah.accounts()]


def test_the_clock(mynah_account: Account) -> None:
    clock = mynah_account.clock
    assert not clock.is_frozen()
    assert clock.freeze(NEW_YEAR) == clock.now() == NEW_YEAR
    assert clock.is_frozen()
    assert clock.advance(60) == NEW_YEAR + timedelta(minutes=1)
    assert clock.advance(timedelta(hours=1)) == NEW_YEAR + timedelta(minutes=61)
    assert clock.set("2026-02-01T00:00:00Z") == NEW_YEAR + timedelta(days=31)
    assert clock.freeze() == NEW_YEAR + timedelta(days=31)
    clock.run()
    assert not clock.is_frozen()
    clock.freeze(NEW_YEAR)
    assert clock.advance(1.5) == NEW_YEAR + timedelta(seconds=1)
    assert clock.advance(timedelta(milliseconds=500)) == NEW_YEAR + timedelta(seconds=2)
    with pytest.raises(ControlError, match="seconds must be a number from 0"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="no time zone"):
        clock.set(datetime(2026, 1, 1))
    with pytest.raises(ControlError, match="now must be a time"):
        clock.set("tomorrow")


def test_replies_come_from_the_queue_and_then_from_rules(
    mynah_account: Account, client: Client
) -> None:
    replies = mynah_account.replies
    replies.queue({"text": "It depends.", "output_tokens": 17}, api="runner")
    replies.queue("Yes.", "No.")
    rule = replies.rule("Which order?", "Please call us.", contains="refund")
    assert client.ask("A refund")[1]["output_tokens"] == 17
    said = [client.ask("A refund")[1]["content"] for _ in range(4)]
    assert said == ["Yes.", "No.", "Which order?", "Please call us."]
    assert rule.answered == 2
    with replies.rule("Me first.", id="first", at=0, times=1) as first:
        assert [shown["id"] for shown in replies.all()["rules"]] == ["first", rule.id]
        assert client.ask("A refund")[1]["content"] == "Me first."
        assert client.ask("A refund")[1]["content"] == "Please call us."
        assert first.answered == 1
    with pytest.raises(LookupError):
        _ = first.answered
    replies.rule("Before.", before=rule.id)
    replies.queue("Never.")
    replies.clear_queue()
    assert client.ask("A refund")[1]["content"] == "Before."
    replies.clear()
    assert replies.all() == {"rules": [], "queue": []}


def test_what_the_server_does_not_know_is_refused_by_name(mynah_account: Account) -> None:
    with pytest.raises(ControlError, match="regex"):
        mynah_account.replies.rule("Hi", regex="(")
    with pytest.raises(ControlError, match="colour"):
        mynah_account.replies.rule("Hi", colour="red")  # type: ignore[call-arg]
    with pytest.raises(ControlError, match="colour"):
        mynah_account.fault(status=503, colour="red")  # type: ignore[call-arg]


def test_faults_come_and_go(mynah_account: Account, client: Client) -> None:
    with mynah_account.fault(status=503, retry_after=1, times=1) as fault:
        assert [client.ask("Hi")[0], client.ask("Hi")[0]] == [503, 200]
        assert (fault.matched, fault.fired) == (2, 1)
    with pytest.raises(LookupError, match=fault.id):
        _ = fault.fired
    route = "/v1/runner/{deployment_id}"
    mynah_account.faults.add(route=route, method="POST", nth=2, status=502)
    mynah_account.faults.add(api="characters", burst={"every": 30, "for": 5}, status=500)
    assert [client.ask("Hi")[0], client.ask("Hi")[0]] == [200, 502]
    assert client.complete("Hi")[0] == 500
    assert len(mynah_account.faults.all()) == 2
    mynah_account.faults.clear()
    assert client.complete("Hi")[0] == 200
