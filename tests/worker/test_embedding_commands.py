"""create, inspect and embeddings on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worker.test_cli import answer, called
from tinv_tui import paths


def test_create_says_what_the_contract_names_and_the_library_lists_it() -> None:
    said = answer("create", "zo*rk", "--init-text", "red star", "--vectors", "4", "--model", "bundled")
    path = paths.embeddings_folder() / "zork.safetensors"
    assert {key: said[key] for key in ("path", "name", "vectors", "family")} == {
        "path": str(path),
        "name": "zork",
        "vectors": 4,
        "family": "SD1",
    }
    assert [warning["code"] for warning in said["warnings"]] == ["name-cleaned"]
    (paths.embeddings_folder() / "notes.txt").write_text("no embedding")

    unreadable, listed = answer("embeddings")["embeddings"]
    held = answer("inspect", str(path))
    assert listed["step"] == 0
    assert listed["reason"] is None
    assert {key: held[key] for key in held if key in listed} == {key: listed[key] for key in held if key in listed}
    assert (unreadable["name"], unreadable["vectors"]) == ("notes", None)
    assert unreadable["reason"]

    refused = answer("create", "zork", "--model", "bundled", code=2)
    assert refused["error"]["code"] == "embedding-exists"
    assert answer("create", "zork", "--model", "bundled", "--overwrite")["vectors"] == 1


def test_an_empty_library_is_an_empty_list() -> None:
    assert answer("embeddings") == {"embeddings": []}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a/b", "--model", "bundled"), "holds a path separator"),
        (("zork", "--model", "bundled", "--vectors", "76"), "from 1 to 75"),
        (("zork", "--model", "bundled", "--init-text", " "), "has no words"),
        (("zork", "--model", "/not/there"), "there is no folder"),
        (("zork",), "--model"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(arguments: tuple[str, ...], said: str) -> None:
    done = called("create", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not paths.embeddings_folder().exists()
    assert not Path("b.safetensors").exists()
