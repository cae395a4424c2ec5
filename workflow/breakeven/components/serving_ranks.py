"""Processes (ranks) of one machine that serve a model together.

Rank 0 is the process that loads the model and is asked for outputs. It forks the other ranks, which end with it. Each
rank has a channel to each other rank: shared memory for tensors, and a socket that tells what lies in the memory. A
rank that waits for a message sleeps, and wakes some microseconds after the message was sent.
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
from typing import cast

import torch
from torch import Tensor

from breakeven.errors import CellFailure, death, failure_of
from breakeven.hardware import HardwareProfile
from breakeven.machine import memory
from breakeven.machine.processes import GRACE_S, die_with_parent

TIMEOUT_S = 300.0  # for a message of another rank: a rank that takes longer hangs
ROOM_BYTES = 256 * 2**20  # shared memory of a channel; pages that are never written to take no memory
ALIGNED = 64  # bytes: where tensors may begin in the shared memory
HEADER_BYTES = 1 << 16  # the longest description of a message

Shapes = list[tuple[torch.dtype, tuple[int, ...]]]


class Channel:
    """Channel from one rank to another. It holds one message, until the receiver has taken it."""

    def __init__(self) -> None:
        self.sender, self.receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.room = mmap(-1, ROOM_BYTES)
        self.full = False  # as far as the sender knows

    def laid(self, shapes: Shapes) -> list[Tensor]:
        """Return tensors of these types and shapes that lie in the shared memory, one behind the other.

        Raises:
            CellFailure: `method_error`, where they take more than the channel's memory.
        """
        found, at = [], 0
        for dtype, shape in shapes:
            count = math.prod(shape)
            end = at + count * dtype.itemsize
            if end > ROOM_BYTES:
                reason = f"a message between two processes has {end} bytes, more than the {ROOM_BYTES} that fit"
                raise CellFailure("method_error", f"{reason}: use a smaller batch, or eager")
            found.append(torch.frombuffer(self.room, dtype=dtype, count=count, offset=at).view(shape))
            at = -(-end // ALIGNED) * ALIGNED
        return found


class Rank:
    """One of the processes, as it sees itself and the others.

    It has the two methods `size` and `get_local_rank` of torch's device mesh, so that a layer can take it for one.

    Args:
        number: the number of this rank, from 0.
        channels: the channel from a rank to another, by both numbers.
        watch: sleeps until a socket can be read that the rank with that number writes to. Ranks other than 0 do not
            watch: they end with rank 0.
    """

    def __init__(
        self,
        number: int,
        channels: dict[tuple[int, int], Channel],
        watch: Callable[[socket.socket, int], None] = lambda awaited, rank: None,
    ) -> None:
        self.number, self.channels = number, channels
        self.others = [other for one, other in channels if one == number]
        self.watch = watch

    def size(self) -> int:
        """Return the number of ranks."""
        return len(self.others) + 1

    def get_local_rank(self) -> int:
        """Return the number of this rank, from 0."""
        return self.number

    def send(self, to: int, *tensors: Tensor) -> None:
        """Send tensors to another rank, once that rank has taken the message before.

        Raises:
            CellFailure: see `Channel.laid`; on rank 0 also where the other rank failed, ended or hangs.
        """
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
        """Send tensors to every other rank: see `send`."""
        for other in self.others:
            self.send(other, *tensors)

    def receive(self, of: int, take: Callable[[Tensor], Tensor] = torch.clone) -> list[Tensor]:
        """Wait for a message of another rank, and return its tensors.

        Args:
            of: the number of the other rank.
            take: makes a tensor's result. The tensor itself must not be kept: its memory is the sender's again then.

        Raises:
            CellFailure: on rank 0, where the other rank failed, ended or hangs.
        """
        channel = self.channels[of, self.number]
        self.watch(channel.receiver, of)
        taken = [take(x) for x in channel.laid(pickle.loads(channel.receiver.recv(HEADER_BYTES)))]
        channel.receiver.send(b"\0")
        return taken

    def sum(self, x: Tensor) -> Tensor:
        """Add the other ranks' `x` to this rank's `x` in place, and return it. Every rank calls it."""
        self.broadcast(x)
        for other in self.others:
            self.receive(other, take=x.add_)
        return x


Make = Callable[[Rank], Callable[..., Tensor | None]]  # makes what a rank does with a batch: see `serve`


def serve(hardware: HardwareProfile, make: Make) -> Callable[..., Tensor]:
    """Start `hardware.devices` processes that serve a model together, this one among them; return the model's callable.

    The processes end when the callable is dropped. Call this before anything was computed on several threads: a process
    that is forked later hangs as soon as it uses several threads.

    Args:
        hardware: gives the number of processes, and the threads of each.
        make: called once in every process with its rank; returns what that rank does with a batch. Rank 0's function
            takes the model's inputs and returns its outputs. The other ranks' functions are called with the tensors of
            each message that rank 0 sends.

    Raises:
        CellFailure: here and in the callable, where a process failed, ended or hangs; the reason names its rank.
    """
    torch.set_num_threads(hardware.threads)
    crew = _Crew(hardware, make)
    owner = os.getpid()

    def end() -> None:
        if os.getpid() == owner:  # a process that was forked from here inherits this function
            crew.end()

    def call(*inputs: Tensor) -> Tensor:
        try:
            with torch.inference_mode():
                return cast(Tensor, crew.lead(*inputs))  # rank 0 answers
        except BaseException:
            end()  # some rank waits for a message that never comes
            raise

    weakref.finalize(call, end)
    return call


class _Crew:
    """The other ranks' processes, which rank 0 watches."""

    def __init__(self, hardware: HardwareProfile, make: Make) -> None:
        context = multiprocessing.get_context("fork")
        channels = {pair: Channel() for pair in permutations(range(hardware.devices), 2)}
        self.oom_kills = memory.oom_kills()
        self.word, say = context.Pipe(duplex=False)  # a rank tells here why it cannot go on
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
        """Sleep until a socket that `rank` writes to can be read; raise where a rank failed, ended or hangs."""
        poll = select.poll()
        sentinels = {process.sentinel: number for number, process in self.processes.items()}
        for fd in (awaited.fileno(), self.word.fileno(), *sentinels):
            poll.register(fd, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(TIMEOUT_S * 1e3)}
        if awaited.fileno() in ready:
            return
        if self.word.fileno() in ready:
            with suppress(EOFError):  # every rank that could say something is ending
                raise self.word.recv()
        for sentinel in wait(list(sentinels), GRACE_S if ready else 0):
            number = sentinels[cast(int, sentinel)]
            process = self.processes[number]
            process.join()
            raise death(f"the process of rank {number}", process.exitcode or 0, memory.oom_kills() - self.oom_kills)
        raise CellFailure("timeout", f"rank {rank} has sent nothing for {TIMEOUT_S:g} s: see whether it hangs")

    def end(self) -> None:
        """Kill the other processes."""
        for process in self.processes.values():
            process.kill()
            process.join()


def _follow(rank: Rank, make: Make, threads: int, say: Connection) -> None:
    """Run a rank other than 0, until rank 0 ends."""
    die_with_parent()
    torch.set_num_threads(threads)
    torch.ones(8, 8) @ torch.ones(8, 8)  # torch itself takes this memory, with any model
    held = memory.resident_bytes()
    try:
        work = make(rank)
        rank.send(0, torch.tensor(held))
        gc.freeze()  # so that no garbage collection falls into a call
        with torch.inference_mode():
            while True:
                work(*rank.receive(0))
    except Exception as error:
        if not isinstance(error, CellFailure):
            traceback.print_exc()
        failure = failure_of(error)
        say.send(CellFailure(failure.status, f"rank {rank.number}: {failure.reason}"))
