"""What is read of the machine, and what others take of it."""

import subprocess
import sys

import psutil

from breakeven import provenance, registry
from breakeven.provenance import ForeignLoad
from breakeven.record import Provenance


def test_every_field_read_is_a_field_of_the_row() -> None:
    read = provenance.provenance(registry.hardware("cpu_1"))
    assert read.keys() <= Provenance.__dataclass_fields__.keys()
    for name in ("cpu_model", "cores", "threads_allowed", "ram_bytes", "kernel", "python", "torch", "executor"):
        assert read[name], name


def test_a_digest_depends_on_content_alone() -> None:
    assert provenance.digest({"a": 1, "b": 2}) == provenance.digest({"b": 2, "a": 1})
    assert provenance.digest(["a"]) != provenance.digest(["b"])


def test_another_process_is_foreign_until_it_is_named_as_ours() -> None:
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        process = psutil.Process(burner.pid)
        with ForeignLoad() as foreign, ForeignLoad([burner.pid]) as ours:
            before = process.cpu_times().user
            while process.cpu_times().user - before < 0.5:
                pass
        share = 100 * 0.5 / ours.elapsed_s / psutil.cpu_count()
        assert foreign.percent - ours.percent > 0.8 * share
    finally:
        burner.kill()
        burner.wait()


def test_a_child_that_has_ended_is_ours() -> None:
    code = "import time\nwhile time.process_time() < 0.5: pass"
    with ForeignLoad() as load:
        before = load._own_s()
        subprocess.run([sys.executable, "-c", code], check=True)
        assert load._own_s() - before > 0.45
