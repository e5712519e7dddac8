# SPDX-License-Identifier: Apache-2.0
"""Processes of this machine that a command starts and a later one finds again: for tools/kafka/kafka and tools/cluster."""
import os
import pathlib
import select
import signal
import socket
import subprocess
import time

# Below the ports that outgoing connections get, so that a killed process finds its own free when it comes back.
PORTS = range(12000, 30000)

USAGE, BAD_INPUT, UNAVAILABLE, NOT_FOUND, OUR_FAULT = 2, 3, 4, 5, 70


class Failure(Exception):
    """Ends a command with this exit code and message."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def started_at(pid):
    """When the process began, in clock ticks since boot; None if it is gone. With the pid it names one process."""
    try:
        state, *rest = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else int(rest[18])


def wait_for(condition, seconds):
    """What `condition` last answered: something true, unless the time was up before."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            return result
        time.sleep(0.05)
    return result


def free_ports(count, candidates):
    """The first so many of `candidates` that nobody listens on."""
    held = []
    for port in candidates:
        if len(held) == count:
            break
        candidate = socket.socket()
        try:
            candidate.bind(("127.0.0.1", port))
            held.append(candidate)
        except OSError:
            candidate.close()
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    if len(ports) < count:
        raise Failure(UNAVAILABLE, f"no {count} free ports between {min(candidates)} and {max(candidates)}")
    return ports


def remove(path):
    """A file, or a folder with what is in it; nothing there is fine. Follows no link."""
    if path.is_dir() and not path.is_symlink():
        for child in path.iterdir():
            remove(child)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def keep_while(owner, take_away):
    """Leaves a process behind that calls `take_away` when process `owner` has ended, however it ended."""
    owner_handle = os.pidfd_open(owner)
    if os.fork() != 0:
        os.close(owner_handle)
        return
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    try:
        select.select([owner_handle], [], [])
        take_away()
    except (Failure, OSError):
        os._exit(1)
    os._exit(0)


class Process:
    """A process that keeps what it says in `folder`; its file `pid` names it for as long as it runs."""

    def __init__(self, folder, log):
        self.folder = folder
        self.log = folder / log
        self.pid_file = folder / "pid"

    @property
    def pid(self):
        """The pid of the process we started, or None: a recycled pid is never taken for it."""
        try:
            pid, start = map(int, self.pid_file.read_text().split())
        except (OSError, ValueError):
            return None
        return pid if started_at(pid) == start else None

    @property
    def state(self):
        if self.pid is None:
            return "stopped"
        state = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return "paused" if state == "T" else "running"

    def start(self, command):
        if self.pid is not None:
            return
        with open(self.log, "ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                       cwd=self.folder)
        self.pid_file.write_text(f"{process.pid} {started_at(process.pid)}")

    def send(self, number):
        pid = self.pid
        if pid is None:
            raise Failure(NOT_FOUND, f"{self.folder.name} is not running")
        os.kill(pid, number)

    def tell(self, *numbers):
        """Sends each of these signals if it still runs; a frozen process must be continued to hear most of them."""
        for number in numbers:
            try:
                self.send(number)
            except (Failure, ProcessLookupError):
                return

    def kill(self, seconds):
        self.send(signal.SIGKILL)
        wait_for(lambda: self.pid is None, seconds)

    def stop(self, seconds):
        """In order, or, when it takes longer than that, at once."""
        self.tell(signal.SIGTERM, signal.SIGCONT)
        if self.pid is not None and not wait_for(lambda: self.pid is None, seconds):
            self.kill(seconds)

    def last_words(self):
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-15:])
