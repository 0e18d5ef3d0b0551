"""Where things are: the user's folder, and the styles and templates that ship with the program."""

from __future__ import annotations

import os
from pathlib import Path

from tinv_tui.errors import InputError

_PACKAGE = Path(__file__).resolve().parent


def home() -> Path:
    """TINV_HOME, or ``~/tinv``. May not exist yet."""
    return _folder("TINV_HOME", "~/tinv")


def check_home() -> None:
    """Raises InputError where TINV_HOME cannot be a folder, or one that nothing can be found in; it may not exist yet."""
    folder = home()
    way = next((one for one in (folder, *folder.parents) if os.path.lexists(one)), folder)
    if not way.is_dir():
        said = "is a file, not a folder" if way.exists() else "leads nowhere"
        raise InputError("home-no-folder", f"TINV_HOME: {way} {said}", "Name a folder, or move the file away.")
    if way == folder and not os.access(folder, os.R_OK | os.X_OK):
        raise InputError("home-no-folder", f"TINV_HOME: you may not look into {folder}", "Name a folder of your own.")


def runs_folder() -> Path:
    return home() / "runs"


def embeddings_folder() -> Path:
    """The library: results lie here, and other tools may be pointed at it."""
    return home() / "embeddings"


def models_folder() -> Path:
    """Models that the user keeps with the program. May not exist yet."""
    return home() / "models"


def latent_cache_folder() -> Path:
    """Encoded pictures, which runs share. May not exist yet; it can be deleted at any time."""
    return home() / "cache" / "latents"


def form_draft() -> Path:
    """What the app's train form was left with. May not exist yet; it can be deleted at any time."""
    return home() / "form.json"


def app_log() -> Path:
    """Where the app's last fault of its own comes from. May not exist yet."""
    return home() / "app-failed.log"


def job_log() -> Path:
    """The last words of the last job that broke on the command line. May not exist yet."""
    return home() / "job-failed.log"


def device_locks_folder() -> Path:
    """TINV_LOCKS, or a folder below /tmp: where runs of all users of this machine say which device they train on."""
    return _folder("TINV_LOCKS", "/tmp/tinv-tui-locks")


def _folder(variable: str, default: str) -> Path:
    """Raises InputError for ``~name`` where there is nobody of that name."""
    text = os.environ.get(variable) or default
    folder = os.path.expanduser(text)
    if folder.startswith("~"):
        raise InputError("home-unknown", f"{variable}: {text} is in nobody's home", f"Set {variable} to a folder.")
    return Path(folder).absolute()


def shipped(kind: str) -> Path:
    """The folder of shipped ``styles`` or ``templates``: inside an installed wheel, or at the top of a checkout."""
    installed = _PACKAGE / f"_{kind}"
    return installed if installed.is_dir() else _PACKAGE.parent / kind


def own_templates_folder() -> Path:
    """The user's own templates. May not exist yet."""
    return home() / "templates"


def template_files() -> dict[str, Path]:
    """Known template names and their files; the user's own (TINV_HOME/templates) hide shipped ones of the same name."""
    found: dict[str, Path] = {}
    for folder in (shipped("templates"), own_templates_folder()):
        if folder.is_dir():
            found |= {path.stem: path for path in sorted(folder.glob("*.txt"))}
    return found


def find_template(name_or_path: str, beside: Path) -> Path:
    """The file of a template named in a recipe; a path is relative to the folder ``beside``. Raises InputError."""
    known = template_files()
    if name_or_path in known:
        return known[name_or_path]
    path = beside / os.path.expanduser(name_or_path)
    if os.path.isfile(path):  # to pathlib a name that is too long is an error
        return path
    raise InputError(
        "template-missing",
        f"dataset.template: there is no template named {name_or_path!r}, and no such file",
        f"Known templates: {', '.join(known)}. Or give the path of a text file.",
    )
