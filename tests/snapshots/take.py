"""Takes the README's picture of the app: the demo, for real, at 120 x 36.

    python tests/snapshots/take.py

Run it after a change of how the workbench looks, and look at what it wrote.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
STEP = 320


async def take() -> None:
    """Start the demo in the app, wait until it has learned, export the screen, let the run end."""
    from tinv_tui.app.app import TinvApp
    from tinv_tui.runs.demo import demo_recipe

    demo = demo_recipe(400, None)
    shutil.copytree(demo.dataset.path, "chartreuse")  # so that the picture shows no path of this machine
    app = TinvApp(
        demo.model_copy(update={"dataset": demo.dataset.model_copy(update={"path": "chartreuse"})}), start=True
    )
    async with app.run_test(size=(120, 36)) as pilot:
        while app.control.now is None or app.control.now.status is None or app.control.now.status.step < STEP:
            await pilot.pause(0.5)
        await pilot.pause(2.0)
        app.save_screenshot("workbench-120x36.svg", str(HERE))
        while app.control.is_live:
            await pilot.pause(0.5)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"HOME": home, "TINV_HOME": f"{home}/tinv"}
        os.chdir(home)
        asyncio.run(take())
