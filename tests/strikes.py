"""A process that is struck at each of its steps in turn: killed, interrupted, or told that the disk is full."""

import errno
import os
import sys
import warnings

KILLED = 9
KILLS = 100 if os.environ.get("NIGHTLY") == "1" else 6
"""How often a test kills at a random moment."""
STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.listdir", "os.scandir", "fcntl.flock", "fsync"}
"""Audit events of the calls that look at files or change them, and fsync, which has none."""


def kill():
    os._exit(KILLED)


def interrupt():
    raise KeyboardInterrupt


def fill_disk():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


STRIKES = {"killed": kill, "interrupted": interrupt, "full disk": fill_disk}


def arm(strike, at):
    """From now on, `strike()` comes before the `at`-th step, counted from 1. It cannot be taken back: only in a child."""
    steps = 0

    def step(event, _=()):
        nonlocal steps
        if event in STEPS:
            steps += 1
            if steps == at:
                strike()

    fsync = os.fsync

    def counted_fsync(descriptor):
        step("fsync")
        fsync(descriptor)

    os.fsync = counted_fsync
    sys.addaudithook(step)


def struck(work, strike, at):
    """Do `work()` in a child that is struck at one step; its exit code: 0 when it ended well, 1 when it raised, or KILLED."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forks where there are threads
        child = os.fork()
    if child == 0:
        code = 1
        try:
            arm(strike, at)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
