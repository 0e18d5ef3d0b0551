"""Training on any family is what stock modules compute: their tokenizers, text encoders, schedule and UNet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DConditionModel
from PIL import Image
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from tests.toy_models import WIDTHS, Toy, make_toy
from tests.worker.helpers import Onlooker, make_job, recipe, weights_hash
from tinv_tui.recipe import Recipe
from tinv_tui.training.draws import PictureOrder, Purpose, normal, whole_numbers
from tinv_tui.training.loop import Job, train
from tinv_tui.training.state import TrainingState

OWN_SIZES = [(64, 64), (200, 131), (131, 200), (70, 64), (263, 172), (100, 150)]
"""Of the pictures: three shapes, so three buckets, in which some are cut at the sides and some above and below."""
CAPTION = "a red circle on a white background"
LONG = ", ".join([CAPTION] * 11)
FAMILIES: tuple[Toy, ...] = ("sd1", "sd2-v", "sdxl")


def make_pictures(folder: Path, caption: str) -> Path:
    folder.mkdir()
    chance = np.random.default_rng(5)
    for number, (width, height) in enumerate(OWN_SIZES):
        path = folder / f"{number}.png"
        Image.fromarray(chance.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(path)
        path.with_suffix(".txt").write_text(caption if number % 2 else f"{caption}, {CAPTION}")
    return folder


@dataclass
class Bench:
    """A toy, pictures, and what is trained on them."""

    root: Path
    toy: Toy
    model: Path

    def recipe(self, **changes: Any) -> Recipe:
        values = {
            "model__path": str(self.model),
            "dataset__path": str(self.root / "pictures"),
            "dataset__template": "subject_filewords",
            "dataset__drop_out_tags": 0.0,
            "training__steps": 1,
            "training__evaluation_samples": 0,
        }
        return recipe(**(values | changes))

    def job(self, **changes: Any) -> tuple[Job, TrainingState]:
        return make_job(self.root, self.recipe(**changes))


def bench(root: Path, toy: Toy, caption: str = CAPTION, **scheduler: Any) -> Bench:
    make_pictures(root / "pictures", caption)
    return Bench(root, toy, make_toy(root / "model", toy, scheduler=scheduler))


class PlainEncoder:
    """A stock text encoder whose table has a new token for each vector, as the stock script makes it."""

    def __init__(self, model: Path, more: str, rows: Tensor) -> None:
        self.tokenizer = CLIPTokenizer.from_pretrained(model, subfolder=f"tokenizer{more}")
        self.names = [f"<row-{i}>" for i in range(len(rows))]
        self.tokenizer.add_tokens(self.names)
        kind = CLIPTextModelWithProjection if more else CLIPTextModel
        self.text = kind.from_pretrained(model, subfolder=f"text_encoder{more}", dtype=torch.float32)
        self.text.resize_token_embeddings(len(self.tokenizer), mean_resizing=False)
        self.table = self.text.get_input_embeddings().weight
        self.new = self.tokenizer.convert_tokens_to_ids(self.names)
        with torch.no_grad():
            self.table[self.new] = rows

    def read(self, prompts: Sequence[str]) -> list[Any]:
        """The outputs for each chunk of 75 tokens of the prompts, all as many as the longest has."""
        own = self.tokenizer
        texts = [prompt.replace("[name]", " ".join(self.names)) for prompt in prompts]
        tokens = [own(text, add_special_tokens=False).input_ids for text in texts]
        count = max(1, -(-max(map(len, tokens)) // 75))
        outputs = []
        for chunk in range(count):
            parts = [t[chunk * 75 : chunk * 75 + 75] for t in tokens]
            ids = [[own.bos_token_id, *p, own.eos_token_id, *[own.pad_token_id] * (75 - len(p))] for p in parts]
            outputs.append(self.text(torch.tensor(ids), output_hidden_states=True))
        return outputs


def plain_sizes(own: tuple[int, int], target: tuple[int, int], *, crop: bool) -> list[int]:
    """As the stock training script tells them: scaled until the target is covered, the middle cut out."""
    scale = max(target[0] / own[0], target[1] / own[1])
    left, top = (max(0, round((side * scale - t) / 2.0)) if crop else 0 for side, t in zip(own, target, strict=True))
    return [own[1], own[0], top, left, target[1], target[0]]


def plain_gradient(b: Bench, job: Job, rows: Tensor) -> Tensor:
    """The gradient of step 1, nothing spliced or cached."""
    settings, skip = job.recipe.training, job.recipe.model.clip_skip
    batch, micro_batches = settings.batch_size, settings.gradient_accumulation
    widths = WIDTHS[b.toy]
    encoders = [
        PlainEncoder(b.model, "_2" if number else "", own) for number, own in enumerate(rows.split(widths, dim=1))
    ]
    unet = UNet2DConditionModel.from_pretrained(b.model, subfolder="unet", torch_dtype=torch.float32)
    schedule = DDPMScheduler.from_pretrained(b.model, subfolder="scheduler")
    order = PictureOrder(job.seed, [len(bucket.pictures) for bucket in job.latents.buckets], batch)
    for micro in range(micro_batches):
        samples = range(micro * batch, (micro + 1) * batch)
        number, positions = order.batch(micro)
        bucket = job.latents.buckets[number]
        pictures = [bucket.pictures[p] for p in positions]
        flips = whole_numbers(job.seed, Purpose.FLIP, 1, samples, 2 if job.recipe.dataset.flip else 1)
        latents = bucket.mean[positions, torch.from_numpy(flips)]
        noise = torch.from_numpy(normal(job.seed, Purpose.NOISE, 1, samples, tuple(latents.shape[1:])))
        timesteps = torch.from_numpy(whole_numbers(job.seed, Purpose.TIMESTEP, 1, samples, 1000))
        prompts = [job.prompts.text(1, s, p) for s, p in zip(samples, pictures, strict=True)]

        read = [encoder.read(prompts) for encoder in encoders]
        more = None
        if b.toy == "sdxl":
            hidden = [[o.hidden_states[-1 - skip] for o in outputs] for outputs in read]
            target = latents.shape[3] * 4, latents.shape[2] * 4
            told = [plain_sizes(OWN_SIZES[p], target, crop=job.recipe.dataset.sizes != "resize") for p in pictures]
            more = {"text_embeds": read[-1][0].text_embeds, "time_ids": torch.tensor(told, dtype=torch.float32)}
        else:
            norm = encoders[0].text.final_layer_norm
            hidden = [[o[0] if skip == 1 else norm(o.hidden_states[-skip]) for o in read[0]]]
        context = torch.cat([torch.cat(chunks, dim=1) for chunks in hidden], dim=-1)
        wanted = noise
        if schedule.config.prediction_type == "v_prediction":
            wanted = schedule.get_velocity(latents, noise, timesteps)
        noisy = schedule.add_noise(latents, noise, timesteps)
        predicted = unet(noisy, timesteps, context, added_cond_kwargs=more).sample
        (F.mse_loss(predicted, wanted) / micro_batches).backward()
    return torch.cat([encoder.table.grad[encoder.new] for encoder in encoders], dim=1)


def relative_error(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


def error_of(b: Bench, **changes: Any) -> float:
    job, state = b.job(**changes)
    rows = state.vectors.clone()
    train(job, state, Onlooker())
    found, wanted = state.moment1 / 0.1, plain_gradient(b, job, rows)  # the first moment is a tenth of the gradient
    # Each encoder's part for itself: a large one must not hide a wrong small one.
    widths = WIDTHS[b.toy]
    parts = zip(found.split(widths, dim=1), wanted.split(widths, dim=1), strict=True)
    return max(relative_error(*part) for part in parts)


@pytest.mark.parametrize("vectors", [1, 3])
@pytest.mark.parametrize("toy", FAMILIES)
def test_the_gradient_equals_that_of_stock_modules(tmp_path: Path, toy: Toy, vectors: int) -> None:
    b = bench(tmp_path, toy)
    assert error_of(b, embedding__vectors=vectors, training__batch_size=3, training__gradient_accumulation=3) <= 1e-5


@pytest.mark.parametrize("toy", FAMILIES)
def test_so_does_that_of_prompts_of_several_chunks(tmp_path: Path, toy: Toy) -> None:
    b = bench(tmp_path, toy, caption=LONG)
    assert error_of(b, embedding__vectors=2, training__batch_size=2) <= 1e-5


@pytest.mark.parametrize("toy", FAMILIES)
def test_so_does_that_of_an_earlier_hidden_layer(tmp_path: Path, toy: Toy) -> None:
    assert error_of(bench(tmp_path, toy), model__clip_skip=2, training__batch_size=2) <= 1e-5


@pytest.mark.parametrize("sizes", ["bucket", "resize", "crop"])
def test_so_does_that_of_mirrored_pictures_however_they_are_made_to_fit(tmp_path: Path, sizes: str) -> None:
    b = bench(tmp_path, "sdxl")
    changes = {"dataset__flip": True, "dataset__sizes": sizes, "training__gradient_accumulation": 4}
    assert error_of(b, **changes) <= 1e-5


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_so_does_that_of_a_schedule_that_ends_in_pure_noise(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = bench(tmp_path, "sdxl", rescale_betas_zero_snr=True, prediction_type=kind)
    monkeypatch.setattr("tinv_tui.training.batches.whole_numbers", _last_timestep)
    monkeypatch.setitem(globals(), "whole_numbers", _last_timestep)
    assert error_of(b, training__batch_size=2) <= 1e-5


def _last_timestep(seed: int, purpose: Purpose, step: int, samples: range, below: int) -> np.ndarray:
    drawn = whole_numbers_as_drawn(seed, purpose, step, samples, below)
    return np.where(np.arange(len(drawn)) == 0, below - 1, drawn) if purpose == Purpose.TIMESTEP else drawn


whole_numbers_as_drawn = whole_numbers


def test_the_gradient_does_not_depend_on_how_a_batch_is_split(tmp_path: Path) -> None:
    b = bench(tmp_path, "sdxl")
    gradients = []
    for batch, accumulation in ((4, 1), (2, 2), (1, 4)):
        job, state = b.job(
            training__batch_size=batch, training__gradient_accumulation=accumulation, dataset__sizes="crop"
        )
        train(job, state, Onlooker())
        gradients.append(state.moment1)
    assert relative_error(gradients[1], gradients[0]) <= 1e-5
    assert relative_error(gradients[2], gradients[0]) <= 1e-5


@pytest.mark.parametrize("toy", ["sd2-v", "sdxl"])
def test_only_the_vectors_change(tmp_path: Path, toy: Toy) -> None:
    job, state = bench(tmp_path, toy).job(training__steps=3)
    frozen, rows = weights_hash(job), state.vectors.clone()
    train(job, state, Onlooker())
    assert weights_hash(job) == frozen
    assert all(bool((part != old).any()) for part, old in zip(
        state.vectors.split(WIDTHS[toy], dim=1), rows.split(WIDTHS[toy], dim=1), strict=True
    ))  # fmt: skip
    parts = (*job.model.text_encoders, job.model.unet, job.model.vae)
    assert not any(p.requires_grad or p.grad is not None for part in parts for p in part.parameters())


class StopsAtThree(Onlooker):
    def goes_on(self, state: TrainingState, last_prompt: str, settle: Callable[[], None]) -> bool:
        return state.step < 3


@pytest.mark.parametrize("toy", ["sd2-v", "sdxl"])
def test_a_run_ends_in_the_same_bytes_again_and_when_it_was_stopped_and_resumed(tmp_path: Path, toy: Toy) -> None:
    b = bench(tmp_path, toy)
    changes = {"training__steps": 6, "embedding__vectors": 2, "training__evaluation_samples": 2}
    ends = []
    for _ in range(2):
        job, state = b.job(**changes)
        train(job, state, Onlooker())
        ends.append(state.vectors.numpy().tobytes())
    job, state = b.job(**changes)
    train(job, state, StopsAtThree())
    state.save(tmp_path / "state.safetensors")
    again = TrainingState.load(tmp_path / "state.safetensors", job.model.device)
    assert (again.step, again.family, again.tensors) == (3, job.model.base.family.name, job.model.base.tensors)
    train(job, again, Onlooker())
    assert ends[0] == ends[1] == again.vectors.numpy().tobytes()


def test_clipping_by_norm_looks_at_both_text_encoders_together(tmp_path: Path) -> None:
    job, state = bench(tmp_path, "sdxl").job(training__clip="norm", training__clip_schedule="0.0001")
    train(job, state, Onlooker())
    assert float((state.moment1 / 0.1).norm()) == pytest.approx(1e-4, rel=1e-3)
