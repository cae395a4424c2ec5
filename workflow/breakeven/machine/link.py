"""A training's own network, which counts the bytes that its ranks send and limits them to the profile's link rate.

Linux network namespaces (`network_namespaces(7)`): the ranks communicate over the loopback device of a namespace that
nothing else uses. A link is that device behind a token bucket filter (`tc-tbf(8)`). It needs no second machine, and
every byte between two ranks passes through it.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import psutil

from breakeven.environment import GLOO_INTERFACE

CLONE_NEWNET = 0x40000000  # unshare(2)
LOOPBACK = "lo"
BURST_BYTES = 256 * 1024  # the most that passes at once
QUEUE_S = 0.4  # the longest wait of a byte in the queue; then the link drops it


@contextmanager
def own(rate_mbit: float | None) -> Iterator[bool]:
    """Give this thread, and the processes that it forks, their own network. Yields False if the machine gives none.

    Args:
        rate_mbit: the link's rate in 10⁶ bits per second; None: no limit.
    """
    if unavailable() is not None:
        yield False
        return
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _enter(rate_mbit)
        os.environ[GLOO_INTERFACE] = LOOPBACK
        yield True
    finally:
        os.environ.pop(GLOO_INTERFACE, None)
        _call("setns", before, CLONE_NEWNET)
        os.close(before)


def sent_bytes() -> int:
    """Bytes sent on this thread's loopback device; in the ranks' own network, the bytes that all ranks sent."""
    return psutil.net_io_counters(pernic=True)[LOOPBACK].bytes_sent


@cache
def unavailable() -> str | None:
    """The reason why this machine gives no own network, or None. It is tried once, in a process that then ends."""
    process = multiprocessing.get_context("fork").Process(target=_try)
    process.start()
    process.join()
    if process.exitcode == 0:
        return None
    why = "" if os.geteuid() == 0 else ", and this user is not root"
    return f"a link of a known rate needs a network namespace and tc's tbf, which Linux refuses here{why}"


def _try() -> None:
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    _enter(1000.0)


def _enter(rate_mbit: float | None) -> None:
    from pyroute2 import IPRoute

    _call("unshare", CLONE_NEWNET)
    with IPRoute() as route:
        (loopback,) = route.link_lookup(ifname=LOOPBACK)
        route.link("set", index=loopback, state="up")
        if rate_mbit is not None:
            limit = {"rate": f"{rate_mbit:g}mbit", "burst": BURST_BYTES, "latency": f"{QUEUE_S * 1e3:g}ms"}
            route.tc("add", "tbf", loopback, 0x10000, **limit)


def _call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
