"""Processes of one machine that serve a model together: forked from the one that is asked, and gone with it.

Rank 0 is the process that loads the model and is asked for outputs. From each rank to each other lead shared memory for
tensors and a socket that says what lies there: who waits for it sleeps, and is awake some microseconds after.
"""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import pickle
import select
import socket
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress
from itertools import permutations
from mmap import mmap
from multiprocessing.connection import Connection, wait
from typing import Any, cast

import torch
from torch import Tensor

from breakeven.errors import CellFailure, death, failure_of
from breakeven.hardware import HardwareProfile
from breakeven.jobs.supervision import GRACE_S, die_with_parent
from breakeven.machine import memory

TIMEOUT_S = 300.0  # for what another rank is to give: one that takes longer hangs
ROOM_BYTES = 256 * 2**20  # of shared memory from one rank to another: what is never written to takes none
ALIGNED = 64  # bytes
HEADER_BYTES = 1 << 16


class Channel:
    """One way from a rank to another. A message lies there until it is taken; only then there is room for the next."""

    def __init__(self) -> None:
        self.sender, self.receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.room = mmap(-1, ROOM_BYTES)
        self.full = False  # as the sender knows

    def laid(self, shapes: list[tuple[torch.dtype, tuple[int, ...]]]) -> list[Tensor]:
        """Tensors of such types and shapes, one behind the other, their values in the shared memory."""
        found, at = [], 0
        for dtype, shape in shapes:
            count = math.prod(shape)
            end = at + count * dtype.itemsize
            if end > ROOM_BYTES:
                reason = f"{end} bytes are to go from one process to another, where {ROOM_BYTES} have room"
                raise CellFailure("method_error", f"{reason}: use a smaller batch, or eager")
            found.append(torch.frombuffer(self.room, dtype=dtype, count=count, offset=at).view(shape))
            at = -(-end // ALIGNED) * ALIGNED
        return found


class Rank:
    """One of the processes, as it knows itself; what it calls is also what a layer asks of torch's device mesh."""

    def __init__(
        self,
        number: int,
        channels: dict[tuple[int, int], Channel],
        watch: Callable[[socket.socket, int], None] = lambda awaited, rank: None,
    ) -> None:
        self.number, self.channels = number, channels
        self.others = [other for one, other in channels if one == number]
        self.watch = watch  # sleeps until another rank has done its part; others than rank 0 end with that

    def size(self) -> int:
        """How many there are."""
        return len(self.others) + 1

    def get_local_rank(self) -> int:
        """The number of this one."""
        return self.number

    def send(self, to: int, *tensors: Tensor) -> None:
        """Have another rank receive tensors, once it has taken what was sent before."""
        channel = self.channels[self.number, to]
        if channel.full:
            self.watch(channel.sender, to)
            channel.sender.recv(1)
        shapes = [(x.dtype, tuple(x.shape)) for x in tensors]
        for place, x in zip(channel.laid(shapes), tensors, strict=True):
            place.copy_(x)
        channel.sender.send(pickle.dumps(shapes))
        channel.full = True

    def broadcast(self, *tensors: Tensor) -> None:
        """Have every other rank receive tensors."""
        for other in self.others:
            self.send(other, *tensors)

    def receive(self, of: int, take: Callable[[Tensor], Tensor] = torch.clone) -> list[Tensor]:
        """What another rank has sent, each tensor as `take` makes it: its memory belongs to the sender again then."""
        channel = self.channels[of, self.number]
        self.watch(channel.receiver, of)
        taken = [take(x) for x in channel.laid(pickle.loads(channel.receiver.recv(HEADER_BYTES)))]
        channel.receiver.send(b"\0")
        return taken

    def sum(self, x: Tensor) -> Tensor:
        """Add to `x` what it is in the other ranks; all call."""
        self.broadcast(x)
        for other in self.others:
            self.receive(other, take=x.add_)
        return x


Make = Callable[[Rank], Callable[..., Any]]


def serve(hardware: HardwareProfile, make: Make) -> Callable[..., Tensor]:
    """A model that `hardware.devices` processes serve together, this one among them, until what is returned is dropped.

    Call it where nothing was computed on several threads yet: a process forked after that hangs when it uses several.

    Args:
        make: called once in every process with its rank, for what that does with a batch: rank 0 gives the outputs for
            the inputs, the others are called with what it sends them, again and again.

    Raises:
        CellFailure: here and by the call: a process failed, ended or hangs; the reason names its rank.
    """
    torch.set_num_threads(hardware.threads)
    crew = _Crew(hardware, make)
    owner = os.getpid()

    def end() -> None:
        if os.getpid() == owner:  # another process that was forked from here has this too
            crew.end()

    def call(*inputs: Tensor) -> Tensor:
        try:
            with torch.inference_mode():
                return crew.lead(*inputs)
        except BaseException:
            end()  # some rank waits for what never comes
            raise

    weakref.finalize(call, end)
    return call


class _Crew:
    """The processes beside this one, which watches over them."""

    def __init__(self, hardware: HardwareProfile, make: Make) -> None:
        context = multiprocessing.get_context("fork")
        channels = {pair: Channel() for pair in permutations(range(hardware.devices), 2)}
        self.oom_kills = memory.oom_kills()
        self.word, say = context.Pipe(duplex=False)  # why a rank cannot go on
        self.processes = {
            n: context.Process(target=_follow, args=(Rank(n, channels), make, hardware.threads, say), daemon=True)
            for n in range(1, hardware.devices)
        }
        me = Rank(0, channels, self.watch)
        for process in self.processes.values():
            process.start()
        try:
            self.lead = make(me)
            for number, process in self.processes.items():
                memory.note_held(process.pid or 0, int(me.receive(number)[0]))
        except BaseException:
            self.end()
            raise

    def watch(self, awaited: socket.socket, rank: int) -> None:
        """Sleep until there is something on a socket that `rank` writes to."""
        poll = select.poll()
        sentinels = {process.sentinel: number for number, process in self.processes.items()}
        for fd in (awaited.fileno(), self.word.fileno(), *sentinels):
            poll.register(fd, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(TIMEOUT_S * 1e3)}
        if awaited.fileno() in ready:
            return
        if self.word.fileno() in ready:
            with suppress(EOFError):  # those who could say something are about to be gone
                raise self.word.recv()
        for sentinel in wait(list(sentinels), GRACE_S if ready else 0):
            number = sentinels[cast(int, sentinel)]
            process = self.processes[number]
            process.join()
            raise death(f"the process of rank {number}", process.exitcode or 0, memory.oom_kills() - self.oom_kills)
        raise CellFailure("timeout", f"rank {rank} has given nothing for {TIMEOUT_S:g} s: see whether it hangs")

    def end(self) -> None:
        """End the other processes, whatever they do."""
        for process in self.processes.values():
            process.kill()
            process.join()


def _follow(rank: Rank, make: Make, threads: int, say: Connection) -> None:
    """The life of another rank than 0."""
    die_with_parent()
    torch.set_num_threads(threads)
    torch.ones(8, 8) @ torch.ones(8, 8)  # what any model brings into memory is not this one's
    held = memory.resident_bytes()
    try:
        work = make(rank)
        rank.send(0, torch.tensor(held))
        gc.freeze()  # a collection in the middle of a call takes no time then
        with torch.inference_mode():
            while True:
                work(*rank.receive(0))
    except Exception as error:
        if not isinstance(error, CellFailure):
            traceback.print_exc()
        failure = failure_of(error)
        say.send(CellFailure(failure.status, f"rank {rank.number}: {failure.reason}"))
