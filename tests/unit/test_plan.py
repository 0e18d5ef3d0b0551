"""What a recipe comes to: checked before anything exists, every open question answered, everything odd said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.plans import codes, message, pictures, plan, recipe
from tinv_tui import paths
from tinv_tui.cli.checking import describe_plan
from tinv_tui.embeddings.files import Embedding, write_embedding
from tinv_tui.errors import InputError
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.estimates import estimate_time
from tinv_tui.runs.folder import find_run
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.liveness import state_of
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.run import Run
from tinv_tui.runs.status import Status, write_status

__all__ = ["pictures", "plan"]


def test_a_sound_recipe_has_no_warning_and_makes_nothing(plan: Any) -> None:
    assert plan().warnings == ()
    assert not paths.home().exists()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"embedding__name": ""}, "recipe-missing"),
        ({"embedding__name": "../zork"}, "name-path"),
        ({"model__path": "gone"}, "model-missing"),
        ({"model__path": "pictures"}, "model-format"),
        ({"model__clip_skip": 3}, "clip-skip"),
        ({"model__vae": "pictures"}, "vae-missing"),
        ({"dataset__path": "gone"}, "dataset-missing"),
        ({"dataset__path": "."}, "dataset-empty"),
        ({"dataset__template": "subjekt"}, "template-missing"),
        ({"dataset__template": "pictures/0.txt"}, "template-nameless"),
        ({"dataset__width": 72}, "size-grid"),
        ({"embedding__continue_from": "gone"}, "embedding-missing"),
    ],
)
async def test_bad_input_is_an_input_error_and_nothing_is_created(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as caught:
        await Run.start(recipe(**changes), beside=tmp_path)
    assert caught.value.code == code
    assert sorted(tmp_path.rglob("*")) == before


def test_the_plan_has_absolute_paths_and_no_open_question(plan: Any, pictures: Path) -> None:
    wanted = plan().recipe
    assert wanted.dataset.path == str(pictures)
    assert (wanted.dataset.width, wanted.dataset.height) == (64, 64)
    assert (wanted.preview.width, wanted.preview.height) == (64, 64)
    assert wanted.training.seed >= 0


def test_width_0_is_the_models_native_size_and_a_preview_follows_the_training(plan: Any) -> None:
    wanted = plan(dataset__width=128, preview__height=32).recipe
    assert (wanted.dataset.width, wanted.dataset.height) == (128, 64)
    assert (wanted.preview.width, wanted.preview.height) == (128, 32)


def test_seed_minus_1_is_drawn_anew_each_time_and_another_seed_stays(plan: Any) -> None:
    assert len({plan().recipe.training.seed for _ in range(4)}) == 4
    assert plan(training__seed=0).recipe.training.seed == 0


def test_the_run_keeps_the_plans_answers_in_its_recipe(plan: Any) -> None:
    made = plan()
    folder = make_run(made)
    assert load_recipe(folder.recipe) == made.recipe
    assert (folder.name, state_of(folder)[0]) == ("zork", "starting")
    assert folder.path.parent.parent == paths.runs_folder()


def test_runs_that_were_planned_at_one_moment_have_names_of_the_one_that_was_asked_for(plan: Any) -> None:
    rows = np.ones((1, 64), dtype=np.float32)
    paths.embeddings_folder().mkdir(parents=True)
    write_embedding(paths.embeddings_folder() / "zork.safetensors", Embedding("zork", {"emb_params": rows}, 5))
    plans = [plan() for _ in range(3)]
    assert {made.recipe.embedding.name for made in plans} == {"zork-2"}
    assert [make_run(made).name for made in plans] == ["zork-2", "zork-3", "zork-4"]


def test_a_plan_of_a_planned_recipe_changes_nothing(plan: Any, tmp_path: Path) -> None:
    first = plan()
    assert plan_run(first.recipe, Path("/")).recipe == first.recipe


def test_a_missing_caption_is_a_warning_where_the_template_wants_captions(plan: Any, pictures: Path) -> None:
    (pictures / "3.txt").unlink()
    assert codes(plan()) == ["caption-missing"]
    assert message(plan(), "caption-missing") == "3.png: no caption; [filewords] is empty for it"
    (pictures / "4.txt").unlink()
    assert message(plan(), "caption-missing").startswith("2 of 5 pictures")
    assert plan(dataset__template="subject").warnings == ()


def test_a_picture_that_cannot_be_read_is_left_out_and_said(plan: Any, pictures: Path) -> None:
    (pictures / "broken.png").touch()
    made = plan()
    assert len(made.pictures) == 5
    assert message(made, "unreadable") == "broken.png: empty file; it is left out"


def test_a_picture_is_left_out_by_its_name_and_so_is_what_is_wrong_with_it(plan: Any, pictures: Path) -> None:
    (pictures / "broken.png").touch()
    Image.new("RGB", (64, 64)).save(pictures / "5.png")
    made = plan(dataset__exclude=["1.png", "broken.png"])
    assert [picture.path.name for picture in made.pictures] == ["0.png", "2.png", "3.png", "4.png", "5.png"]
    assert made.groups == {(64, 64): [0, 1, 2, 3, 4]}
    assert made.steps_per_epoch == 5
    assert codes(made) == ["caption-missing"]
    assert (describe_plan(made)["images"], describe_plan(made)["left_out"]) == (5, 2)
    assert sorted(path.name for path in pictures.glob("*.png")) == [*(f"{n}.png" for n in range(6)), "broken.png"]
    assert codes(plan(dataset__exclude=["1.png", "5.png"])) == ["unreadable", "too-few"]


def test_a_name_to_leave_out_that_is_not_there_is_said_and_leaving_all_out_is_refused(
    plan: Any, pictures: Path
) -> None:
    assert "gone.png, lost.png and 1 more" in message(
        plan(dataset__exclude=["gone.png", "lost.png", "nil.png"]), "exclude-absent"
    )
    with pytest.raises(InputError, match=r"dataset\.exclude: every picture of .* is left out"):
        plan(dataset__exclude=[f"{number}.png" for number in range(5)])


def test_few_pictures_are_a_warning(plan: Any, pictures: Path) -> None:
    (pictures / "0.png").unlink()
    assert codes(plan()) == ["too-few"]


@pytest.mark.parametrize(("batch", "repeats", "warned"), [(5, 1, False), (6, 1, True), (6, 2, False)])
def test_a_step_larger_than_the_set_is_said(plan: Any, batch: int, repeats: int, warned: bool) -> None:
    assert ("batch-large" in codes(plan(training__batch_size=batch, dataset__repeats=repeats))) is warned


@pytest.mark.parametrize(("accumulation", "warned"), [(2, False), (3, True)])
def test_a_step_of_several_batches_that_goes_round_the_set_is_said_and_not_lowered(
    plan: Any, accumulation: int, warned: bool
) -> None:
    made = plan(training__batch_size=2, training__gradient_accumulation=accumulation)
    assert ("step-large" in codes(made)) is warned
    assert made.recipe.samples_per_step == 2 * accumulation


def test_a_caption_that_says_the_name_is_said(plan: Any, pictures: Path) -> None:
    (pictures / "2.txt").write_text("a zork on a mat")
    assert (
        message(plan(), "caption-placeholder")
        == "2.png: its caption says zork, which becomes the embedding a second time"
    )
    (pictures / "3.txt").write_text("a [name] on a mat")
    assert "2.png, 3.png" in message(plan(), "caption-placeholder")
    assert "caption-placeholder" not in codes(plan(dataset__template="subject"))


def test_what_headers_tell_of_the_pictures_is_among_the_warnings(plan: Any, pictures: Path) -> None:
    Image.new("RGB", (32, 24)).save(pictures / "9.png")
    assert codes(plan()) == ["not-square", "too-small", "caption-missing"]


def test_mirror_images_do_not_make_up_for_pictures(plan: Any, pictures: Path) -> None:
    half = Image.new("RGB", (64, 64), "red")
    half.paste("blue", (0, 0, 20, 64))
    half.save(pictures / "0.png")
    half.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(pictures / "1.png")
    assert message(plan(), "too-few").startswith("4 pictures, 1 mirror image not counted")


def test_a_file_name_that_reads_as_words_is_the_caption_where_there_is_no_file(plan: Any, pictures: Path) -> None:
    (pictures / "3.png").rename(pictures / "00003-1-a red fox.png")
    made = plan()
    assert made.warnings == ()
    assert made.pictures[1].caption == "a red fox"
    assert plan(dataset__filename_regex="[a-z]{3,}", dataset__filename_join="+").pictures[1].caption == "red+fox"


def test_what_is_odd_about_the_schedule_is_among_the_warnings(plan: Any) -> None:
    made = plan(training__learning_rate="0.5:10, 0.001:10", training__steps=30)
    assert codes(made) == ["rate-short", "rate-high"]
    assert made.rates.in_words() == "0.5 for 1–10, 0.001 for 11–30"


def test_the_clipping_schedule_is_heeded_only_when_clipping(plan: Any) -> None:
    odd = {"training__clip_schedule": "0.1:5", "training__steps": 30}
    assert codes(plan(**odd)) == []
    assert codes(plan(**odd, training__clip="norm")) == ["rate-short"]


def test_a_prompt_of_several_chunks_is_said(plan: Any, pictures: Path) -> None:
    (pictures / "2.txt").write_text("a " * 90)
    assert "2.png" in message(plan(), "caption-long")


def test_pictures_of_another_shape_get_a_bucket_of_their_own(plan: Any, pictures: Path) -> None:
    Image.new("RGB", (128, 64)).save(pictures / "9.png")
    groups = plan().groups
    assert groups.pop((64, 64)) == [0, 1, 2, 3, 4]
    ((size, members),) = groups.items()
    assert (members, size[0] > size[1]) == ([5], True)
    assert plan(dataset__sizes="crop").groups == {(64, 64): [0, 1, 2, 3, 4, 5]}


def test_steps_per_epoch_count_every_picture_once(plan: Any) -> None:
    assert plan().steps_per_epoch == 5
    assert plan(dataset__repeats=4, training__batch_size=2, training__gradient_accumulation=2).steps_per_epoch == 5
    assert plan(training__batch_size=50).steps_per_epoch == 1


def test_sample_prompts_are_whole_sentences_with_the_name(plan: Any) -> None:
    prompts = plan().sample_prompts(7)
    assert len(prompts) == 7
    assert all("zork" in p and "[" not in p for p in prompts)
    assert prompts[1].endswith("red, thing 1")


def test_the_time_is_estimated_from_a_run_that_does_the_same_work(plan: Any) -> None:
    assert estimate_time(plan()).seconds is None
    write_status(make_run(plan()).status, Status(state="finished", name="zork", steps_per_second=4.0))
    estimate = estimate_time(plan(training__steps=100))
    assert (estimate.seconds, "zork" in estimate.basis) == (25.0, True)
    assert estimate_time(plan(training__steps=100, training__batch_size=2)).seconds is None
    cut_short = estimate_time(plan(training__steps=10_000, training__minutes=1))
    assert cut_short.seconds == 60
    assert "its 1 minutes end it at about step" in cut_short.basis


def test_the_time_has_that_of_previews_where_the_earlier_run_drew_as_many(
    plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_status(make_run(plan()).status, Status(state="finished", name="zork", steps_per_second=4.0))
    monkeypatch.setattr("tinv_tui.runs.estimates.spent", lambda _: (200, 100.0))
    alike, others = plan(training__steps=100), plan(training__steps=100, saving__image_every=7)
    assert (estimate_time(alike).seconds, "without previews" in estimate_time(alike).basis) == (50.0, False)
    assert (estimate_time(others).seconds, "without previews" in estimate_time(others).basis) == (25.0, True)
    assert "without previews" not in estimate_time(plan(training__steps=100, saving__image_every=0)).basis


def test_a_run_whose_recipe_is_damaged_does_not_hinder_the_estimate(plan: Any) -> None:
    folder = make_run(plan())
    write_status(folder.status, Status(state="finished", steps_per_second=4.0))
    folder.recipe.write_text("[")
    assert estimate_time(plan()).seconds is None


def test_a_run_made_in_another_log_directory_is_found_by_name_afterwards(plan: Any, tmp_path: Path) -> None:
    folder = make_run(plan(saving__log_directory="logs"))
    assert folder.path.parent.parent == tmp_path / "logs"
    assert find_run("zork") == folder
