"""Runs a service under the profiler, to see where its event loop spends its time.

    python -m bench.profiled PROFILE gateway serve --config ...

The profile is written when the service ends; `python -m pstats PROFILE` reads it. Other threads are not in it.
"""

import cProfile
import runpy
import sys


def main() -> None:
    """Run `wardgate` with the arguments after the first."""
    target, *arguments = sys.argv[1:]
    sys.argv = ["wardgate", *arguments]
    profile = cProfile.Profile()
    try:
        profile.runcall(runpy.run_module, "wardgate", run_name="__main__")
    finally:
        profile.dump_stats(target)


if __name__ == "__main__":
    main()
