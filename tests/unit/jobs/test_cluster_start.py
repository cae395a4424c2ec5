"""Start of a run on a cluster: it removes results to be made again, so that no old result passes for a new one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

from breakeven.jobs import cluster_start
from breakeven.results import SLURM_RUN


def run(result: Path, local_exec: bool) -> SimpleNamespace:
    """Make a stand-in for a run that makes `result` again."""

    async def remove() -> None:
        result.unlink()

    job = SimpleNamespace(is_local=False, remove_existing_output=remove)
    return SimpleNamespace(
        local_exec=local_exec,
        scheduler=SimpleNamespace(_executor=SimpleNamespace(run_uuid="breakeven_1")),
        execution_settings=SimpleNamespace(keep_incomplete=False),
        dag=SimpleNamespace(needrun_jobs=lambda: [job]),
        async_run=asyncio.run,
    )


def test_results_to_be_made_again_go_first_and_what_is_new_stays(tmp_path: Path) -> None:
    result = tmp_path / "old"
    result.touch()
    begun = run(result, local_exec=False)
    cluster_start.begin(begun, tmp_path)
    assert not result.exists()
    assert begun.execution_settings.keep_incomplete
    assert (tmp_path / SLURM_RUN).read_text() == "breakeven_1"


def test_a_local_run_leaves_that_to_each_job(tmp_path: Path) -> None:
    result = tmp_path / "old"
    result.touch()
    begun = run(result, local_exec=True)
    cluster_start.begin(begun, tmp_path)
    assert result.exists()
    assert not begun.execution_settings.keep_incomplete
    assert not (tmp_path / SLURM_RUN).exists()
