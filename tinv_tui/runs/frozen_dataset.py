"""The dataset of a run as it was when the run began, kept in its folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from tinv_tui.atomic import write_atomic
from tinv_tui.datasets.buckets import Size
from tinv_tui.runs.plan import RunPlan


@dataclass(frozen=True)
class FrozenDataset:
    """The dataset as the run first saw it; a resumed run trains on this, whatever became of the folder."""

    files: tuple[Path, ...]
    captions: tuple[str | None, ...]
    groups: dict[Size, list[int]]
    template: tuple[str, ...]
    hashes: tuple[str, ...] = ()
    """The first 12 hex digits of each file's SHA-256; "" for one that has gone. None in runs from before there were any."""

    def hashed(self) -> FrozenDataset:
        """With a hash of each file, which reads them all once."""
        return replace(self, hashes=tuple(map(_short_hash, self.files)))

    @staticmethod
    def of(plan: RunPlan) -> FrozenDataset:
        pictures = plan.pictures
        return FrozenDataset(
            tuple(p.path for p in pictures), tuple(p.caption for p in pictures), plan.groups, plan.template
        )

    def save(self, path: Path) -> None:
        content = {
            "pictures": [[str(f), c] for f, c in zip(self.files, self.captions, strict=True)],
            "groups": [[list(size), members] for size, members in self.groups.items()],
            "template": list(self.template),
            "hashes": list(self.hashes),
        }
        write_atomic(path, json.dumps(content, indent=1))

    @staticmethod
    def load(path: Path) -> FrozenDataset:
        """Raises OSError or ValueError."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return FrozenDataset(
            tuple(Path(f) for f, _ in content["pictures"]),
            tuple(c for _, c in content["pictures"]),
            {(w, h): members for (w, h), members in content["groups"]},
            tuple(content["template"]),
            tuple(content.get("hashes", ())),
        )


def _short_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:12]
    except OSError:
        return ""  # encoding says what is wrong with it
