"""Previews of real runs: what they are called, what they carry, and what becomes of one that fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from tests.worker.helpers import make_job, recipe, trained
from tests.worker.test_lifecycle import finish, until
from tinv_tui.datasets.infotext import preview_values, read_infotext
from tinv_tui.embeddings.files import read_embedding
from tinv_tui.embeddings.pixels import take_out
from tinv_tui.runs.events import read_all
from tinv_tui.runs.run import Run
from tinv_tui.sections import PreviewSection
from tinv_tui.training.loop import Job
from tinv_tui.training.memory import gives_way
from tinv_tui.training.previews import Interrupted, PreviewLimits, draw_preview, draw_previews
from tinv_tui.training.state import TrainingState
from tinv_tui.worker.pace import Pace

PROMPTS = ["a photo of a [name]", "a red zork on a white background", "a zork"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_several_prompts_make_several_pictures_each_with_its_own_name_and_text() -> None:
    wanted = recipe(
        training__steps=6, saving__image_every=3, preview__prompts=PROMPTS, preview__sampler="euler a", preview__steps=2
    )
    run = trained(wanted)
    files = [f"zork-{step}{more}.png" for step in (3, 6) for more in ("", "-2", "-3")]
    assert names(run.folder.images) == names(run.folder.image_embeddings) == sorted(files)
    assert names(run.folder.copies) == []  # a card needs no copy beside it
    for step in (3, 6):
        drawn = [run.folder.images / f"zork-{step}{more}.png" for more in ("", "-2", "-3")]
        assert len({np.asarray(Image.open(path)).tobytes() for path in drawn}) == 3
        assert [read_infotext(path).prompt for path in drawn] == [p.replace("[name]", "zork") for p in PROMPTS]
    assert {read_embedding(path).name for path in run.folder.image_embeddings.iterdir()} == {"zork-3", "zork-6"}
    values, notes = preview_values(read_infotext(run.folder.images / "zork-3.png"))
    assert (values["steps"], values["sampler"], values["seed"], values["width"]) == (2, "euler a", 42, 64)
    assert notes == []


def test_what_comes_between_the_steps_of_a_run_has_its_part_in_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    spent, intervals = list[str](), list[Mapping[str, int]]()
    monkeypatch.setattr(Pace, "spent", lambda _, what, seconds: spent.append(what))
    monkeypatch.setattr(Pace, "stepped", lambda *given: intervals.append(given[-1]))
    expected = dict[str, float]()
    monkeypatch.setattr(Pace, "expect", lambda _, what, steps: expected.update({what: steps}))
    monkeypatch.setattr("tinv_tui.training.loop.evaluation_interval", lambda *_: 3)
    monkeypatch.setattr("tinv_tui.worker.attendant.evaluation_interval", lambda *_: 3)
    trained(recipe(training__steps=6, saving__image_every=2, saving__embedding_every=4, preview__steps=1))
    assert Counter(spent) == {"evaluation": 2, "preview": 3, "copy": 1}
    assert intervals == [{"evaluation": 3, "preview": 2, "copy": 4}] * 6
    assert expected == {
        "preview": pytest.approx(2 / (3 * 2))
    }  # with and without the prompt, forward alone; a batch of two


def test_a_card_carries_the_vectors_of_its_step_in_chunk_and_pixels() -> None:
    run = trained(recipe(training__steps=4, saving__image_every=4, saving__embedding_every=4))
    copy = read_embedding(run.folder.copies / "zork-4.safetensors")
    card = run.folder.image_embeddings / "zork-4.png"
    carried = read_embedding(card)
    assert (carried.name, carried.step, carried.base_model) == ("zork-4", 4, "bundled")
    assert carried.vectors["emb_params"].tobytes() == copy.vectors["emb_params"].tobytes()
    assert b'"step": 4' in take_out(Image.open(card))
    assert read_infotext(card) == read_infotext(run.folder.images / "zork-4.png")


def test_cards_are_made_only_where_they_are_wanted() -> None:
    run = trained(recipe(training__steps=2, saving__image_every=2, saving__image_carries_embedding=False))
    assert names(run.folder.images) == ["zork-2.png"]
    assert names(run.folder.image_embeddings) == []


def test_with_both_intervals_zero_a_run_leaves_its_result_alone() -> None:
    run = trained(recipe(training__steps=3, saving__image_every=0, saving__embedding_every=0))
    ended = read_all(run.folder.events)[-1]
    assert (ended["state"], Path(ended["embedding"]).is_file()) == ("finished", True)
    assert names(run.folder.images) == names(run.folder.copies) == names(run.folder.image_embeddings) == []


class Spare:
    """Memory that is held for speed alone."""

    def __init__(self) -> None:
        self.times = 0

    def forget(self) -> None:
        self.times += 1


def test_a_preview_that_lacks_memory_gets_what_is_spare_and_is_decoded_in_tiles_after_that(tmp_path: Path) -> None:
    job, state = make_job(tmp_path, recipe())
    gives_way(spare := Spare())
    vae, asked = job.model.vae, PreviewSection(steps=1)
    sizes, decode = list[int](), vae.decoder.forward

    def drawn(most: int) -> Image.Image:
        def short(latents: torch.Tensor) -> torch.Tensor:
            sizes.append(latents.shape[-1])
            if latents.shape[-1] > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            answer: torch.Tensor = decode(latents)
            return answer

        sizes.clear()
        vae.decoder.forward = short
        return draw_preview(job.model, job.encoder, job.prompts, state.vectors, "a zork", asked, (192, 192), 3)

    whole = drawn(most=192)
    assert spare.times == 0
    tiled = drawn(most=32)
    factor = job.model.base.latent_factor
    assert sizes[:3] == [192 // factor, 192 // factor, 128 // factor]
    assert (spare.times, tiled.size, vae.use_tiling) == (2, (192, 192), False)
    difference = np.abs(np.asarray(tiled, dtype=float) - np.asarray(whole, dtype=float)).mean()
    assert 0 < difference < 20


LONG = "a photo of a [name] on a white background, " + ", ".join(["a red circle"] * 30)
"""Of two chunks."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, TrainingState]:
    return make_job(tmp_path_factory.mktemp("job"), recipe())


def draw(made: tuple[Job, TrainingState], texts: list[str], settings: PreviewSection, **more: Any) -> list[np.ndarray]:
    job, state = made
    images = draw_previews(
        job.model, job.encoder, job.prompts, state.vectors, texts, settings, (64, 64), seed=5, **more
    )
    return [np.asarray(image).astype(int) for image in images]


@pytest.mark.parametrize(
    ("sampler", "negative"),
    [("dpm++ 2m karras", ""), ("euler a", "a green square"), ("dpm++ 2m sde", ""), ("dpm++ sde", ""), ("ddim", LONG)],
)
def test_a_picture_is_the_same_beside_others_as_alone(
    sampler: str, negative: str, made: tuple[Job, TrainingState]
) -> None:
    settings = PreviewSection(sampler=sampler, steps=3, cfg=3.0, negative=negative)  # type: ignore[arg-type]
    texts = [*PROMPTS, LONG, "a red circle"]
    together = draw(made, texts, settings)
    alone = [draw(made, [text], settings)[0] for text in texts]
    assert max(int(abs(one - other).max()) for one, other in zip(together, alone, strict=True)) <= 2
    assert len({image.tobytes() for image in together}) == len(texts)


def test_prompts_are_drawn_at_once_and_one_by_one_once_memory_did_not_do(
    made: tuple[Job, TrainingState], monkeypatch: pytest.MonkeyPatch
) -> None:
    unet, batches = made[0].model.unet, list[int]()
    forward = unet.forward

    def short(sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        batches.append(len(sample))
        if len(sample) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(sample, *args, **kwargs)

    monkeypatch.setattr(unet, "forward", short)
    settings, limits, most = PreviewSection(steps=1), PreviewLimits(), 8
    whole = draw(made, PROMPTS * 2, settings, limits=limits)
    assert batches == [8, 4]
    most = 2
    batches.clear()
    squeezed = draw(made, PROMPTS, settings, limits=limits)
    assert batches == [6, 2, 2, 2]
    draw(made, PROMPTS, settings, limits=limits)
    assert batches == [6, 2, 2, 2, 2, 2, 2]
    assert max(int(abs(one - other).max()) for one, other in zip(whole, squeezed, strict=False)) <= 2
    most = 0
    with pytest.raises(torch.OutOfMemoryError):
        draw(made, PROMPTS, settings, limits=limits)


def test_a_command_ends_a_drawing_between_its_steps(made: tuple[Job, TrainingState]) -> None:
    asked = list[int]()

    def interrupted() -> bool:
        asked.append(1)
        return len(asked) == 3

    with pytest.raises(Interrupted):
        draw(made, PROMPTS, PreviewSection(steps=4), interrupted=interrupted)
    assert len(asked) == 3


def test_a_picture_that_is_too_large_to_decode_whole_is_decoded_in_tiles_and_told_of_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from diffusers.models.autoencoders.vae import Decoder

    really = Decoder.forward

    def short(self: Any, latents: torch.Tensor, *args: Any) -> Any:
        if max(latents.shape[-2:]) > 32:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return really(self, latents, *args)

    monkeypatch.setattr(Decoder, "forward", short)
    size = {"preview__width": 192, "preview__height": 160}
    run = trained(
        recipe(training__steps=2, saving__image_every=1, preview__prompts=PROMPTS[:2], preview__steps=1, **size)
    )
    assert len(names(run.folder.images)) == 4
    assert Image.open(run.folder.images / "zork-2.png").size == (192, 160)
    told = [e["code"] for e in read_all(run.folder.events) if e["kind"] == "warning"]
    assert [code for code in told if code.startswith("preview")] == ["preview-tiled"]


async def test_a_preview_that_runs_out_of_memory_is_a_warning_and_training_goes_on() -> None:
    run = await Run.start(
        recipe(training__steps=100_000, preview__width=4096, preview__height=4096, preview__steps=1, preview__cfg=1.0)
    )
    await until(run, 3)
    assert run.process is not None
    process = psutil.Process(run.process.pid)
    process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + 2**28, psutil.RLIM_INFINITY))
    ack = await run.command("preview")
    assert not ack["ok"]
    told = [e for e in read_all(run.folder.events) if e["kind"] == "warning"]
    assert told[-1]["code"] == "preview-failed"
    assert "memory" in told[-1]["message"]
    assert names(run.folder.images) == []
    _, status = run.state()
    assert status is not None
    await until(run, status.step + 3)
    await run.command("stop")
    assert (await finish(run))["state"] == "stopped"
