#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""measure.py FILE COMMAND...: runs the command, writes "seconds-of-processor kibibytes status" into FILE.

The seconds are those of the command and of all its processes together; the kibibytes are what the largest of them
held at most. Ends as the command did; one that takes four minutes is ended.
"""
import os
import signal
import sys

out, command = sys.argv[1], sys.argv[2:]
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.execvp(command[0], command)
signal.signal(signal.SIGALRM, lambda *_: os.kill(-pid, signal.SIGKILL))
signal.alarm(240)
_, status, usage = os.wait4(pid, 0)
code = os.waitstatus_to_exitcode(status)
with open(out, "w", encoding="ascii") as f:
    print(f"{usage.ru_utime + usage.ru_stime:.2f} {usage.ru_maxrss} {code}", file=f)
sys.exit(code if code >= 0 else 128 - code)
