"""Mynah in Python tests: a server, accounts, and assertions on the requests that they received.

Under pytest the fixtures of `mynah_testing.plugin` are loaded automatically; elsewhere begin with
`Server.start` or `Server.attach`. docs/control.md of Mynah describes the control plane.
"""

from mynah_testing.account import Account
from mynah_testing.clock import Clock
from mynah_testing.control import ControlError, MynahError
from mynah_testing.faults import Fault, Faults
from mynah_testing.journal import Journal, Request
from mynah_testing.replies import Replies, Rule
from mynah_testing.runs import Runs
from mynah_testing.server import Server
from mynah_testing.triggers import Triggers

#: The version of the matching server.
__version__ = "0.1.0"

__all__ = [
    "Account",
    "Clock",
    "ControlError",
    "Fault",
    "Faults",
    "Journal",
    "MynahError",
    "Replies",
    "Request",
    "Rule",
    "Runs",
    "Server",
    "Triggers",
    "__version__",
]
