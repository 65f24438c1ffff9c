from __future__ import annotations

import re
from typing import Any
from unittest.mock import ANY

import pytest

from mynah_testing import Request
from mynah_testing.matching import differences, misses


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ([{"a": 1}], [{"a": 1, "b": 2}]),
        (("x", ANY), ["x", None]),
        (re.compile("^b"), "bc"),
        (1, 1.0),
        (None, None),
        (ANY, True),
        ({}, {"a": 1}),
    ],
)
def test_alike_in_part(wanted: Any, found: Any) -> None:
    assert list(differences(wanted, found, "body")) == []


@pytest.mark.parametrize(
    ("wanted", "found", "said"),
    [
        ({"a": 1}, {}, ["body.a: wanted 1, found nothing"]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["body.a.b: wanted 1, found 2"]),
        ([1], [1, 2], ["body: wanted 1 item, found 2 items: [1, 2]"]),
        ([1, 2], [3, 4], ["body[0]: wanted 1, found 3", "body[1]: wanted 2, found 4"]),
        (True, 1, ["body: wanted true, found 1"]),
        (1, True, ["body: wanted 1, found true"]),
        ({"a": 1}, "text", ['body: wanted {"a": 1}, found "text"']),
        (re.compile("^b"), "abc", ["body: wanted what matches '^b', found \"abc\""]),
        (re.compile("1"), 1, ["body: wanted what matches '1', found 1"]),
    ],
)
def test_not_alike(wanted: Any, found: Any, said: list[str]) -> None:
    assert [str(it) for it in differences(wanted, found, "body")] == said


def request(**entry: Any) -> Request:
    return Request({"number": 1, "method": "POST", "path": "/", "query": None, **entry})


def test_a_body_that_is_no_object() -> None:
    assert misses(request(body="[1, 2]"), {"body": [1, 2]}) == []
    assert misses(request(body="no JSON"), {"body": "JSON"}) == []
    [missed] = misses(request(body='{"a": "be', body_cut=True), {"body": {"a": "bee"}})
    assert (
        str(missed) == 'body: wanted {"a": "bee"}, found the beginning of it only: it is too long'
    )
    [missed] = misses(request(body=None), {"body": {}})
    assert str(missed) == "body: wanted {}, found none: none was sent, or none was read"


def test_no_answer_has_no_status() -> None:
    [missed] = misses(request(answer=None), {"status": "2xx"})
    assert str(missed) == "status: wanted 2xx, found no answer"
