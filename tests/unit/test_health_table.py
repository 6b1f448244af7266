"""The table of `health`: what each program costs now."""

import os
import subprocess
import sys
import time

from effectd.supervision import health
from effectd.supervision.health import Row


def cells(pid: int) -> dict[str, list[str]]:
    table = health.table({"busy": Row(state="ready", pid=pid), "idle": Row(state="ready", pid=os.getpid())}, {})
    return {line.split()[0]: line.split() for line in table.splitlines()}


def test_a_program_that_computes_has_its_share_of_a_processor_and_its_memory_beside_it():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            end = time.monotonic() + 20
            while int(cells(busy.pid)["busy"][4]) == 0 and time.monotonic() < end:
                pass
            found = cells(busy.pid)["busy"]
            assert 0 <= int(found[4]) <= 400, found
            assert found[5] == "%"
            assert int(found[6]) > 0
            assert time.monotonic() < end, "never more than 0 %"
        finally:
            busy.kill()


def test_of_a_process_that_has_ended_nothing_is_claimed():
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    assert cells(gone.pid)["busy"][4:6] == ["-", "-"]
