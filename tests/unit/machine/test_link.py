"""A private network: throttled, counted, and left at the end."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from breakeven import environment
from breakeven.jobs.slurm import execution
from breakeven.machine import limits, link, provenance
from breakeven.units import registry

SLOW, PLAIN = registry.hardware("cpu_2x1_200mbit"), registry.hardware("cpu_2x1")
needs_namespaces = pytest.mark.skipif(link.unavailable() is not None, reason=str(link.unavailable()))


def namespace() -> str:
    return str(Path("/proc/thread-self/ns/net").readlink())


def rates() -> list[int]:
    """Return the rates of the token bucket filters on the loopback device, in bytes per second."""
    with IPRoute() as route:
        (loopback,) = route.link_lookup(ifname=link.LOOPBACK)
        found = [each for each in route.get_qdiscs(loopback) if each.get_attr("TCA_KIND") == "tbf"]
    return [each.get_attr("TCA_OPTIONS").get_attr("TCA_TBF_PARMS")["rate"] for each in found]


def send(size: int) -> None:
    """Send this number of bytes from this process to itself."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        taker, _ = server.accept()
        with taker:
            client.sendall(bytes(size))
            client.shutdown(socket.SHUT_WR)
            while size:
                size -= len(taker.recv(1 << 16))


@needs_namespaces
def test_it_is_left_as_it_was_entered() -> None:
    outside = namespace()
    with link.own(200) as there_is_one:
        assert there_is_one
        assert namespace() != outside
        assert os.environ[environment.GLOO_INTERFACE] == link.LOOPBACK
    assert namespace() == outside
    assert environment.GLOO_INTERFACE not in os.environ


@needs_namespaces
def test_its_link_has_the_rate() -> None:
    with link.own(200):
        assert rates() == [200e6 / 8]
    with link.own(None):
        assert rates() == []
    assert 200e6 / 8 not in rates(), "the machine's own network is throttled"


@needs_namespaces
def test_what_is_sent_there_is_counted() -> None:
    with link.own(None):
        before = link.sent_bytes()
        send(60_000)
        sent = link.sent_bytes() - before
    assert 60_000 < sent < 70_000, "with what TCP adds, and no more"


@needs_namespaces
def test_it_is_left_when_something_fails() -> None:
    outside = namespace()
    with pytest.raises(ZeroDivisionError), link.own(200):
        raise ZeroDivisionError
    assert namespace() == outside


def test_a_machine_that_gives_none_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "unavailable", lambda: "a link needs a network namespace, which is refused here")
    reason = limits.missing(SLOW)
    assert reason is not None and "refused here: run as root" in reason and "profile without network" in reason
    assert limits.missing(PLAIN) is None, "it needs no namespace, it counts no bytes without one"
    with link.own(None) as there_is_one:
        assert not there_is_one


def test_gpus_do_not_meet_on_a_network() -> None:
    reason = limits.missing(replace(registry.hardware("cuda_1"), network_mbit=200.0))
    assert reason is not None and "between GPUs cannot be made" in reason


def test_a_link_makes_other_hardware() -> None:
    assert execution("cpu_2x1_200mbit") != execution("cpu_2x1")
    assert provenance.hardware_fingerprint(SLOW) != provenance.hardware_fingerprint(PLAIN)
