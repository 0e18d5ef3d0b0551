"""Preprocess images as people run it: the command, its job, and the processes of the job."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.captioners import save_blip, save_deepdanbooru, save_wd
from tests.odd_pictures import noise
from tests.processes import command_of
from tinv_tui.cli import commands
from tinv_tui.datasets.preprocess import plan_preprocess
from tinv_tui.errors import InputError
from tinv_tui.recipe import make_recipe
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.jobs import Job, JobCancelled, run_job
from tinv_tui.worker.picture_pool import made_pictures

COMMAND = [sys.executable, "-m", "tinv_tui", "preprocess"]


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three good pictures, one with a caption, and one of each kind of bad file."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("c.png", "e.jpg", "f.webp"):
        noise(160, 120).save(folder / name)
    (folder / "c.txt").write_text("a thing on the left\n")
    (folder / "a.png").touch()
    (folder / "b.png").write_bytes(_bomb())
    (folder / "d.jpg").write_bytes((folder / "e.jpg").read_bytes()[:900])
    return folder


def _bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (100_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


def preprocess(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
    """The one JSON object the command prints."""
    done = CliRunner().invoke(commands, ["preprocess", *map(str, arguments), "--json"])
    assert done.exit_code == code, done.output
    content = json.loads(done.stdout)
    assert isinstance(content, dict)
    return content


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_what_the_disk_does_not_take_is_told_in_a_line_and_what_was_written_stays(source: Path, tmp_path: Path) -> None:
    """No file may be larger than a picture of noise is, which is told as a full disk is."""
    Image.new("RGB", (160, 120)).save(source / "a.png")  # comes first, and is small
    for name in ("b.png", "d.jpg"):
        (source / name).unlink()
    command = [*COMMAND, str(source), str(tmp_path / "made"), "--json", "--processes", "1"]
    limit = 64 * 2**10
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert re.fullmatch(rf"preprocess failed: {tmp_path}/made/\S+\.png: File too large", told["error"]["message"])
    assert "each picture whole" in told["error"]["hint"]
    assert told["written"]
    kept = {path for path in (tmp_path / "made").iterdir() if path.suffix == ".png"}
    assert kept == {Path(written["image"]) for written in told["written"]}
    for path in kept:
        Image.open(path).load()


def test_nothing_that_lies_in_the_folder_it_is_called_in_is_run(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called_in = tmp_path / "downloads"
    called_in.mkdir()
    for name in ("inspect", "random", "tempfile"):
        (called_in / f"{name}.py").write_text(
            "import pathlib\npathlib.Path('was-run').touch()\nraise SystemExit('no')\n"
        )
    monkeypatch.chdir(called_in)
    assert preprocess(source, tmp_path / "made", "--width", "64", "--height", "64")["written"]
    assert not (called_in / "was-run").exists()


def test_a_folder_becomes_a_dataset_and_what_cannot_be_used_is_listed(source: Path, tmp_path: Path) -> None:
    made = tmp_path / "new" / "made"
    planned = preprocess(source, made, "--width", "64", "--height", "64", "--dry-run")
    assert not made.parent.exists()
    said = preprocess(source, made, "--width", "64", "--height", "64")
    names = ["00002-0-c", "00002-1-c", "00004-0-e", "00004-1-e", "00005-0-f", "00005-1-f"]
    assert said["written"] == [
        {
            "image": str(made / f"{name}.png"),
            "caption": str(made / f"{name}.txt") if name.endswith("c") else None,
            "source": str(source / {"c": "c.png", "e": "e.jpg", "f": "f.webp"}[name[-1]]),
        }
        for name in names
    ]
    assert [entry for entry in planned["written"] if "d.jpg" not in entry["source"]] == said["written"]
    reasons = {Path(gone["file"]).name: gone["reason"] for gone in said["skipped"]}
    assert set(reasons) == {"a.png", "b.png", "d.jpg"}
    assert reasons["a.png"] == "empty file"
    assert "too large" in reasons["b.png"]
    assert "cut short" in reasons["d.jpg"]
    assert set(files(made)) == {f"{name}.png" for name in names} | {"00002-0-c.txt", "00002-1-c.txt"}
    assert Image.open(made / "00004-0-e.png").size == (64, 64)
    assert (made / "00002-0-c.txt").read_text() == "a thing on the left"
    assert (made / "00002-1-c.txt").read_text() == "a thing on the right"

    refused = preprocess(source, made, code=2)
    assert refused["error"]["code"] == "preprocess-not-empty"
    assert "holds 8 files; 6 pictures would be replaced, captions too" in refused["error"]["message"]
    (source / "c.txt").unlink()
    again = preprocess(source, made, "--into-existing", "--no-flip", "--width", "64")
    assert [entry["caption"] for entry in again["written"]] == [None, None, None]
    assert not (made / "00002-0-c.txt").exists()  # it belonged to the picture that was replaced


def test_a_recipe_and_set_say_the_same_as_options(source: Path, tmp_path: Path) -> None:
    values = {"source": "source", "destination": "made", "width": 64, "height": 128, "flip": False}
    recipe = make_recipe({"preprocess": values})
    (tmp_path / "recipe.toml").write_text(to_toml(recipe))
    said = preprocess("--recipe", tmp_path / "recipe.toml", "--set", "preprocess.keep_size=true", "--width", "72")
    assert len(said["written"]) == 3
    assert (said["width"], said["height"], said["destination"]) == (72, 128, str(tmp_path / "made"))
    assert Image.open(tmp_path / "made" / "00004-0-e.png").size == (160, 120)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--width", "500"], "recipe-value"),
        (["--blip"], "captioner-missing"),
        (["--tagger", "nobody/nothing"], "captioner-missing"),
        (["--set", "preprocess.witdh=5"], "recipe-unknown-key"),
    ],
)
def test_wrong_options_write_nothing(source: Path, tmp_path: Path, options: list[str], code: str) -> None:
    assert preprocess(source, tmp_path / "made", *options, code=2)["error"]["code"] == code
    assert not (tmp_path / "made").exists()


def test_a_face_model_that_is_none_ends_the_job_as_wrong_input(source: Path, tmp_path: Path) -> None:
    (tmp_path / "faces.onnx").write_text("nothing")
    said = preprocess(source, tmp_path / "made", "--focal-crop", "--face-model", tmp_path / "faces.onnx", code=2)
    assert said["error"]["code"] == "face-model"
    assert not (tmp_path / "made").exists()


def test_a_captioner_that_cannot_be_loaded_leaves_no_folder_behind(source: Path, tmp_path: Path) -> None:
    tagger = save_deepdanbooru(tmp_path / "dd", tags=_SIDES)
    (tagger / "deepdanbooru.onnx").write_bytes(b"no model")
    preprocess(source, tmp_path / "new" / "made", "--tagger", tagger, code=2)
    assert sorted(os.listdir(tmp_path)) == ["dd", "source"]


def test_captions_are_a_sentence_then_tags_and_mirror_images_have_them_too(source: Path, tmp_path: Path) -> None:
    blip, tagger = save_blip(tmp_path / "blip"), save_deepdanbooru(tmp_path / "dd", tags=_SIDES)
    options = ["--blip", "--blip-model", blip, "--blip-min-length", "6", "--blip-max-length", "10", "--width", "64"]
    preprocess(source, tmp_path / "made", *options, "--tagger", tagger, "--caption-action", "prepend")
    words = files(tmp_path / "made")
    assert len(words) == 12
    sentence, tags = words["00004-0-e.txt"].decode().split(", ", 1)
    assert sentence.split()[0].isalpha()
    assert tags == "from left, hands"
    assert words["00004-1-e.txt"].decode().endswith(", from right, hands")
    assert words["00002-0-c.txt"].decode().startswith(f"a thing on the left {sentence.split()[0]}")


_SIDES = ["rating:red", "hands", "from_left", "rating:safe", "rating:odd"]


async def test_one_picture_is_captioned_for_a_suggestion(source: Path, tmp_path: Path) -> None:
    picture = str(source / "c.png")
    tags = await run_job("caption", None, picture=picture, captioner="tags", model=str(save_wd(tmp_path / "wd")))
    assert tags == {"caption": ">_<, hatsune miku, long hair"}
    said = await run_job("caption", None, picture=picture, captioner="blip", model=str(save_blip(tmp_path / "blip")))
    assert said["caption"].split()[0].isalpha()
    with pytest.raises(InputError, match="not on this machine"):
        await run_job("caption", None, picture=picture, captioner="blip", model="")
    (tmp_path / "x.png").write_text("no picture")
    with pytest.raises(InputError, match="cannot identify"):
        await run_job("caption", None, picture=str(tmp_path / "x.png"), captioner="tags", model=str(tmp_path / "wd"))


def many(folder: Path, count: int) -> dict[str, Any]:
    """A section over so many pictures, with two processes."""
    folder.mkdir()
    Image.effect_noise((400, 300), 80).convert("RGB").save(folder / "0.png")
    for number in range(1, count):
        os.link(folder / "0.png", folder / f"{number}.png")
        (folder / f"{number}.txt").write_text("one")
    (folder / "0.txt").write_text("one")
    return {"source": str(folder), "destination": str(folder.parent / "made"), "processes": 2}


async def test_a_cancelled_job_leaves_whole_pictures_with_their_captions_and_nothing_else(tmp_path: Path) -> None:
    job = await Job.start("preprocess", section=many(tmp_path / "many", 100), base_model="")
    told = list[dict[str, Any]]()

    async def listen() -> None:
        async for news in job.progress():
            told.extend(news["written"])
            if news["done"] == 3:
                await job.cancel()

    with pytest.raises(JobCancelled):
        await listen()
    written = files(tmp_path / "made")
    assert 6 <= len(told) < 200
    assert {Path(entry["image"]).name for entry in told} | {Path(entry["caption"]).name for entry in told} == set(
        written
    )
    for name in written:
        if name.endswith(".png"):
            Image.open(tmp_path / "made" / name).load()
    assert not list((tmp_path / "made").glob(".*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_ends_the_command_is_told_by_130_and_by_what_was_written(number: signal.Signals, tmp_path: Path) -> None:
    section = many(tmp_path / "many", 500)
    words = [*COMMAND, section["source"], section["destination"], "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    made = tmp_path / "made"
    while process.poll() is None and not (made.is_dir() and len(os.listdir(made)) > 4):
        pass
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    said = json.loads(out)
    assert (process.returncode, said["error"]["code"]) == (130, "interrupted")
    images = {name for name in os.listdir(made) if name.endswith(".png")}
    assert {Path(entry["image"]).name for entry in said["written"]} == images
    assert len(images) < 200


def makers_among(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that make pictures."""
    return [process for process in processes if "spawn_main" in command_of(process)]


def test_a_process_that_is_killed_halfway_through_its_answer_is_noticed(tmp_path: Path) -> None:
    section = make_recipe({"preprocess": many(tmp_path / "many", 6)}, "preprocess").preprocess
    pictures = made_pictures(plan_preprocess(section, "").pictures, section, lambda: None)
    made = [next(pictures)]
    makers = makers_among(psutil.Process().children())
    time.sleep(1)  # nobody reads: each answer is larger than a pipe, so that its process is stuck within it
    for maker in makers:
        maker.kill()
    made.extend(pictures)
    assert (len(makers), len(made)) == (2, 6)
    assert all(isinstance(outcome, list) for _, outcome in made)


async def test_a_process_that_is_killed_costs_no_picture_and_the_job_goes_on(tmp_path: Path) -> None:
    job = await Job.start("preprocess", section=many(tmp_path / "many", 12), base_model="")
    killed, written, skipped = False, 0, 0
    async for news in job.progress():
        written, skipped = written + len(news["written"]), skipped + len(news["skipped"])
        if news["done"] == 2 and not killed:
            makers_among(psutil.Process(job._process.pid).children(recursive=True))[0].kill()
            killed = True
    assert (written, skipped) == (24, 0)


def test_where_no_picture_can_be_read_nothing_is_left_and_it_is_bad_input(source: Path, tmp_path: Path) -> None:
    noise(200, 200).save(source / "c.tiff", compression="tiff_deflate")
    data = bytearray((source / "c.tiff").read_bytes())
    data[2000:2200] = b"\xff" * 200  # its beginning is there, its size and its end
    (source / "c.tiff").write_bytes(data)
    for name in ("c.png", "e.jpg", "f.webp"):
        (source / name).unlink()
    told = preprocess(source, tmp_path / "new" / "out", code=2)
    assert (told["error"]["code"], told["written"], len(told["skipped"])) == ("preprocess-empty", [], 4)
    assert not (tmp_path / "new").exists()
