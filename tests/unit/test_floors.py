"""The floors of the code base, and what lies outside the package but ships in it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FORCE_INCLUDE: dict[str, str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]


def test_every_module_imports_only_from_floors_below_its_own() -> None:
    lint_imports = Path(sysconfig.get_path("scripts")) / "lint-imports"
    done = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


_PIXELS = {"PIL", "numpy", "safetensors", "tokenizers", "torch"}


@pytest.mark.parametrize(
    ("module", "slow"),
    [
        pytest.param("app.app", {*_PIXELS, "click", "pydantic", "pynvml", "psutil", "tomlkit"}, id="first frame"),
        pytest.param("app.widgets.recipe_form", {*_PIXELS, "psutil"}, id="form"),
        pytest.param("cli.watching", {*_PIXELS, "pydantic", "textual"}, id="watching by command"),
        pytest.param("cli.steering", {*_PIXELS, "pydantic", "textual"}, id="steering by command"),
    ],
)
def test_what_one_waits_for_imports_no_library_it_does_not_need(module: str, slow: set[str]) -> None:
    """Each of them takes as long to import as all of the app's own modules."""
    script = f"import sys, tinv_tui.{module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert slow & set(done.stdout.split()) == set()


_CHECK = """
import sys
from pathlib import Path
from tinv_tui.app.checks import check_form
from tinv_tui.app.fields import FIELDS
from tinv_tui.app.form_values import texts_of
from tinv_tui.models.bundled import picture_sets
from tinv_tui.recipe import Recipe, make_recipe

values = {"model": {"path": "bundled"}, "dataset": {"path": str(picture_sets()["chartreuse"])}}
values["embedding"] = {"name": "zork", "init_text": "red thing"}
checked = check_form(texts_of(make_recipe(values), FIELDS), Recipe(), Path.cwd())
print(checked.plan is not None, *{name.partition(".")[0] for name in sys.modules})
"""


def test_a_form_is_checked_without_what_reads_numbers() -> None:
    """A viewer keeps what it has imported in memory for as long as it runs, and numpy is 14 MB of it."""
    done = subprocess.run([sys.executable, "-c", _CHECK], capture_output=True, text=True, check=True)
    has_plan, *imported = done.stdout.split()
    assert has_plan == "True"
    assert {"numpy", "safetensors", "torch"} & set(imported) == set()


@pytest.mark.parametrize("folder", sorted(FORCE_INCLUDE))
def test_a_folder_that_ships_in_the_wheel_exists_and_holds_files(folder: str) -> None:
    assert any((ROOT / folder).iterdir())


def test_the_wheel_holds_the_package_data(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    shipped = set(zipfile.ZipFile(wheel).namelist())

    expected = {
        f"{target}/{file.relative_to(ROOT / folder).as_posix()}"
        for folder, target in FORCE_INCLUDE.items()
        for file in (ROOT / folder).rglob("*")
        if file.is_file()
    }
    package_data = {".safetensors", ".json", ".txt", ".png"}
    expected |= {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "tinv_tui" / "models").rglob("*")
        if file.suffix in package_data
    }
    assert expected - shipped == set()
