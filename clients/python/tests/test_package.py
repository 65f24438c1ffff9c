from __future__ import annotations

import re
from importlib.metadata import requires, version

from conftest import REPOSITORY

import mynah_testing


def test_the_version_is_the_servers(mynah: mynah_testing.Server) -> None:
    manifest = (REPOSITORY / "Cargo.toml").read_text()
    declared = re.search(r'^version = "(.+)"$', manifest, re.MULTILINE)
    assert declared
    assert mynah_testing.__version__ == declared[1] == version("mynah-testing")
    assert mynah.version == declared[1]


def test_nothing_else_is_needed() -> None:
    assert all("extra ==" in it for it in requires("mynah-testing") or [])
