"""What is known of a filled-in recipe form. The form needs it before what it takes to find out has been imported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tinv_tui.app.form_values import Checked

if TYPE_CHECKING:
    from tinv_tui.app.checks import PromptMaker
    from tinv_tui.app.last_run import SinceLastRun
    from tinv_tui.datasets.checks import CheckSettings
    from tinv_tui.datasets.findings import Finding
    from tinv_tui.datasets.pictures import PictureEntry
    from tinv_tui.runs.memory import MemoryNeed
    from tinv_tui.runs.plan import RunPlan
    from tinv_tui.schedule import Plan


@dataclass(frozen=True)
class CheckedRecipe(Checked):
    """The outcome, and for the dataset pane the pictures, what prompts they become and what they are checked for."""

    plan: RunPlan | None = None
    need: MemoryNeed | None = None
    """Where there is a plan."""
    pictures: tuple[PictureEntry, ...] | None = None
    """All of the folder, those left out too."""
    exclude: frozenset[str] = frozenset()
    """The file names of those that are left out."""
    prompts: PromptMaker | None = None
    settings: CheckSettings | None = None
    findings: tuple[Finding, ...] = ()
    """What the headers of the pictures tell; a closer look takes longer."""
    schedules: dict[str, Plan] = field(default_factory=dict)
    """Of the rate, and of clipping where there is any; empty where a field cannot be read."""
    since: SinceLastRun | None = None
    """What differs from the newest run, where there is one."""
