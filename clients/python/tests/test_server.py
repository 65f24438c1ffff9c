from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest

from mynah_testing import ControlError, MynahError, Server


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def ends(connection: socket.socket) -> bool:
    """Waits until the server at the other end is gone."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:  # it had not been accepted yet
        return True


def status_with_an_unknown_field(server: Server) -> int:
    """The status of a run whose body has an unknown field, which `--strict` refuses."""
    body = {"content": [{"type": "text", "text": "Hello"}], "unknown": 1}
    headers = {"content-type": "application/json", "x-api-key": "YOUR_API_KEY"}
    request = urllib.request.Request(
        f"{server.runner_url}/YOUR_DEPLOYMENT_ID", json.dumps(body).encode(), headers
    )
    # A proxy of the environment does not concern this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_server_starts_on_a_free_port_and_ends_in_good_order() -> None:
    with Server.start() as server, Server.start() as other:
        assert server.url != other.url
        assert server.started_here
        assert server._process
        process = server._process
    assert process.exit_code == 0
    assert "stopping" in server.log()
    with pytest.raises(ConnectionRefusedError):
        connect(server.url)
    server.stop()


def test_two_servers_draw_the_same_ids() -> None:
    with Server.start() as server, Server.start() as other:
        assert server.new_account().key == other.new_account().key


def test_variables_of_the_environment_are_kept_from_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MYNAH_ADMIN_TOKEN", "of another server")
    monkeypatch.setenv("MYNAH_STRICT", "true")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with Server.start() as server:
        assert status_with_an_unknown_field(server) == 200


def test_options_go_before_the_defaults() -> None:
    with Server.start(args=["--seed", "7", "--strict"]) as server:
        assert status_with_an_unknown_field(server) == 400


def test_a_server_that_cannot_start_says_why() -> None:
    with pytest.raises(MynahError, match=r"ended with 2 before it was ready:\n.*--no-such-option"):
        Server.start(args=["--no-such-option"])


def test_a_binary_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MynahError, match="the given binary, 'no-such-program'"):
        Server.start("no-such-program")
    monkeypatch.setenv("MYNAH_BINARY", "/nowhere/mynah")
    with pytest.raises(MynahError, match="MYNAH_BINARY, '/nowhere/mynah'"):
        Server.start()
    monkeypatch.delenv("MYNAH_BINARY")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MynahError, match="--mynah-binary or MYNAH_BINARY"):
        Server.start()


def test_a_server_that_is_killed_is_named_as_the_reason() -> None:
    with Server.start() as server, connect(server.url) as connection:
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        assert ends(connection)
        assert server._process
        server._process._process.wait()
        with pytest.raises(MynahError, match="it ended with -9"):
            server.accounts()


@pytest.mark.parametrize("death", ["SIGKILL", "SIGTERM", "exit"])
def test_a_server_does_not_outlive_its_tests(death: str) -> None:
    program = textwrap.dedent("""
        import os, sys, threading
        from mynah_testing import Server
        servers = []
        thread = threading.Thread(target=lambda: servers.append(Server.start()))
        thread.start()
        thread.join()
        print(servers[0].url, flush=True)
        sys.stdin.readline()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdin
        assert tests.stdout
        url = tests.stdout.readline().strip()
        with connect(url) as connection:
            if death == "exit":
                tests.stdin.close()
            else:
                tests.send_signal(getattr(signal, death))
            assert ends(connection)
        tests.wait(timeout=20)
    with pytest.raises(ConnectionRefusedError):
        connect(url)


def test_a_forked_child_leaves_the_server_alone() -> None:
    with Server.start() as server:
        child = os.fork()
        if child == 0:
            try:
                server.stop()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert server.accounts()


def test_a_server_that_runs_is_attached_to_with_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server.start(args=["--admin-token", "secret"]) as running:
        with Server.attach(running.url) as server:
            assert not server.started_here
            with pytest.raises(ControlError, match=r"401.*MYNAH_ADMIN_TOKEN"):
                server.accounts()
        assert Server.attach(running.url, "secret").accounts()
        monkeypatch.setenv("MYNAH_ADMIN_TOKEN", "secret")
        assert Server.attach(f"{running.url}/").accounts()


def test_an_address_without_a_server_is_named() -> None:
    with pytest.raises(MynahError, match=r"no answer from .*: ConnectionRefused"):
        Server.attach("http://127.0.0.1:1")
    with pytest.raises(MynahError, match="is no URL"):
        Server.attach("localhost:4310")
