"""``tinv-tui doctor``: is this machine ready, and if not, what to do."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from tinv_tui.cli.health.check import Check
from tinv_tui.cli.health.memory import check_memory
from tinv_tui.cli.health.past_runs import check_runs
from tinv_tui.cli.health.self_test import check_by_training
from tinv_tui.cli.health.session import check_session
from tinv_tui.cli.health.software import check_software
from tinv_tui.cli.health.storage import check_storage
from tinv_tui.cli.output import EXIT_FAILED, command, print_json, say

_NEEDED = ("torch", "home", "bundled model", "self-test")
"""Without these nothing works; all else costs speed, comfort or safety."""


@click.option("--self-test/--no-self-test", default=True, help="Train 20 steps on the bundled model; on by default.")
def _doctor(self_test: bool, as_json: bool) -> None:
    """Check what training and the app need here, and train a few steps."""
    checks = list[Check]()
    for subject in (check_software, check_memory, check_storage, check_session, check_runs):
        found = subject()
        checks += found
        if not as_json:
            _say(found)
    if self_test:
        found = [check_by_training()]
        checks += found
        if not as_json:
            _say(found)
    if as_json:
        print_json({"checks": [asdict(check) for check in checks]})
    if not all(check.ok for check in checks if check.name in _NEEDED):
        sys.exit(EXIT_FAILED)


def _say(checks: list[Check]) -> None:
    """As soon as they are known: the self-test takes some seconds."""
    for check in checks:
        say(f"{'ok  ' if check.ok else 'look'}  {check.name:<14} {check.message}")
        if check.hint and not check.ok:
            say(f"      {'':<14} {check.hint}")


doctor = command("doctor")(_doctor)
