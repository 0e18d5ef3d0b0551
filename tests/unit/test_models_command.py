"""``tinv-tui models``: what it prints, its JSON, and what it changes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.unit.test_families import SD15, make_model
from tinv_tui import paths, settings
from tinv_tui.cli.models import models
from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.models.hashes import known_hash


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = paths.home() / "models"
    make_model(folder / "sd15", SD15)
    (folder / "style.ckpt").write_bytes(b"")
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(models, [str(argument) for argument in arguments])


def answer(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == code, done.output
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def test_the_json_has_what_is_promised(own: Path) -> None:
    found = {entry["name"]: entry for entry in answer()["models"]}
    assert list(found) == ["bundled", "sd15", "style"]
    promised = {"path", "name", "family", "native_size", "prediction_type", "bytes", "hash", "reason"}
    assert all(set(entry) >= promised for entry in found.values())
    sd15 = found["sd15"]
    assert (sd15["path"], sd15["family"], sd15["native_size"]) == (str(own / "sd15"), "SD 1.x", 512)
    assert (sd15["prediction_type"], sd15["bytes"], sd15["hash"], sd15["reason"]) == ("epsilon", 300, None, None)
    assert found["style"]["reason"]
    assert found["style"]["family"] is None


def test_the_table_has_a_line_for_each_and_a_reason_for_what_is_none(own: Path) -> None:
    lines = run().stdout.splitlines()
    assert lines[1].split() == ["sd15", "SD", "1.x", "512", "epsilon", "0.0", "MB", "–", str(own / "sd15")]
    assert lines[2].startswith("! style")
    assert lines[2].endswith(str(own / "style.ckpt"))


def test_only_the_folders_that_were_given_are_listed(tmp_path: Path) -> None:
    make_model(tmp_path / "other" / "two", SD15)
    assert [entry["name"] for entry in answer(tmp_path / "other")["models"]] == ["two"]
    assert answer(tmp_path / "none", code=2)["error"]["code"] == "folder-missing"


def test_hash_computes_what_is_missing_or_that_of_one_model(own: Path) -> None:
    by_name = {entry["name"]: entry["hash"] for entry in answer("--hash", "bundled")["models"]}
    assert (by_name["bundled"], by_name["sd15"]) == (known_hash(bundled.FOLDER), None)
    by_name = {entry["name"]: entry["hash"] for entry in answer("--hash")["models"]}
    assert (by_name["sd15"], by_name["style"]) == (known_hash(own / "sd15"), None)
    assert len(by_name["sd15"]) == 10
    error = answer("--hash", "nobody", code=2)["error"]
    assert (error["code"], "sd15" in error["hint"]) == ("model-missing", True)


def test_a_folder_is_added_and_forgotten(tmp_path: Path) -> None:
    make_model(tmp_path / "disk" / "two", SD15)
    said = answer("--add", tmp_path / "disk")
    assert said == {"settings": str(settings.settings_file()), "folder": str(tmp_path / "disk"), "kind": "models"}
    assert "two" in {entry["name"] for entry in answer()["models"]}
    assert "listed no more" in run("--forget", tmp_path / "disk").stdout
    assert "two" not in {entry["name"] for entry in answer()["models"]}
    assert answer("--forget", tmp_path / "disk", code=2)["error"]["code"] == "folder-unknown"


def test_a_mistake_in_the_settings_is_said_with_its_file(own: Path) -> None:
    settings.settings_file().write_text("[folders]\nmodel = []\n")
    assert answer(code=2)["error"]["code"] == "settings-unknown-key"


def test_one_thing_is_done_at_a_time(tmp_path: Path) -> None:
    assert answer("--add", tmp_path, "--hash", "x", code=2)["error"]["code"] == "usage"


def test_listing_imports_neither_torch_nor_what_speaks_to_the_network() -> None:
    code = "import sys; from tinv_tui.cli.models import models; models(['--json'], standalone_mode=False);"
    code += "print(sorted({'torch', 'diffusers', 'transformers', 'huggingface_hub'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(("code", "exit_code"), [("hub-unreachable", 1), ("hub-unknown", 2), ("hub-offline", 2)])
def test_a_hub_that_is_not_there_is_a_failure_and_no_fault_of_the_input(
    monkeypatch: pytest.MonkeyPatch, code: str, exit_code: int
) -> None:
    def failing(kind: str, hub_id: str) -> None:
        raise InputError(code, f"{hub_id} could not be fetched", "Try again.")

    monkeypatch.setattr("tinv_tui.cli.models.wait_for_job", failing)
    said = answer("--fetch", "someone/tiny-sd", code=exit_code)["error"]
    assert said == {"code": code, "message": "someone/tiny-sd could not be fetched", "hint": "Try again."}
