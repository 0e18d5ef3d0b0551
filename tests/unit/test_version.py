"""Which version this is, where the package is run from a checkout and was never installed."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from tinv_tui import version
from tinv_tui.cli import commands
from tinv_tui.version import own_version

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
CHECKOUT = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["version"]


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)


@pytest.mark.usefixtures("not_installed")
def test_a_checkout_that_is_not_installed_has_the_version_of_its_project_file() -> None:
    assert own_version() == CHECKOUT
    assert CHECKOUT in CliRunner().invoke(commands, ["--version"]).output


@pytest.mark.usefixtures("not_installed")
@pytest.mark.parametrize("content", [None, "no toml", "[project]\n", '[project]\nname = "other"\nversion = "9"\n'])
def test_where_nothing_tells_it_is_unknown(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "pyproject.toml").write_text(content)
    monkeypatch.setattr(version, "_PROJECT", tmp_path / "pyproject.toml")
    assert own_version() == "unknown"


def test_nothing_else_asks_for_it() -> None:
    package = PYPROJECT.parent / "tinv_tui"
    asking = [path.name for path in package.rglob("*.py") if "metadata.version(" in path.read_text(encoding="utf-8")]
    assert sorted(asking) == ["room.py", "version.py"]  # the former asks for torch's
