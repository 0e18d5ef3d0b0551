"""Training is what the textbook says, to the last digit that floating point allows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from tests.worker.helpers import Onlooker, gradient, make_job, recipe, weights_hash
from tinv_tui.models import bundled
from tinv_tui.sections import PreviewSection
from tinv_tui.training import loop
from tinv_tui.training.draws import PictureOrder, Purpose, normal, whole_numbers
from tinv_tui.training.guard import NotFinite
from tinv_tui.training.loop import Job, train
from tinv_tui.training.previews import draw_preview
from tinv_tui.training.state import TrainingState


def first_gradient(state: TrainingState) -> torch.Tensor:
    """AdamW's first moment after one step is a tenth of the gradient."""
    assert state.step == 1
    return state.moment1 / 0.1


def plain_gradient(job: Job, rows: torch.Tensor) -> torch.Tensor:
    """The gradient of step 1 with stock modules only: added tokens, a dense table, nothing spliced or cached."""
    settings = job.recipe.training
    tokenizer = CLIPTokenizer.from_pretrained(bundled.FOLDER, subfolder="tokenizer")
    names = [f"<row-{i}>" for i in range(len(rows))]
    tokenizer.add_tokens(names)
    text = CLIPTextModel.from_pretrained(bundled.FOLDER, subfolder="text_encoder", dtype=torch.float32)
    text.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    table = text.get_input_embeddings().weight
    ids_of_rows = tokenizer.convert_tokens_to_ids(names)
    with torch.no_grad():
        table[ids_of_rows] = rows
    unet = UNet2DConditionModel.from_pretrained(bundled.FOLDER, subfolder="unet", torch_dtype=torch.float32)
    schedule = DDPMScheduler.from_pretrained(bundled.FOLDER, subfolder="scheduler")

    count = settings.batch_size * settings.gradient_accumulation
    order = PictureOrder(job.seed, [len(job.latents.buckets[0].pictures)], count)
    _, positions = order.batch(0)
    latents = job.latents.buckets[0].mean[positions, 0]
    noise = torch.from_numpy(normal(job.seed, Purpose.NOISE, 1, range(count), tuple(latents.shape[1:])))
    timesteps = torch.from_numpy(whole_numbers(job.seed, Purpose.TIMESTEP, 1, range(count), 1000))
    prompts = [job.prompts.text(1, s, p).replace("[name]", " ".join(names)) for s, p in enumerate(positions)]
    tokens = tokenizer(prompts, padding="max_length", max_length=77, return_tensors="pt").input_ids
    noisy = schedule.add_noise(latents, noise, timesteps)
    if schedule.config.prediction_type == "epsilon":
        target = noise
    else:
        target = schedule.get_velocity(latents, noise, timesteps)
    predicted = unet(noisy, timesteps, text(tokens)[0]).sample
    F.mse_loss(predicted, target).backward()
    assert table.grad is not None
    return table.grad[ids_of_rows]


def relative_error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("vectors", [1, 3])
def test_the_gradient_equals_that_of_stock_modules(tmp_path: Path, vectors: int) -> None:
    job, state = make_job(tmp_path, recipe(embedding__vectors=vectors, training__steps=1, training__batch_size=4))
    rows = state.vectors.clone()
    wanted = plain_gradient(job, rows)
    assert torch.equal(gradient(job, state), wanted)
    train(job, state, Onlooker())
    assert relative_error(first_gradient(state), wanted) <= 1e-6  # the moment is rounded, the gradient is not


def test_the_gradient_does_not_depend_on_how_a_batch_is_split(tmp_path: Path) -> None:
    gradients = []
    for batch, accumulation in ((4, 1), (2, 2), (1, 4)):
        job, state = make_job(
            tmp_path,
            recipe(training__steps=1, training__batch_size=batch, training__gradient_accumulation=accumulation),
        )
        train(job, state, Onlooker())
        gradients.append(first_gradient(state))
    assert relative_error(gradients[1], gradients[0]) <= 1e-5
    assert relative_error(gradients[2], gradients[0]) <= 1e-5


def test_only_the_vectors_change(tmp_path: Path) -> None:
    job, state = make_job(tmp_path, recipe(training__steps=5))
    frozen, rows = weights_hash(job), state.vectors.clone()
    train(job, state, Onlooker())
    assert weights_hash(job) == frozen
    assert not torch.equal(state.vectors, rows)
    assert not any(p.requires_grad for p in job.model.unet.parameters())


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    ends = []
    for seed in (3, 3, 4):
        job, state = make_job(tmp_path, recipe(training__steps=4, training__seed=seed))
        train(job, state, Onlooker())
        ends.append(state.vectors.numpy().tobytes())
    assert ends[0] == ends[1]
    assert ends[0] != ends[2]


class Fidgeter(Onlooker):
    """Draws a preview and shakes every global source of randomness after each step."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job

    def goes_on(self, state: TrainingState, last_prompt: str, settle: Callable[[], None]) -> bool:
        settings = PreviewSection(steps=2, sampler="euler a")
        draw_preview(
            self.job.model, self.job.encoder, self.job.prompts, state.vectors, last_prompt, settings, (64, 64), 1
        )
        torch.manual_seed(state.step)
        np.random.seed(state.step)  # on purpose the global one
        torch.randn(7)
        return True


def test_previews_change_nothing(tmp_path: Path) -> None:
    ends = []
    for fidgets in (False, True):
        job, state = make_job(tmp_path, recipe(training__steps=4))
        train(job, state, Fidgeter(job) if fidgets else Onlooker())
        ends.append(state.vectors.numpy().tobytes())
    assert ends[0] == ends[1]


def test_stopping_and_going_on_from_the_checkpoint_ends_in_the_same_bytes(tmp_path: Path) -> None:
    job, whole = make_job(tmp_path, recipe(training__steps=8, embedding__vectors=2))
    train(job, whole, Onlooker())

    class StopsAtFive(Onlooker):
        def goes_on(self, state: TrainingState, last_prompt: str, settle: Callable[[], None]) -> bool:
            return state.step < 5

    job, state = make_job(tmp_path, recipe(training__steps=8, embedding__vectors=2))
    train(job, state, StopsAtFive())
    state.save(tmp_path / "state.safetensors")
    again = TrainingState.load(tmp_path / "state.safetensors", job.model.device)
    assert again.step == 5
    train(job, again, Onlooker())
    assert again.vectors.numpy().tobytes() == whole.vectors.numpy().tobytes()
    assert again.best_step == whole.best_step


def test_the_rate_schedule_is_what_each_step_was_trained_with(tmp_path: Path) -> None:
    job, state = make_job(tmp_path, recipe(training__steps=4, training__learning_rate="0.01:1, 0.002:2, 0.004"))
    onlooker = Onlooker()
    train(job, state, onlooker)
    assert [r.learning_rate for r in onlooker.results] == [0.01, 0.002, 0.002, 0.004]
    assert [r.step for r in onlooker.results] == [1, 2, 3, 4]


def test_clipping_by_norm_limits_the_gradient_in_its_own_units(tmp_path: Path) -> None:
    job, state = make_job(tmp_path, recipe(training__steps=1, training__clip="norm", training__clip_schedule="0.0001"))
    onlooker = Onlooker()
    rows = state.vectors.clone()
    train(job, state, onlooker)
    assert float(first_gradient(state).norm()) == pytest.approx(1e-4, rel=1e-3)
    before_clipping = float(plain_gradient(job, rows).norm())
    assert before_clipping > 1e-3
    assert onlooker.results[0].gradient_norm == pytest.approx(before_clipping, rel=1e-4)


def test_a_loss_that_is_not_finite_stops_before_the_vectors_are_spoilt(tmp_path: Path) -> None:
    job, state = make_job(tmp_path, recipe(training__steps=3))
    job.latents.buckets[0].mean.fill_(float("nan"))
    job = Job(
        job.recipe.model_copy(update={"training": job.recipe.training.model_copy(update={"evaluation_samples": 0})}),
        job.model, job.encoder, job.latents, job.prompts, job.rates, job.clips, job.seed,
    )  # fmt: skip
    with pytest.raises(NotFinite, match="step 1"):
        train(job, state, Onlooker())
    assert bool(torch.isfinite(state.vectors).all())


def test_the_evaluation_loss_falls_and_its_best_is_kept(tmp_path: Path) -> None:
    job, state = make_job(tmp_path, recipe(training__steps=60, training__batch_size=4))
    onlooker = Onlooker()
    train(job, state, onlooker)
    first = onlooker.evaluations[0][1]
    best = min(loss for _, loss in onlooker.evaluations)
    assert best < 0.9 * first
    assert state.best_evaluation == best
    assert state.best_vectors is not None


def test_mirror_images_and_random_latents_train_too(tmp_path: Path) -> None:
    job, state = make_job(
        tmp_path,
        recipe(training__steps=3, dataset__flip=True, dataset__latent_sampling="random", model__clip_skip=2),
    )
    assert job.latents.buckets[0].mean.shape[1] == 2
    assert float(job.latents.buckets[0].deviation.abs().max()) > 0
    onlooker = Onlooker()
    train(job, state, onlooker)
    assert len(onlooker.results) == 3


def test_what_is_saved_is_told_first_also_where_the_host_runs_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Saver(Onlooker):
        known: list[tuple[int, int, int]] = []

        def goes_on(self, state: TrainingState, last_prompt: str, settle: Callable[[], None]) -> bool:
            before = len(self.results)
            settle()
            self.known.append((state.step, before, len(self.results)))
            return True

    monkeypatch.setattr(loop, "steps_ahead", lambda _device: 2)  # as on a GPU
    job, state = make_job(tmp_path, recipe(training__steps=4))
    saver = Saver()
    train(job, state, saver)
    assert saver.known == [(1, 0, 1), (2, 1, 2), (3, 2, 3), (4, 4, 4)]  # evaluated at its end, which waits
