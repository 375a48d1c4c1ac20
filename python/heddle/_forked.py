"""Work of the compiler in a child process."""

import os
import pickle
import signal
import sys

from ._errors import Error


def forked(work):
    """Runs `work()` in a child; raises what it raises."""
    sys.stdout.flush()
    sys.stderr.flush()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        failure = b""
        try:
            work()
        except BaseException as error:  # the parent raises it
            failure = pickle.dumps(error if isinstance(error, Error) else Error(repr(error)))
        with os.fdopen(write, "wb") as pipe:
            pipe.write(failure)
        os._exit(0)
    os.close(write)
    try:
        with os.fdopen(read, "rb") as pipe:
            failure = pipe.read()
        _, status = os.waitpid(pid, 0)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    if failure:
        raise pickle.loads(failure)
    if status:
        raise Error(f"the compiler ended with status {status}")
