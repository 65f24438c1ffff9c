"""A server of our own: started on a free port, and never left behind."""

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

#: What the server runs with unless its arguments say otherwise. These are environment variables
#: so that an argument takes precedence; MYNAH_… of the test's own environment are not passed on,
#: or a run would depend on who started it.
DEFAULTS = {
    "MYNAH_DATABASE": "sqlite::memory:",
    "MYNAH_SEED": "1",
    "MYNAH_PACE": "0",
    "MYNAH_GRACE": "1",
}

#: Seconds from the start until `Ready`. It takes milliseconds; machines of a CI can be busy.
START = 30.0
#: Seconds from SIGTERM until the end, on top of the server's own grace.
END = 20.0

# The shell becomes the server, so the server has the pid that we know. Beside it stays a guard that
# reads from a pipe whose other end is ours alone: a line means that we ended the server ourselves;
# the pipe's end means that we are gone, however that came about. This holds for every POSIX system
# and thread, unlike PR_SET_PDEATHSIG, which Linux alone has and which follows the thread.
_GUARDED = (
    'exec 3<&0 </dev/null; { read -r _ <&3 || kill -TERM $$; } >/dev/null 2>&1 & exec "$@" 3<&-'
)


def find_binary(binary: str | Path | None = None) -> str:
    """Finds the server's binary: `binary`, else `MYNAH_BINARY`, else `mynah` on the PATH."""
    for named, said in ((binary, "the given binary"), (os.getenv("MYNAH_BINARY"), "MYNAH_BINARY")):
        if named:
            found = shutil.which(os.fspath(named))
            if found is None:
                raise MynahError(f"{said}, {os.fspath(named)!r}, is no program")
            return found
    found = shutil.which("mynah")
    if found is None:
        raise MynahError(
            "there is no mynah: name its binary with --mynah-binary or MYNAH_BINARY, put mynah on "
            "the PATH, or attach to a running server with --mynah-url or MYNAH_URL"
        )
    return found


class Process:
    """A running server; `url` is where it answers."""

    def __init__(self, binary: str, args: Sequence[str] = ()) -> None:
        if os.name != "posix":
            raise MynahError("a server can be started on POSIX systems only: attach to one by URL")
        self._maker = os.getpid()
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
            # Ctrl-C is for the tests: they still need the server to tidy up.
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
        """The exit code of a server that has ended (-9: by signal 9), else `None`."""
        return self._process.poll()

    def log(self) -> str:
        """Gives what the server has written to its log until now."""
        if self._log.closed:
            return self._final_log
        # Not `read`: the server writes where this file's position is.
        fd = self._log.fileno()
        return os.pread(fd, os.fstat(fd).st_size, 0).decode(errors="replace")

    def stop(self) -> None:
        """Ends the server with SIGTERM and waits for its end; once is enough."""
        # A child that was forked from the tests has this object, too, but not the server.
        if self._stopped or os.getpid() != self._maker:
            return
        self._stopped = True
        atexit.unregister(self.stop)
        self._process.terminate()
        self._stand_down()
        try:
            self._process.wait(END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._final_log = self.log()
        self._log.close()

    def _stand_down(self) -> None:
        """Tells the guard, before the pid can be another program's."""
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
