"""inspect and convert on the command line, and the library's mix of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from tinv_tui import paths
from tinv_tui.cli import commands
from tinv_tui.embeddings import library
from tinv_tui.embeddings.files import Embedding, read_embedding, write_embedding
from tinv_tui.embeddings.formats import FORMATS, library_file
from tinv_tui.embeddings.headers import header_text
from tinv_tui.errors import InputError


def rows(vectors: int = 2, width: int = 768) -> NDArray[np.float32]:
    return np.random.default_rng(width).standard_normal((vectors, width)).astype(np.float32)


def answer(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(commands, [*map(str, arguments), "--json"])
    assert done.exit_code == code, done.output
    content = json.loads(done.stdout)
    assert isinstance(content, dict)
    return content


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    path = tmp_path / "cat.safetensors"
    history = {"recipe": {"training": {"steps": 500}}, "loss": {"best_step": 400}}
    write_embedding(path, Embedding("cat", {"emb_params": rows()}, 500, "sd-v1-5", history=history))
    return path


def test_inspect_says_what_the_contract_names_and_the_history(cat: Path) -> None:
    said = answer("inspect", cat)
    assert (said["path"], said["format"], said["name"], said["family"]) == (str(cat), "safetensors", "cat", "SD1")
    assert (said["vectors"], said["tensors"], said["step"]) == (2, {"emb_params": [2, 768]}, 500)
    assert (
        said["norms"]
        == said["tensor_norms"]["emb_params"]
        == [round(float(n), 4) for n in np.linalg.norm(rows(), axis=1)]
    )
    assert (said["accepted_by"], said["history"]["loss"]) == (["SD1"], {"best_step": 400})
    assert "nearest" not in said


def test_inspect_takes_a_name_of_the_library_but_a_file_of_that_name_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shelf = paths.embeddings_folder()
    error = answer("inspect", "rose", code=2)["error"]
    assert error["message"] == f"'rose' is neither a file nor an embedding in {shelf}"
    shelf.mkdir(parents=True)
    write_embedding(shelf / "rose.safetensors", Embedding("rose", {"emb_params": rows()}, 5))
    assert answer("inspect", "rose")["path"] == str(shelf / "rose.safetensors")
    write_embedding(tmp_path / "rose.pt", Embedding("other", {"emb_params": rows()}, 6), FORMATS["pt"])
    assert answer("inspect", "rose.pt")["step"] == 6


def test_inspect_with_a_model_says_whether_it_fits_and_what_lies_near(tmp_path: Path, cat: Path) -> None:
    said = answer("inspect", cat, "--model", "bundled")
    assert (said["nearest"], "768" in said["misfit"]) == (None, True)
    write_embedding(tmp_path / "tiny.pt", Embedding("tiny", {"emb_params": rows(3, 64)}), FORMATS["pt"])
    said = answer("inspect", tmp_path / "tiny.pt", "--model", "bundled")
    assert (said["misfit"], [len(near) for near in said["nearest"]["emb_params"]]) == (None, [5, 5, 5])
    best = said["nearest"]["emb_params"][0]
    assert best == sorted(best, key=lambda one: -one["cosine"])
    assert set(best[0]) == {"word", "cosine"}


@pytest.mark.parametrize("model", [(), ("--model", "bundled")])
def test_inspect_in_words_has_no_table_of_python(cat: Path, model: tuple[str, ...]) -> None:
    done = CliRunner().invoke(commands, ["inspect", str(cat), *model])
    assert done.exit_code == 0
    assert "SD 1.x" in done.stdout
    assert "best_step 400" in done.stdout
    assert not set("{}'") & set(done.stdout)


def test_inspect_shows_each_tensor_of_sdxl_and_names_what_is_later(tmp_path: Path) -> None:
    safetensors.torch.save_file(
        {"clip_l": torch.ones(2, 768), "clip_g": torch.ones(2, 1280), "t5": torch.ones(2, 4096)},
        tmp_path / "a.safetensors",
    )
    said = answer("inspect", tmp_path / "a.safetensors")
    assert (said["family"], said["accepted_by"], list(said["tensor_norms"])) == (
        "SD3",
        [],
        ["clip_l", "clip_g", "t5xxl"],
    )


def test_one_of_several_is_chosen_by_its_name_in_every_command(tmp_path: Path) -> None:
    torch.save({"<cat>": torch.ones(768), "<dog>": torch.zeros(3, 768)}, tmp_path / "two.bin")
    error = answer("inspect", tmp_path / "two.bin", code=2)["error"]
    assert (error["code"], "<cat>, <dog>" in error["message"]) == ("several-embeddings", True)
    assert answer("inspect", tmp_path / "two.bin", "--term", "<dog>")["vectors"] == 3
    out = tmp_path / "dog.safetensors"
    assert answer("convert", tmp_path / "two.bin", out, "--term", "<dog>")["name"] == "dog"
    assert library.load(tmp_path / "none", "two.bin#<dog>", tmp_path).count == 3


def test_a_hash_in_a_files_own_name_is_no_term(tmp_path: Path, cat: Path) -> None:
    cat.rename(tmp_path / "cat#2.safetensors")
    assert library.load(tmp_path / "none", "cat#2.safetensors", tmp_path).count == 2
    with pytest.raises(InputError, match="neither"):
        library.load(tmp_path / "none", "gone.pt#x", tmp_path)


CHAIN = ["a.pt", "b.bin", "c.png", "d.webp", "e.safetensors"]


def test_through_every_format_and_back_not_a_bit_changes(tmp_path: Path, cat: Path) -> None:
    source = cat
    for name in CHAIN:
        said = answer("convert", source, tmp_path / name)
        assert (said["path"], said["vectors"], said["family"]) == (str(tmp_path / name), 2, "SD1")
        source = tmp_path / name
    assert read_embedding(source).vectors["emb_params"].tobytes() == rows().tobytes()


def test_history_and_step_survive_a1111s_format(tmp_path: Path, cat: Path) -> None:
    answer("convert", cat, tmp_path / "other.pt")
    answer("convert", tmp_path / "other.pt", tmp_path / "back.safetensors")
    read = read_embedding(tmp_path / "back.safetensors")
    assert (read.name, read.step, read.base_model, read.history["loss"]) == ("back", 500, "sd-v1-5", {"best_step": 400})


def test_the_token_stays_where_it_is_the_name(tmp_path: Path) -> None:
    torch.save({"<cat-toy>": torch.ones(768)}, tmp_path / "learned_embeds.bin")
    said = answer("convert", tmp_path / "learned_embeds.bin", tmp_path / "x.safetensors", "--format", "diffusers")
    assert said["name"] == "<cat-toy>"
    assert list(safetensors.torch.load_file(tmp_path / "x.safetensors")) == ["<cat-toy>"]


def test_sdxl_for_diffusers_is_two_files_and_a_card_says_why_not(tmp_path: Path) -> None:
    held = Embedding("xl", {"clip_l": rows(), "clip_g": rows(2, 1280)})
    write_embedding(tmp_path / "xl.safetensors", held)
    said = answer("convert", tmp_path / "xl.safetensors", tmp_path / "learned_embeds.bin")
    assert [Path(file).name for file in said["files"]] == ["learned_embeds.bin", "learned_embeds_2.bin"]
    assert said["family"] == "SDXL"
    back = answer("convert", tmp_path / "learned_embeds.bin", tmp_path / "back.safetensors")
    assert back["family"] == "SDXL"
    assert read_embedding(tmp_path / "back.safetensors").vectors.keys() == held.vectors.keys()
    (tmp_path / "learned_embeds.bin").unlink()
    assert (
        answer("convert", tmp_path / "xl.safetensors", tmp_path / "learned_embeds.bin", code=2)["error"]["code"]
        == "file-exists"
    )
    error = answer("convert", tmp_path / "xl.safetensors", tmp_path / "a.png", code=2)["error"]
    assert (error["code"], "clip_g" in error["message"]) == ("format-misfit", True)
    assert not (tmp_path / "a.png").exists()


def test_what_is_there_already_is_replaced_only_when_asked(tmp_path: Path, cat: Path) -> None:
    out = tmp_path / "out.pt"
    out.write_text("mine")
    assert answer("convert", cat, out, code=2)["error"]["code"] == "file-exists"
    assert out.read_text() == "mine"
    assert answer("convert", cat, out, "--overwrite")["vectors"] == 2


def test_a_picture_lies_under_a_card_and_nowhere_else(tmp_path: Path, cat: Path) -> None:
    Image.effect_noise((320, 300), 70).convert("RGB").save(tmp_path / "photo.jpg")
    answer("convert", cat, tmp_path / "a.png", "--picture", tmp_path / "photo.jpg")
    with Image.open(tmp_path / "a.png") as card:
        assert card.height == 300
    assert answer("convert", cat, tmp_path / "a.pt", "--picture", tmp_path / "photo.jpg", code=2)["error"]["code"]
    (tmp_path / "text.jpg").write_text("no picture")
    said = answer("convert", cat, tmp_path / "b.png", "--picture", tmp_path / "text.jpg", code=2)["error"]
    assert said["code"] == "picture-broken"
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize("out", ["a.gguf", "missing/a.pt"])
def test_a_target_that_cannot_be_is_an_error(tmp_path: Path, cat: Path, out: str) -> None:
    assert answer("convert", cat, tmp_path / out, code=2)["error"]["hint"]
    assert sorted(tmp_path.iterdir()) == [cat]


def test_half_precision_halves_the_file(tmp_path: Path, cat: Path) -> None:
    answer("convert", cat, tmp_path / "whole.pt")
    answer("convert", cat, tmp_path / "halve.pt", "--half")
    sizes = [(tmp_path / name).stat().st_size for name in ("whole.pt", "halve.pt")]
    assert 0 <= sizes[0] - sizes[1] - 2 * 768 * 2 < 8  # and "Half" is a letter shorter than "Float"


# --- history ---------------------------------------------------------------------------------------------------------------


def test_a_history_of_any_length_fits_the_header_and_says_what_is_missing() -> None:
    history = {"dataset": {"sha256": ["0123456789ab"] * 100_000}, "recipe": {"init_text": "x" * 100_000}}
    text = header_text(Embedding("a", {"emb_params": rows()}, history=history))
    assert len(text.encode()) < 2**16
    kept = json.loads(text)["history"]
    assert kept["dataset"]["sha256"][-1].startswith("… and ")
    assert kept["recipe"]["init_text"].endswith("characters more")


# --- the library -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def shelf() -> Path:
    paths.embeddings_folder().mkdir(parents=True)
    return paths.embeddings_folder()


def test_another_tools_file_answers_to_its_name_and_ours_comes_first(shelf: Path) -> None:
    write_embedding(shelf / "cat.pt", Embedding("cat", {"emb_params": rows()}, 5), FORMATS["pt"])
    assert library.find(shelf, "cat") == shelf / "cat.pt"
    assert library.names(shelf) == ["cat"]
    write_embedding(shelf / "cat.safetensors", Embedding("cat", {"emb_params": rows()}, 0))
    assert library.find(shelf, "cat") == shelf / "cat.safetensors"
    assert library.names(shelf) == ["cat"]
    assert [entry.to_continue for entry in library.read_all(shelf)] == [str(shelf / "cat.pt"), "cat"]


@pytest.mark.parametrize(("step", "free"), [(0, "cat"), (500, "cat-2"), (None, "cat-2")])
def test_a_name_that_another_tools_trained_file_has_is_not_free(shelf: Path, step: int | None, free: str) -> None:
    write_embedding(shelf / "cat.safetensors", Embedding("cat", {"emb_params": rows()}, 0))
    write_embedding(shelf / "cat.pt", Embedding("cat", {"emb_params": rows()}, step), FORMATS["pt"])
    assert library.free_name(shelf, "cat", set()) == free


def test_any_mix_is_listed_with_a_reason_beside_each_that_cannot_be_used(shelf: Path) -> None:
    write_embedding(shelf / "a.pt", Embedding("a", {"emb_params": rows()}, 5), FORMATS["pt"])
    torch.save({"<b>": torch.ones(768)}, shelf / "b.bin")
    torch.save({"<b>": torch.ones(768), "<c>": torch.ones(768)}, shelf / "c.bin")
    safetensors.torch.save_file({"clip_l": torch.ones(1, 768), "t5": torch.ones(1, 4096)}, shelf / "d.safetensors")
    safetensors.torch.save_file({"emp_params_out": torch.ones(1, 768)}, shelf / "e.safetensors")
    safetensors.torch.save_file({"lora_te_x.lora_up.weight": torch.ones(4, 4)}, shelf / "f.safetensors")
    (shelf / "g.pt").write_text("<!DOCTYPE html>")
    (shelf / "h.pt.optim").touch()
    reasons = {entry.path.name: entry.reason for entry in library.read_all(shelf)}
    said = ["", "", "holds 2 embeddings: <b>, <c>", "Flux", "output side", "a LoRA", "is a web page"]
    for reason, part in zip(reasons.values(), [*said, "optimiser's state"], strict=True):
        assert part in reason
        assert bool(part) == bool(reason)
    listed = {Path(one["path"]).name: one for one in answer("embeddings")["embeddings"]}
    assert listed["d.safetensors"]["family"] == "Flux"


def test_no_two_formats_share_a_file_in_the_library(shelf: Path) -> None:
    assert len({library_file(shelf, "cat", form) for form in FORMATS.values()}) == len(FORMATS)


def test_what_a_file_says_of_itself_cannot_command_the_terminal(tmp_path: Path) -> None:
    odd = Embedding(
        "\x1b]0;mine\x07x\ud800\nstep 5", {"emb_params": rows()}, 5, "\x1b[31mred", details={"tool": "\x9b1m"}
    )
    write_embedding(tmp_path / "odd.safetensors", odd)
    held = read_embedding(tmp_path / "odd.safetensors")
    assert (held.name, held.base_model) == ("�]0;mine�x��step 5", "�[31mred")
    assert dict(held.details) == {"tool": "�1m"}
    term = "\x1b[2Jtwo"
    safetensors.torch.save_file({name: torch.ones(1, 768) for name in ("one", term)}, tmp_path / "both.safetensors")
    for arguments in (["inspect", str(tmp_path / "odd.safetensors")], ["inspect", str(tmp_path / "both.safetensors")]):
        done = CliRunner().invoke(commands, arguments)
        assert not done.exception or isinstance(done.exception, SystemExit)
        assert not set(done.output) & set("\x1b\x07\x9b"), done.output


def test_a_library_with_names_that_are_no_text_is_listed() -> None:
    folder = paths.embeddings_folder()
    folder.mkdir(parents=True)
    write_embedding(folder / "a\udcff.safetensors", Embedding("a", {"emb_params": rows()}))
    done = CliRunner().invoke(commands, ["embeddings"])
    assert (done.exit_code, done.output[:2]) == (0, "a�")


def test_what_cannot_be_opened_or_written_is_said_in_one_line(
    cat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken.pt").mkdir()
    error = answer("convert", cat, tmp_path / "taken.pt", "--overwrite", code=2)["error"]
    assert error["message"] == f"{tmp_path / 'taken.pt'} is a folder"
    long = tmp_path / f"{'a' * 300}.pt"
    error = answer("convert", cat, long, "--overwrite", code=2)["error"]
    assert error["message"] == f"{long}: File name too long"
    assert [path.name for path in tmp_path.glob(".*")] == []
    assert "File name too long" in answer("inspect", f"{'a' * 300}.pt", code=2)["error"]["message"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~old.safetensors").write_bytes(cat.read_bytes())  # no user of that name
    assert answer("inspect", "~old.safetensors")["name"] == "cat"


def test_a_picture_too_large_for_a_card_leaves_none(cat: Path, tmp_path: Path) -> None:
    Image.new("RGB", (4999, 4000)).save(tmp_path / "large.png")
    error = answer("convert", cat, tmp_path / "card.png", "--picture", tmp_path / "large.png", code=2)["error"]
    assert "is too large for a card" in error["message"]
    assert not (tmp_path / "card.png").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "is a pointer of git-lfs"),
        (b"<!DOCTYPE html><html>Log in", "is a web page"),
    ],
)
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_what_a_download_left_instead_of_an_embedding_is_told(
    tmp_path: Path, content: bytes, said: str, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert answer("inspect", path, code=2)["error"]["message"].startswith(f"{path} {said}")


def test_the_two_encoders_of_sdxl_cannot_be_taken_for_each_other(tmp_path: Path) -> None:
    swapped = {"clip_l": torch.ones(2, 1280), "clip_g": torch.ones(2, 768)}
    safetensors.torch.save_file(swapped, tmp_path / "a.safetensors")
    said = answer("inspect", tmp_path / "a.safetensors")
    assert (said["family"], said["accepted_by"]) == (None, [])


def test_vectors_that_are_not_finite_are_listed_with_the_reason() -> None:
    folder = paths.embeddings_folder()
    folder.mkdir(parents=True)
    safetensors.torch.save_file({"emb_params": torch.full((1, 768), torch.nan)}, folder / "a.safetensors")
    (entry,) = answer("embeddings")["embeddings"]
    assert entry["reason"] == "it holds values that are not finite"


def test_a_token_that_safetensors_keeps_for_itself_is_refused(tmp_path: Path) -> None:
    write_embedding(tmp_path / "a.safetensors", Embedding("__metadata__", {"emb_params": rows()}))
    target = tmp_path / "b.safetensors"
    error = answer("convert", tmp_path / "a.safetensors", target, "--format", "diffusers", code=2)["error"]
    assert error["code"] == "format-misfit"
    assert not target.exists()
