"""Fetching a base model from a hub: only what training needs, with progress, and with one clear message when it fails."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub import FakeHub, bundled_files, serve
from tests.worker.helpers import recipe as make
from tests.worker.helpers import train_here
from tests.worker.test_cli import answer, tinv
from tinv_tui import paths
from tinv_tui.datasets.infotext import read_infotext
from tinv_tui.embeddings.cards import read_card
from tinv_tui.embeddings.files import read_embedding
from tinv_tui.errors import InputError
from tinv_tui.models import bundled, hub
from tinv_tui.models.hashes import known_hash, model_hash
from tinv_tui.models.identify import identify
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.jobs import Job, JobCancelled, run_job
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run

ID = "someone/tiny-sd"


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    files = bundled_files() | {
        "sd.ckpt": b"x" * 1000,
        "safety_checker/model.safetensors": b"x" * 1000,
        "README.md": b"x",
    }
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with serve({ID: files, "someone/notes": {"README.md": b"x"}}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


async def test_a_model_is_fetched_with_progress_once_and_the_embedding_says_what_it_was_made_on(
    there: FakeHub, tmp_path: Path
) -> None:
    told: list[dict[str, Any]] = []
    result = await run_job("fetch", told.append, hub_id=ID)
    assert Path(result["folder"]) == hub.cached_folder(ID)
    assert identify(ID, tmp_path).family.name == "SD1"
    assert sorted(set(there.asked)) == hub.needed_files(bundled_files(), ID)
    sizes = {name: len(content) for name, content in bundled_files().items()}
    whole = sum(sizes[name] for name in hub.needed_files(sizes, ID))
    assert (told[-1]["done"], told[-1]["total"], told[-1]["unit"]) == (whole, whole, "bytes")

    asked = len(there.asked)
    await run_job("fetch", hub_id=ID)
    assert len(there.asked) == asked  # what is there is not fetched again

    wanted = make(model__path=ID, training__steps=2, preview__prompts=["a [name]"], saving__image_every=2)
    run = make_run(plan_run(wanted, tmp_path))
    assert await asyncio.to_thread(train_here, run) == 0
    held = read_embedding(paths.embeddings_folder() / "zork.safetensors")
    digits = known_hash(bundled.FOLDER) or model_hash(bundled.FOLDER)
    assert (held.base_model, held.details["base_model_hash"]) == ("tiny-sd", digits)
    (picture,) = run.images.glob("*.png")
    assert read_infotext(picture).values["Model hash"] == digits
    (card,) = run.image_embeddings.glob("*.png")
    assert read_card(card).details["sd_checkpoint"] == digits
    assert len(there.asked) == asked


async def test_a_fetch_can_be_cancelled_and_gone_on_with(there: FakeHub) -> None:
    there.seconds = 60
    job = await Job.start("fetch", hub_id=ID)

    async def cancel_in_the_midst() -> None:
        async for news in job.progress():
            if news["done"] > 1000:
                await job.cancel()

    with pytest.raises(JobCancelled):
        await cancel_in_the_midst()
    assert hub.cached_folder(ID) is None
    assert not list(hub.cache_folder().rglob("*.incomplete"))
    there.seconds = 0
    await run_job("fetch", hub_id=ID)
    assert hub.cached_folder(ID) is not None


@pytest.mark.parametrize(
    ("hub_id", "offline", "code"),
    [
        ("someone/else", "", "hub-unknown"),
        ("someone/notes", "", "model-format"),
        (ID, "1", "hub-offline"),
        ("no hub id", "", "hub-id"),
    ],
)
async def test_what_cannot_be_fetched_is_said_in_one_message(
    there: FakeHub, monkeypatch: pytest.MonkeyPatch, hub_id: str, offline: str, code: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    with pytest.raises(InputError) as caught:
        await run_job("fetch", hub_id=hub_id)
    assert caught.value.code == code
    assert hub_id in caught.value.message
    assert caught.value.hint


async def test_a_hub_that_cannot_be_reached_is_given_up_on_in_seconds(
    there: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        await asyncio.wait_for(run_job("fetch", hub_id=ID), 30)
    assert (caught.value.code, "127.0.0.1:9" in caught.value.message) == ("hub-unreachable", True)
    assert time.monotonic() - began < 25


@pytest.mark.long
async def test_train_fetches_a_hub_id_first_and_generate_then_asks_the_hub_for_nothing(
    there: FakeHub, tmp_path: Path
) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(to_toml(make(model__path=ID, training__steps=2)))
    done = await asyncio.to_thread(tinv, "train", str(file), "--headless", "--json")
    assert done.returncode == 0, done.stderr
    assert f"{ID} is not on this machine: fetching it" in done.stderr
    said = json.loads(done.stdout)
    assert make(model__path=ID).model.path in Path(said["run"], "recipe.toml").read_text()

    (there.repositories).clear()  # and from here on nothing is asked of the Hub
    done = await asyncio.to_thread(tinv, "generate", "a zork", "--model", ID, "--steps", "1", "--json")
    assert done.returncode == 0, done.stderr


def test_nothing_is_fetched_for_a_recipe_whose_pictures_are_not_there(there: FakeHub, tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(to_toml(make(model__path=ID, dataset__path=str(tmp_path / "none"))))
    assert answer("train", str(file), "--headless", code=2)["error"]
    assert there.asked == []
