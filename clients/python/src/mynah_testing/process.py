"""A started server: on a free port, and never left running."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from typing import IO, TYPE_CHECKING

from mynah_testing.control import MynahError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Defaults of the server. They are environment variables so that arguments take precedence. MYNAH_…
#: variables of the test's environment are not passed on, so that runs do not depend on it.
DEFAULTS = {
    "MYNAH_DATABASE": "sqlite::memory:",
    "MYNAH_SEED": "1",
    "MYNAH_PACE": "0",
    "MYNAH_GRACE": "1",
}

#: Timeout of `Ready` in seconds. It takes milliseconds, but CI machines can be busy.
START = 30.0
#: Timeout after SIGTERM in seconds, beyond the server's grace.
END = 20.0

# The shell becomes the server, so the server has the pid that we know. A guard process reads from a
# pipe whose other end only we hold: a line means that we stopped the server ourselves, the end of
# the pipe that our process died. This works on every POSIX system and from any thread, unlike
# PR_SET_PDEATHSIG, which only Linux has and which is bound to a thread.
_GUARDED = (
    'exec 3<&0 </dev/null; { read -r _ <&3 || kill -TERM $$; } >/dev/null 2>&1 & exec "$@" 3<&-'
)


def find_binary(binary: str | Path | None = None) -> str:
    """Finds the server's binary: `binary`, else `MYNAH_BINARY`, else `mynah` on the PATH."""
    for named, source in (
        (binary, "the given binary"),
        (os.getenv("MYNAH_BINARY"), "MYNAH_BINARY"),
    ):
        if named:
            found = shutil.which(os.fspath(named))
            if found is None:
                raise MynahError(f"{source}, {os.fspath(named)!r}, is no program")
            return found
    found = shutil.which("mynah")
    if found is None:
        raise MynahError(
            "there is no mynah: name its binary with --mynah-binary or MYNAH_BINARY, put mynah on "
            "the PATH, or attach to a running server with --mynah-url or MYNAH_URL"
        )
    return found


class Process:
    """A running server with its `url`."""

    def __init__(self, binary: str, args: Sequence[str] = ()) -> None:
        if os.name != "posix":
            raise MynahError("a server can be started on POSIX systems only: attach to one by URL")
        self._owner_pid = os.getpid()
        self._stopped = False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `stop`)
        self._final_log = ""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MYNAH_")}
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _GUARDED, "sh", binary, "serve", "--port", "0", *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment | DEFAULTS,
            # Ctrl-C is for the tests, which still need the server to clean up.
            start_new_session=True,
        )
        atexit.register(self.stop)
        self.pid = self._process.pid
        try:
            self.url = self._ready()
        except BaseException:
            self.stop()
            raise

    def _ready(self) -> str:
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        reader = threading.Thread(target=_read, args=(self._process.stdout, lines), daemon=True)
        reader.start()
        deadline = time.monotonic() + START
        while True:
            try:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise MynahError(f"mynah was not ready within {START:g} s:\n{self.log()}") from None
            if line is None:
                code = self._process.wait()
                raise MynahError(f"mynah ended with {code} before it was ready:\n{self.log()}")
            if line.startswith("Ready on "):
                return line.removeprefix("Ready on ").strip()

    @property
    def exit_code(self) -> int | None:
        """The exit code if the server has exited (-9: by signal 9), else `None`."""
        return self._process.poll()

    def log(self) -> str:
        """Returns the server's log so far."""
        if self._log.closed:
            return self._final_log
        # Not `read`: the server writes at this file's position.
        fd = self._log.fileno()
        return os.pread(fd, os.fstat(fd).st_size, 0).decode(errors="replace")

    def stop(self) -> None:
        """Stops the server with SIGTERM and waits for its exit; may be called again."""
        # A forked child of the tests has a copy of this object, but does not own the server.
        if self._stopped or os.getpid() != self._owner_pid:
            return
        self._stopped = True
        atexit.unregister(self.stop)
        self._process.terminate()
        self._stop_guard()
        try:
            self._process.wait(END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._final_log = self.log()
        self._log.close()

    def _stop_guard(self) -> None:
        """Stops the guard before the pid can be reused."""
        pipe = self._process.stdin
        if pipe is None:
            return
        with contextlib.suppress(BrokenPipeError):
            pipe.write(b"\n")
            pipe.flush()
        with contextlib.suppress(BrokenPipeError):
            pipe.close()


def _read(output: IO[bytes], lines: queue.SimpleQueue[str | None]) -> None:
    with output:
        for line in output:
            lines.put(line.decode(errors="replace"))
    lines.put(None)
