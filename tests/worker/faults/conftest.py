"""The run that nothing is done to, which all others are held to."""

from __future__ import annotations

import asyncio

import pytest

from tests.worker.faults.support import Outcome, eventful_recipe, whole_run


@pytest.fixture(scope="session")
def never_disturbed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINV_HOME", str(tmp_path_factory.mktemp("never-disturbed")))
        return asyncio.run(whole_run(eventful_recipe()))
