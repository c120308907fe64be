"""dbt as a run starts it: a process that ends when the run's process does.

A run that is killed alone (by the kernel for want of memory, say) would leave its dbt at work on a
warehouse whose lock is free: the next run would find the file in use or tables changed beneath it.

Its first argument is the run's process; the others are dbt's.
"""

import os
import signal
import sys
import threading
import time

_LOOK_SECONDS = 0.1


def end_with(run: int) -> None:
    """Wait until another process than ``run`` is the parent, then end this one at once."""
    while os.getppid() == run:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=end_with, args=(int(sys.argv[1]),), daemon=True).start()
    sys.argv = ["dbt", *sys.argv[2:]]
    from dbt.cli.main import cli

    cli()
