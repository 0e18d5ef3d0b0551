"""``tinv-tui doctor``: is this machine ready, and if not, what to do."""

from __future__ import annotations

import locale
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass

import click
import psutil

from tinv_tui import paths
from tinv_tui.cli.output import EXIT_FAILED, command, print_json
from tinv_tui.models import bundled
from tinv_tui.telemetry.gpu import GpuSampler

GUIDE_VRAM_GB, GUIDE_RAM_GB = 8, 16
"""What the guide asks for at least. A part of it does: the weights are in half precision, and only the vectors are trained."""
_NEARLY = 0.9
"""A machine sold with 16 GB shows somewhat less."""


@dataclass(frozen=True)
class Check:
    name: str
    ok: bool
    message: str
    hint: str = ""


def _doctor(as_json: bool) -> None:
    """Check what training and the app need here."""
    checks = [_torch(), _gpu(), _memory(), _home(), _disk(), _bundled_model(), _locale(), _terminal(), _lingering()]
    if as_json:
        print_json({"checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            click.echo(f"{'ok  ' if check.ok else 'look'}  {check.name:<14} {check.message}")
            if check.hint and not check.ok:
                click.echo(f"      {'':<14} {check.hint}")
    if not all(check.ok for check in checks if check.name in ("torch", "home", "bundled model")):
        sys.exit(EXIT_FAILED)


doctor = command("doctor")(_doctor)


def _torch() -> Check:
    """Asked in a process of its own: this one stays light."""
    code = (
        "import torch, diffusers, transformers as t;"
        "c = torch.cuda.is_available();"
        "print(f'torch {torch.__version__}, diffusers {diffusers.__version__}, transformers {t.__version__}, '"
        " + ('CUDA ' + str(torch.version.cuda) if c else 'CPU only'))"
    )
    asked = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    if asked.returncode:
        last = (asked.stderr.strip().splitlines() or ["no reason given"])[-1]
        return Check("torch", False, f"cannot be imported: {last}", "Install the package again: pip install tinv-tui")
    return Check("torch", True, asked.stdout.strip())


def _gpu() -> Check:
    sampler = GpuSampler()
    try:
        snapshot = sampler.sample()
    finally:
        sampler.close()
    if snapshot.problem:
        return Check("gpu", False, snapshot.problem, "Training works on the CPU, slowly for real models.")
    names = ", ".join(f"{gpu.index} {gpu.name}, {_gib(gpu.memory_total_bytes)}" for gpu in snapshot.gpus)
    known = [gpu.memory_total_bytes for gpu in snapshot.gpus if gpu.memory_total_bytes is not None]
    enough = not known or max(known) >= _NEARLY * GUIDE_VRAM_GB * 1e9
    hint = "tinv-tui plan RECIPE --probe measures what a recipe takes; a batch of 1 at 512 pixels takes the least."
    return Check("gpu", enough, f"{names} (the guide asks for {GUIDE_VRAM_GB} GB of VRAM)", hint)


def _memory() -> Check:
    total = psutil.virtual_memory().total
    hint = "Close other programs while a model is loaded; afterwards training takes little of it on a GPU."
    said = f"{_gib(total)} of RAM (the guide asks for {GUIDE_RAM_GB} GB)"
    return Check("memory", total >= _NEARLY * GUIDE_RAM_GB * 1e9, said, hint)


def _gib(amount: int | None) -> str:
    return "memory unknown" if amount is None else f"{amount / 2**30:.1f} GiB"


def _home() -> Check:
    folder = paths.home()
    nearest = next(p for p in (folder, *folder.parents) if p.exists())
    if os.access(nearest, os.W_OK):
        return Check("home", True, f"{folder}{'' if folder.exists() else ' (made when needed)'}")
    return Check("home", False, f"{folder} cannot be written", "Set TINV_HOME to a folder of yours.")


def _disk() -> Check:
    nearest = next(p for p in (paths.home(), *paths.home().parents) if p.exists())
    free = shutil.disk_usage(nearest).free / 2**30
    return Check("disk", free > 1, f"{free:.1f} GiB free", "Runs need little; previews and copies add up.")


def _bundled_model() -> Check:
    ok = (bundled.FOLDER / "model_index.json").is_file()
    return Check("bundled model", ok, str(bundled.FOLDER), "The installation is incomplete: install the package again.")


def _locale() -> Check:
    encoding = locale.nl_langinfo(locale.CODESET) if hasattr(locale, "nl_langinfo") else "UTF-8"
    ok = encoding.upper().replace("-", "") == "UTF8"
    return Check("locale", ok, encoding, "Blocks may be drawn as _ : export LANG=C.UTF-8, and start tmux with -u.")


def _terminal() -> Check:
    term = os.environ.get("TERM", "")
    if not term or term == "dumb":
        return Check("terminal", False, "no terminal here", "The commands work; the app needs one.")
    return Check("terminal", True, f"{term}{', inside tmux' if os.environ.get('TMUX') else ''}")


def _lingering() -> Check:
    """Where logind kills a user's processes at logout, a run would die with the session."""
    try:
        asked = subprocess.run(
            ["busctl", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1",
             "org.freedesktop.login1.Manager", "KillUserProcesses"],
            capture_output=True, text=True, check=False, timeout=5,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return Check("logout", True, "no logind here: runs survive a logout")
    if asked.stdout.strip() == "b true":
        return Check("logout", False, "logind kills processes at logout", "loginctl enable-linger keeps runs alive.")
    return Check("logout", True, "runs survive a logout")
