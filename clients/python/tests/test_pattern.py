from __future__ import annotations

import re
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import pytest

from mynah_testing import ControlError

if TYPE_CHECKING:
    from conftest import Client

    from mynah_testing import Account


def sent(client: Client, value: Any) -> None:
    """Sends a request with this value in its body."""
    client.ask("Hi", variables={"it": value})


def failure(account: Account, **pattern: Any) -> str:
    with pytest.raises(AssertionError) as failed:
        account.assert_requested(**pattern)
    return str(failed.value)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ([{"a": 1}], [{"a": 1, "b": 2}]),
        (("x", ANY), ["x", None]),
        ([{"a": ANY}, lambda it: it > 1], [{"a": 1, "b": 2}, 2]),
        ([re.compile("^x"), 1, ANY], ["xy", 1.0, 2]),
        (re.compile("^b"), "bc"),
        (re.compile("^B.C$", re.IGNORECASE | re.MULTILINE | re.DOTALL), "a\nb\nc"),
        (re.compile("1"), 1),
        (1, 1.0),
        (None, None),
        (ANY, True),
        (lambda it: it > 1, 2),
        ({}, {"a": 1}),
        ({"contains": "x"}, {"contains": "x"}),
        ({"regex": re.compile("^x")}, {"regex": "xy", "b": 2}),
    ],
)
def test_a_pattern_matches(mynah_account: Account, client: Client, wanted: Any, found: Any) -> None:
    sent(client, found)
    mynah_account.assert_requested(body={"variables": {"it": wanted}})


@pytest.mark.parametrize(
    ("wanted", "found", "difference"),
    [
        ({"a": 1}, {}, ".a: wanted 1, found nothing"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ".a.b: wanted 1, found 2"),
        ([1], [1, 2], ": wanted 1 item, found 2 items: [1,2]"),
        ([1, 2], [3, 4], "[0]: wanted 1, found 3\n    body.variables.it[1]: wanted 2, found 4"),
        (True, 1, ": wanted true, found 1"),
        (1, True, ": wanted 1, found true"),
        ({"a": 1}, "text", ': wanted {"a":1}, found "text"'),
        (re.compile("^b"), "abc", ': wanted a text that matches "^b", found "abc"'),
        ({"contains": "x"}, {"contains": "xy"}, '.contains: wanted "x", found "xy"'),
        # What the helper compares.
        ({"a": ANY}, {"b": 1}, ".a: found nothing"),
        ({"a": lambda it: it > 1}, {"a": 1}, ".a: found 1"),
        ([1, ANY], [1, 2, 3], ": found [1, 2, 3]"),
        ([1, ANY], [True, 2], ": found [true, 2]"),
        ([{"a": 1}, ANY], [{}, 2], ": found [{}, 2]"),
        ([re.compile("^b"), ANY], ["abc", 2], ': found ["abc", 2]'),
        ({"regex": re.compile("^b")}, {"regex": "abc"}, ': found {"regex": "abc"}'),
    ],
)
def test_a_pattern_does_not_match(
    mynah_account: Account, client: Client, wanted: Any, found: Any, difference: str
) -> None:
    sent(client, found)
    assert failure(mynah_account, body={"variables": {"it": wanted}}).endswith(
        f"\n    body.variables.it{difference}"
    )


def test_a_parameter_with_the_name_of_an_operator(mynah_account: Account, client: Client) -> None:
    client.send("GET", f"{mynah_account.runner_url}/conversations?contains=xy")
    mynah_account.assert_requested(query={"contains": "xy"})
    mynah_account.assert_not_requested(query={"contains": "x"})


def test_a_body_that_is_no_object(mynah_account: Account, client: Client) -> None:
    url = f"{mynah_account.runner_url}/YOUR_DEPLOYMENT_ID"
    client.send("POST", url, [1, 2])
    mynah_account.assert_requested(body=[1, 2])
    mynah_account.assert_requested(body=[1, ANY])
    client.send("POST", url, "no JSON")
    mynah_account.assert_requested(body="JSON")
    before = mynah_account.journal.last
    client.send("GET", f"{mynah_account.runner_url}/conversations")
    none = "body: wanted {}, found none: none was sent, or none was read"
    assert failure(mynah_account, body={"a": {}}, since=before).endswith(
        none.replace("{}", '{"a":{}}')
    )
    assert failure(mynah_account, body=ANY, since=before).endswith("body: found nothing")
    mynah_account.assert_requested(body=None)
    before = mynah_account.journal.last
    client.send("POST", url, {"a": "be" * 40_000})
    cut = "found only its beginning, as text: it is too long for the log"
    assert failure(mynah_account, body={"a": "bee"}, since=before).endswith(cut)


def test_no_answer_has_no_status(mynah_account: Account, client: Client) -> None:
    mynah_account.faults.add(drop="before_answer")
    with pytest.raises((HTTPException, OSError)):
        client.ask("Hi")
    assert failure(mynah_account, status="2xx").endswith("status: wanted 2xx, found no answer")
    assert failure(mynah_account, status=ANY).endswith("status: found nothing")


def test_what_the_server_cannot_search_is_refused(mynah_account: Account) -> None:
    with pytest.raises(ControlError, match=r"match\.path\.regex: .*look-around"):
        mynah_account.requests(path=re.compile("(?=x)"))
    for pattern in (re.compile("x", re.ASCII), re.compile("x y", re.VERBOSE)):
        with pytest.raises(ValueError, match="only texts with the flags i, m and s can be sent"):
            mynah_account.requests(path=pattern)
    with pytest.raises(ControlError, match=r"match\.query\.page must be a string"):
        mynah_account.requests(query={"page": 1})
