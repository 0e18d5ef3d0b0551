"""The job that turns a folder of pictures into a dataset. Only this process writes, each file whole; the pool makes."""

from __future__ import annotations

import io
import time
from contextlib import ExitStack
from typing import Any

from PIL import Image

from tinv_tui.atomic import write_atomic
from tinv_tui.datasets.preprocess import (
    FOCAL_FOLDER,
    PicturePlan,
    PreprocessPlan,
    plan_preprocess,
    require_confirmed,
)
from tinv_tui.datasets.preprocess_picture import MadePicture, caption_of, join_captions
from tinv_tui.errors import InputError
from tinv_tui.recipe import make_recipe
from tinv_tui.worker.caption_job import Captioners
from tinv_tui.worker.jobs import Desk
from tinv_tui.worker.picture_pool import Outcome, made_pictures
from tinv_tui.worker.result_folder import result_folder


def run(arguments: dict[str, Any], desk: Desk) -> dict[str, Any]:
    """``section`` (a preprocessing section, paths absolute) and ``base_model`` (may be empty).

    Progress counts source pictures, and tells with each what was ``written`` and ``skipped`` (as in design §5), and the
    ``rate`` in pictures a second. Answers with the totals; what was told on the way is not told again, for a dataset may
    be long. Raises InputError. Folders that were made for the dataset stay only where something was written.
    """
    section = make_recipe({"preprocess": arguments["section"]}, "preprocess").preprocess
    plan = plan_preprocess(section, arguments.get("base_model") or "")
    require_confirmed(section, plan)
    skipped = [{"file": str(gone.file), "reason": gone.reason} for gone in plan.skipped]
    desk.progress(0, len(plan.pictures), rate=None, written=[], skipped=skipped)
    captioners = Captioners(plan.captioners, section)
    with ExitStack() as at_the_end:
        try:
            at_the_end.enter_context(result_folder(plan.destination))
        except OSError as error:
            raise _refusal(error) from None
        maker = _Writer(plan, desk, captioners)
        started = time.monotonic()
        for done, (picture, outcome) in enumerate(made_pictures(plan.pictures, section, desk.check), 1):
            maker.take(picture, outcome, done, done / (time.monotonic() - started))
    seconds = time.monotonic() - started
    return {
        "destination": str(plan.destination),
        "width": section.width,
        "height": section.height,
        "captioners": [found.model for found in plan.captioners],
        "caption_action": plan.caption_action,
        "seconds": round(seconds, 2),
        "pictures_per_second": round(len(plan.pictures) / seconds, 2),
    }


class _Writer:
    """Writes what was made, captions first, so that no picture is ever without the caption it should have."""

    def __init__(self, plan: PreprocessPlan, desk: Desk, captioners: Captioners) -> None:
        self._plan = plan
        self._desk = desk
        self._captioners = captioners

    def take(self, picture: PicturePlan, outcome: Outcome, done: int, rate: float) -> None:
        """Write everything of one source picture and tell of it. Raises Cancelled between two of its files."""
        written: list[dict[str, Any]] = []
        skipped: list[dict[str, str]] = []
        try:
            if isinstance(outcome, str):
                skipped.append({"file": str(picture.source), "reason": outcome})
            else:
                caption = ""
                for made in outcome:
                    if not made.is_mirror:  # a mirror image has the caption of what it mirrors
                        caption = join_captions(self._plan.caption_action, picture.caption, self._made_caption(made))
                    self._desk.check()
                    written.append(self._write(picture, made, caption_of(made, caption)))
        finally:
            news = {"done": done, "total": len(self._plan.pictures), "rate": round(rate, 3)}
            self._desk.answer("progress", {**news, "written": written, "skipped": skipped})

    def _made_caption(self, made: MadePicture) -> str:
        if not self._plan.captioners:
            return ""
        with Image.open(io.BytesIO(made.png), formats=("PNG",)) as image:
            return self._captioners.caption(image)

    def _write(self, picture: PicturePlan, made: MadePicture, caption: str) -> dict[str, Any]:
        image, text = (self._plan.destination / f"{made.name}{extension}" for extension in (".png", ".txt"))
        if caption:
            write_atomic(text, caption, durable=False)
        else:
            text.unlink(missing_ok=True)  # of a picture that is replaced now
        write_atomic(image, made.png, durable=False)
        told: dict[str, Any] = {
            "image": str(image),
            "caption": str(text) if caption else None,
            "source": str(picture.source),
        }
        if made.drawing is not None:
            folder = self._plan.destination / FOCAL_FOLDER
            try:
                folder.mkdir(exist_ok=True)
            except OSError as error:
                raise _refusal(error) from None
            write_atomic(folder / image.name, made.drawing, durable=False)
            told["drawing"] = str(folder / image.name)
        return told


def _refusal(error: OSError) -> InputError:
    return InputError(
        "preprocess-destination", f"preprocess.destination: {error}", "Give a folder that can be written to."
    )
