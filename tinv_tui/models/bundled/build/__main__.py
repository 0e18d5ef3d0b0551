"""``python -m tinv_tui.models.bundled.build``: make the bundled model again, from nothing."""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch

from tinv_tui.models.bundled.build import parts
from tinv_tui.models.bundled.build.export import export
from tinv_tui.models.bundled.build.sets import draw_all
from tinv_tui.models.bundled.build.train_unet import train_unet
from tinv_tui.models.bundled.build.train_vae import encode_pictures, train_vae
from tinv_tui.models.bundled.build.vocabulary import make_vocabulary


def main() -> None:
    """Build in a work folder that can be resumed, and write the finished model folder beside it."""
    parser = argparse.ArgumentParser(prog="python -m tinv_tui.models.bundled.build", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build-bundled"), help="where progress is kept; resumes it")
    parser.add_argument("--out", type=Path, help="the finished model folder (default: WORK/model)")
    parser.add_argument("--sets", type=Path, help="only draw the picture sets, into this folder")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    for field in dataclasses.fields(parts.Effort):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, default=field.default)
    arguments = parser.parse_args()
    if arguments.sets:
        draw_all(arguments.sets)
        return
    effort = parts.Effort(**{f.name: getattr(arguments, f.name) for f in dataclasses.fields(parts.Effort)})
    torch.set_num_threads(arguments.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    out = arguments.out or work / "model"
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:7.0f} s  {line}", flush=True)

    vocabulary = make_vocabulary()
    say(f"{len(vocabulary.tokens)} tokens, device {device}, {effort}")
    vae = train_vae(effort, work, device, say)
    scenes, latents = encode_pictures(vae, effort, work, device, say)
    unet, text = train_unet(
        scenes,
        latents,
        vocabulary,
        effort,
        work,
        device,
        say,
        lambda u, t: export(vae, u, t, vocabulary, work / "model"),
    )
    export(vae, unet, text, vocabulary, out)
    say(f"wrote {out}")


if __name__ == "__main__":
    main()
