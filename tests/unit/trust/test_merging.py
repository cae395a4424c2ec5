"""Boards of several machines become one, in any order: no row is lost, and the newest of each measurement stays."""

import math
from dataclasses import asdict
from itertools import permutations
from pathlib import Path

import pyarrow as pa
import pytest
import sound
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from breakeven.cli import main
from breakeven.rows import BOARD_FILES, InferenceRow, Row, TrainingRow, arrow_schema, read_rows, write_parquet
from breakeven.scoring import leaderboard
from breakeven.trust.merging import SourceBoard, merge, unite

LATER = {"started_at": "2026-11-25T09:00:00Z", "finished_at": "2026-11-25T09:01:00Z"}
QUIET = Console(quiet=True)


def merged(output: Path, *folders: Path) -> dict[str, bytes]:
    """Return the files of a merge."""
    merge(folders, output, QUIET)
    return {path.name: path.read_bytes() for path in sorted(output.iterdir())}


def rows(folder: Path) -> list[InferenceRow]:
    return read_rows(folder / "inference.parquet", InferenceRow)


def machine(folder: Path, name: str, speedup: float = 2.0, **changes: object) -> Path:
    """Make the rows of one machine: a reference, a chain and a training."""
    chain = sound.inference(
        machine=name, speedup=speedup, speedup_ci_low=speedup * 0.95, speedup_ci_high=speedup * 1.05, **changes
    )
    return sound.write(folder / name, sound.inference("fp32", name), chain, sound.training(name))


def test_keys_of_different_machines_stay_apart(tmp_path: Path) -> None:
    a, b = machine(tmp_path, "a"), machine(tmp_path, "b", speedup=3.0, latency_p50_ms=1.8)
    merged(tmp_path / "out", a, b)
    assert len(rows(tmp_path / "out")) == 4
    inference, training = leaderboard.load(tmp_path / "out")
    assert set(training["hardware_fingerprint"]) == {sound.digest(f"{name} cpu_1") for name in "ab"}
    ranked = leaderboard.rank(inference)
    for _, own in ranked.groupby("hardware_fingerprint"):
        assert own.set_index("chain")["rank"].to_dict() == {"int8_static": 1, "fp32": 2}


def test_a_later_failure_does_not_take_the_place_of_a_measurement(tmp_path: Path) -> None:
    good = sound.write(tmp_path / "good", sound.inference("fp32"), sound.inference())
    bad = sound.write(tmp_path / "bad", sound.inference(**{**sound.NOT_TIMED, **sound.FAILED, **LATER}))
    for order in permutations([good, bad]):
        merged(tmp_path / "out", *order)
        assert {row.status for row in rows(tmp_path / "out")} == {"ok"}


def test_references_are_found_on_the_same_machine(tmp_path: Path) -> None:
    a, b = machine(tmp_path, "a"), machine(tmp_path, "b")
    slow = sound.inference("fp32", "b", timed_s=8.0, latency_mean_ms=8.0, throughput_samples_per_s=125.0)
    sound.write(b, slow, sound.inference(machine="b"))
    merged(tmp_path / "out", a, b)
    found = leaderboard.load(tmp_path / "out")[0].set_index(["cpu_model", "chain"])["reference_seconds_per_inference"]
    assert found["CPU of a", "int8_static"] == pytest.approx(2e-3)
    assert found["CPU of b", "int8_static"] == pytest.approx(8e-3)


@pytest.mark.parametrize(("elsewhere", "verified"), [(2.05, True), (2.2, False)])
def test_a_speedup_within_the_interval_of_another_machine_verifies_it(
    elsewhere: float, verified: bool, tmp_path: Path
) -> None:
    merged(tmp_path / "out", machine(tmp_path, "a"), machine(tmp_path, "b", speedup=elsewhere))
    inference, _ = leaderboard.load(tmp_path / "out")
    own = inference[inference["cpu_model"].eq("CPU of a") & inference["chain"].eq("int8_static")]
    assert own["verified"].tolist() == [verified]


def test_trainings_keep_the_reference_of_their_own_machine(tmp_path: Path) -> None:
    """Two machines with the same CPU model and different numbers of cores."""
    for name, cores in (("a", 8), ("b", 16)):
        same = {"cpu_model": "CPU", "cores": cores}
        ddp = sound.training(name, "ddp", "cpu_2x1", train_time_s=40.0 / cores, time_to_target_s=math.inf, **same)
        sound.write(tmp_path / name, sound.training(name, **same), ddp)
    merged(tmp_path / "out", tmp_path / "a", tmp_path / "b")
    training = leaderboard.load(tmp_path / "out")[1]
    found = training[training["training_method"] == "ddp"].set_index("cores")["speedup"]
    assert found.to_dict() == {8: 2.0, 16: 4.0}


def test_the_newest_measurement_stays_and_the_older_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    old = sound.write(tmp_path / "old", sound.inference(), sound.inference("fp32"))
    new = sound.write(tmp_path / "new", sound.inference(quality=0.89, **LATER))
    assert main.run(["merge", str(old), str(new), "--output", str(tmp_path / "out")]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if "inference.parquet" in line]
    assert lines == [[f"{old}/inference.parquet", "2", "1", "1", "0"], [f"{new}/inference.parquet", "1", "1", "0", "0"]]
    assert {row.chain: row.quality for row in rows(tmp_path / "out")} == {"int8_static": 0.89, "fp32": 0.9}


def test_times_are_compared_as_times(tmp_path: Path) -> None:
    """Compared as text, Z sorts after +00:00, and a time with a fraction before one without."""
    later = sound.inference(quality=0.89, finished_at="2026-11-25T08:01:00.500+00:00")
    earlier = sound.inference(finished_at="2026-11-25T08:01:00Z")
    merged(tmp_path / "out", *(sound.write(tmp_path / str(n), row) for n, row in enumerate((later, earlier))))
    assert [row.quality for row in rows(tmp_path / "out")] == [0.89]


def test_the_same_rows_are_united_silently(tmp_path: Path) -> None:
    board = table(sound.inference(), sound.inference("fp32"))
    sources = [SourceBoard(Path(name), InferenceRow, board) for name in "ab"]
    assert len(unite(sources, InferenceRow)) == 2
    assert [(source.kept, source.superseded) for source in sources] == [(2, 0), (0, 0)]


def test_a_measurement_collected_at_two_prices_has_the_later_one(tmp_path: Path) -> None:
    prices = [sound.inference(usd_per_hour=0.09, price_date="2026-12-01"), sound.inference()]
    for order in permutations(prices):
        sources = [SourceBoard(Path("x"), InferenceRow, table(row)) for row in order]
        assert unite(sources, InferenceRow)["usd_per_hour"].to_pylist() == [0.09]
        assert sorted(source.superseded for source in sources) == [0, 1]


def test_trainings_timed_alone_and_not_are_two_measurements(tmp_path: Path) -> None:
    tables = [table(sound.training(timed_alone=alone)) for alone in (True, False)]
    assert len(unite([SourceBoard(Path("x"), TrainingRow, each) for each in tables], TrainingRow)) == 2


def table(*given: Row) -> pa.Table:
    return pa.Table.from_pylist([asdict(row) for row in given], schema=arrow_schema(type(given[0])))


ROWS = st.builds(
    lambda chain, name, hour, quality: sound.inference(
        chain, name, quality=quality, finished_at=f"2026-11-25T{hour:02}:01:00Z", hardware_fingerprint=name
    ),
    chain=st.sampled_from(["fp32", "int8_static"]),
    name=st.sampled_from([None, sound.digest("a"), sound.digest("b")]),
    hour=st.integers(8, 10),
    quality=st.sampled_from([0.89, 0.9]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(ROWS, max_size=4), min_size=1, max_size=4), st.randoms())
def test_the_order_does_not_matter_and_merging_again_changes_nothing(boards: list[list[Row]], random: object) -> None:
    def united(*tables: pa.Table) -> pa.Table:
        return unite([SourceBoard(Path("x"), InferenceRow, each) for each in tables], InferenceRow)

    tables = [table(*board) for board in boards if board]
    expected = united(*tables)
    random.shuffle(tables)
    assert united(*tables).equals(expected, check_metadata=True)
    assert united(expected, *tables).equals(expected)
    assert united(united(*tables[:1]), united(*tables[1:])).equals(expected)
    newest: dict[tuple, str] = {}
    for row in (row for board in boards for row in board):
        key = (row.cell_id, row.hardware_fingerprint)
        newest[key] = max(newest.get(key, ""), row.finished_at)
    keys = zip(*(expected[name].to_pylist() for name in ("cell_id", "hardware_fingerprint")), strict=True)
    assert dict(zip(keys, expected["finished_at"].to_pylist(), strict=True)) == newest
    assert len(expected) == len(newest)


def test_files_are_the_same_in_any_order_and_when_merged_again(tmp_path: Path) -> None:
    folders = [machine(tmp_path, "a"), machine(tmp_path, "b"), sound.write(tmp_path / "c", sound.inference(**LATER))]
    expected = merged(tmp_path / "0", *folders)
    assert expected.keys() == set(BOARD_FILES.values())
    for number, order in enumerate(permutations(folders), 1):
        assert merged(tmp_path / str(number), *order) == expected
    assert merged(tmp_path / "0", *folders) == expected
    assert merged(tmp_path / "0", *folders, tmp_path / "0") == expected
    assert merged(tmp_path / "0", tmp_path / "0") == expected


def test_a_machine_may_lack_a_board_and_the_output_be_an_input(tmp_path: Path) -> None:
    a, b = sound.write(tmp_path / "a", sound.inference()), sound.write(tmp_path / "b", sound.training("b"))
    assert merged(a, a, b).keys() == set(BOARD_FILES.values())
    assert len(rows(a)) == 1
    only = sound.write(tmp_path / "c", sound.inference())
    assert merged(tmp_path / "out", only).keys() == {"inference.parquet"}


def test_what_is_merged_is_valid(tmp_path: Path) -> None:
    merged(tmp_path / "out", machine(tmp_path, "a"), machine(tmp_path, "b"))
    assert main.run(["validate", *(str(tmp_path / "out" / name) for name in BOARD_FILES.values())]) == 0


def refused(capsys: pytest.CaptureFixture, output: Path, *folders: Path) -> tuple[str, str]:
    """Return the messages about folders that cannot be merged."""
    before = {path: path.read_bytes() for path in output.glob("*")}
    assert main.run(["merge", *map(str, folders), "--output", str(output)]) == 2
    assert {path: path.read_bytes() for path in output.glob("*")} == before
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    return shown.out, shown.err


def test_every_file_that_is_not_valid_is_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    good, wrong = machine(tmp_path, "good"), machine(tmp_path, "wrong", load_time_s=-1.0)
    foreign, empty = tmp_path / "foreign", tmp_path / "empty"
    foreign.mkdir()
    empty.mkdir()
    (foreign / "training.parquet").write_text("x")
    out, err = refused(capsys, tmp_path / "out", good, wrong, foreign, empty)
    assert (
        f"{wrong}/inference.parquet: row {sound.digest('int8_static')} (int8_static, single_stream): load_time_s" in out
    )
    assert f"{foreign}/training.parquet: not a Parquet file" in out
    assert f"{empty}: holds neither inference.parquet nor training.parquet" in out
    assert "good" not in out
    assert f"{wrong}/inference.parquet, {foreign}/training.parquet, {empty}" in err
    assert not (tmp_path / "out").exists()


def test_a_board_of_the_other_kind_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_parquet([sound.training()], TrainingRow, tmp_path / "a" / "inference.parquet")
    out, _ = refused(capsys, tmp_path / "out", tmp_path / "a")
    assert "not a file of InferenceRows" in out


def test_machines_that_mean_different_cells_by_one_id(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    a = machine(tmp_path, "a")
    b = sound.write(tmp_path / "b", sound.inference("low_rank", "b", cell_id=sound.digest("int8_static")))
    _, err = refused(capsys, tmp_path / "out", a, b)
    assert f"{a}/inference.parquet and {b}/inference.parquet mean different cells" in err


def test_rows_of_the_output_are_not_lost(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    a, b = machine(tmp_path, "a"), machine(tmp_path, "b")
    _, err = refused(capsys, b, a)
    assert f"{b}/inference.parquet: would lose 2 rows, nothing merged" in err
    trainings = sound.write(tmp_path / "c", sound.training("c"))
    only = sound.write(tmp_path / "d", sound.inference())
    assert "training.parquet: would lose 1 row, nothing merged" in refused(capsys, trainings, only)[1]


def test_machines_are_named(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    a = machine(tmp_path, "a")
    gpu = {"accelerator": "cuda", "gpu_model": "GPU [b]", "executor": "slurm", "hardware": "cuda_1"}
    b = sound.write(tmp_path / "b", sound.inference(machine="b", cell_id=sound.digest("b"), **gpu))
    assert main.run(["merge", str(a), str(b), "--output", str(tmp_path / "out")]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert f"{sound.digest('a cpu_1')} cpu_1 CPU of a local 2 1" in lines
    assert f"{sound.digest('b cpu_1')} cuda_1 GPU [b] slurm 1 0" in lines
    assert lines[-1] == f"{tmp_path}/out: 3 inference and 1 training rows"


def test_a_board_without_rows(tmp_path: Path) -> None:
    write_parquet([], InferenceRow, tmp_path / "a" / "inference.parquet")
    merged(tmp_path / "out", tmp_path / "a")
    assert rows(tmp_path / "out") == []
