#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""Runs one command after the other and measures each.

A line of standard input is a file for all output and a command, separated by tabs; the answer to it is
"hundredths kibibytes status". The hundredths of a second are those that the processor worked for the command and all
its processes together; the kibibytes are what the largest of them held at most. One that takes four minutes is ended.
"""
import os
import signal
import sys


def run(file, command):
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.execvp(command[0], command)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(-pid, signal.SIGKILL))
    signal.alarm(240)
    _, status, usage = os.wait4(pid, 0)
    signal.alarm(0)
    return round((usage.ru_utime + usage.ru_stime) * 100), usage.ru_maxrss, os.waitstatus_to_exitcode(status)


for line in sys.stdin:
    words = line.rstrip("\n").split("\t")
    print(*run(words[0], words[1:]), flush=True)
