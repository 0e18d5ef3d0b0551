"""Runs that are not as they should be: whose worker is gone or silent, and workers that belong to no run."""

from __future__ import annotations

from collections.abc import Sequence

from tinv_tui.cli.health.check import Check
from tinv_tui.runs.folder import RunFolder, all_runs
from tinv_tui.runs.liveness import RunState, state_of
from tinv_tui.runs.orphans import Orphan, find_orphans

_NAMED = 3


def check_runs() -> list[Check]:
    return [check_states([(run, state_of(run)[0]) for run in all_runs()]), check_orphans(find_orphans())]


def check_states(runs: Sequence[tuple[RunFolder, RunState]]) -> Check:
    lost = [run.handle for run, state in runs if state == "lost"]
    silent = [run.handle for run, state in runs if state == "not-responding"]
    if not lost and not silent:
        live = sum(state in ("starting", "running", "paused") for _, state in runs)
        return Check("runs", True, f"{len(runs)}, {live} of them alive")
    said, hints = list[str](), list[str]()
    if lost:
        said.append(f"lost their worker: {_few(lost)}")
        hints.append(f"Go on: tinv-tui resume {lost[0]}")
    if silent:
        said.append(f"not responding: {_few(silent)}")
        hints.append(f"End it: tinv-tui stop {silent[0]} --force")
    return Check("runs", False, "; ".join(said), "   ".join(hints))


def check_orphans(orphans: Sequence[Orphan]) -> Check:
    if not orphans:
        return Check("orphans", True, "no worker without a run")
    pids = " ".join(str(orphan.pid) for orphan in orphans)
    said = f"workers without a run: {_few([f'process {o.pid} of {o.run} ({o.why})' for o in orphans])}"
    return Check("orphans", False, said, f"They hold memory for nothing. End them: kill {pids}")


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
