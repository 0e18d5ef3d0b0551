"""The run that nothing is done to, which all others are held to."""

from __future__ import annotations

import pytest

from tests.worker.faults.support import Outcome, eventful_recipe, undisturbed


@pytest.fixture(scope="session")
def never_disturbed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return undisturbed(eventful_recipe(), tmp_path_factory.mktemp("never-disturbed"))
