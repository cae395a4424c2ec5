"""The fastest training methods, on tables made by hand."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rows import FAILED, training, trainings

from breakeven.rows import TrainingRow
from breakeven.scoring import leaderboard, scaling
from breakeven.scoring.scaling import Win

SINGLE = training("single_device", 80.0)


def on(hardware: str, method: str, seconds: float, world_size: int = 2, **changes: Any) -> TrainingRow:
    """Make a row of a profile other than the single-device run's."""
    own = {"hardware": hardware, "cell_id": f"{method}@{hardware}", "time_to_target_s": seconds / 2}
    return training(method, seconds, world_size, **{**own, **changes})


def ranked(folder: Path, *rows: TrainingRow) -> pd.DataFrame:
    return leaderboard.rank_trainings(trainings(folder, *rows))


def test_the_fastest_is_told_with_the_runner_up(tmp_path: Path) -> None:
    rows = on("two", "ddp", 50.0), on("two", "zero1", 40.0), on("two", "fsdp", 60.0)
    (win,) = scaling.wins(ranked(tmp_path, SINGLE, *rows))
    assert win == Win("two", 2, 1, math.inf, ("zero1",), 40.0, 2.0, "ddp", 1.25)


def test_times_within_two_percent_are_a_tie(tmp_path: Path) -> None:
    rows = on("two", "ddp", 40.0), on("two", "zero1", 40.7), on("two", "fsdp", 60.0)
    (win,) = scaling.wins(ranked(tmp_path, SINGLE, *rows))
    assert (win.fastest, win.runner_up, win.behind) == (("ddp", "zero1"), "fsdp", 1.5)


def test_one_device_wins_where_distributing_only_costs(tmp_path: Path) -> None:
    slow = on("slow", "ddp", 160.0, network_mbit=200.0)
    (win,) = scaling.wins(ranked(tmp_path, SINGLE, slow))
    assert (win.fastest, win.speedup, win.runner_up, win.behind) == (("single_device",), 1.0, "ddp", 2.0)
    assert win.rate == 200


@pytest.mark.parametrize(
    "changes", [{"quality": 0.8}, {"contended": True}, {"timed_alone": False}, {"status": FAILED["status"]}]
)
def test_what_is_not_ranked_wins_nowhere(tmp_path: Path, changes: dict[str, Any]) -> None:
    rows = on("two", "ddp", 50.0), on("two", "zero1", 10.0, **changes)
    (win,) = scaling.wins(ranked(tmp_path, SINGLE, *rows))
    assert (win.fastest, win.runner_up) == (("ddp",), "single_device")


def test_a_missed_target_is_no_time_to_target(tmp_path: Path) -> None:
    single = training("single_device", 80.0, time_to_target_s=30.0)
    rows = on("two", "ddp", 50.0), on("two", "zero1", 40.0, time_to_target_s=math.inf)
    board = ranked(tmp_path, single, *rows)
    assert scaling.wins(board)[0].fastest == ("zero1",)
    (win,) = scaling.wins(board, "time_to_target_s")
    assert (win.fastest, win.seconds, win.speedup, win.runner_up) == (("ddp",), 25.0, 1.2, "single_device")


def test_without_a_single_device_run_nothing_is_compared(tmp_path: Path) -> None:
    (win,) = scaling.wins(ranked(tmp_path, on("two", "ddp", 50.0)))
    assert (win.fastest, win.runner_up) == ((), None)
    assert all(math.isnan(value) for value in (win.seconds, win.speedup, win.behind))


def test_a_profile_on_which_all_failed_is_kept_as_a_gap(tmp_path: Path) -> None:
    failed = on("two", "ddp", 50.0, train_time_s=None, world_size=None, **FAILED)
    (win,) = scaling.wins(ranked(tmp_path, failed))
    assert (win.hardware, win.processes, win.fastest) == ("two", None, ())


def test_a_profile_competes_with_one_of_its_own_devices_only(tmp_path: Path) -> None:
    two_threads = training("single_device", 10.0, threads=2, cell_id="t2", hardware="one_with_two_threads")
    (win,) = scaling.wins(ranked(tmp_path, SINGLE, two_threads, on("two", "ddp", 50.0)))
    assert (win.fastest, win.runner_up) == (("ddp",), "single_device")
    assert win.behind == 1.6


def test_profiles_are_in_order_of_size_and_link(tmp_path: Path) -> None:
    rows = [
        on("a_four", "ddp", 30.0, 4),
        on("b_slow", "ddp", 90.0, network_mbit=100.0),
        on("c_fast", "ddp", 60.0, network_mbit=1000.0),
        on("d_two", "ddp", 50.0),
    ]
    assert [win.hardware for win in scaling.wins(ranked(tmp_path, SINGLE, *rows))] == [
        *("d_two", "c_fast", "b_slow", "a_four")
    ]


def test_lines_start_at_the_single_device_run_of_as_many_threads(tmp_path: Path) -> None:
    rows = [
        on("two", "ddp", 50.0),
        on("four", "ddp", 30.0, 4),
        on("slow", "ddp", 90.0, network_mbit=100.0),
        on("wide", "ddp", 20.0, threads=2),
    ]
    lines = scaling.lines(ranked(tmp_path, SINGLE, *rows))
    sizes = {line: sorted(own["world_size"]) for line, own in lines.groupby(["method", "rate", "line"])}
    assert list(sizes.values()) == [[1, 2], [1, 2, 4], [2]]
    assert [rate for _, rate, _ in sizes] == [100, math.inf, math.inf]
    assert scaling.lines(ranked(tmp_path, SINGLE)).empty


def test_a_link_is_told_where_there_is_one(tmp_path: Path) -> None:
    rows = trainings(tmp_path, SINGLE, on("two", "ddp", 50.0), on("slow", "ddp", 50.0, network_mbit=200.0))
    assert [scaling.link(row) for _, row in rows.iterrows()] == ["", "unthrottled", "200 Mbit/s"]


def test_bytes_are_told_per_step(tmp_path: Path) -> None:
    counted = on("slow", "ddp", 50.0, communicated_bytes=3000, steps=10)
    found = scaling.bytes_per_step(trainings(tmp_path, SINGLE, counted))
    assert math.isnan(found[0])
    assert found[1] == 300
