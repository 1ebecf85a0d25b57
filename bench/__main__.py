"""`python -m bench`: measure everything beside its floor, in one run, and print and write what was found."""

import os

os.environ.setdefault("GRPC_VERBOSITY", "NONE")
# gRPC's C core would write lines of its own between the tables; it reads this before its first import.

import argparse
import asyncio
from pathlib import Path

from bench.plan import FULL, QUICK


def main() -> None:
    """Measure."""
    from bench.busy import BusyPlan, run_busy
    from bench.run import Diary, run

    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure beside the floor, in one run.")
    parser.add_argument("--quick", action="store_true", help="a little of everything, within a minute")
    parser.add_argument("--policy", action="store_true", help="only the decisions of policy, on both engines")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"), help="where the figures are written")
    parser.add_argument("--busy", type=int, metavar="N", help="only whole queries, beside N busy loops")
    options = parser.parse_args()
    if options.busy is not None:
        asyncio.run(run_busy(BusyPlan(loops=options.busy), options.out, Diary()))
        return
    asyncio.run(run(QUICK if options.quick else FULL, options.out, policy_only=options.policy))


if __name__ == "__main__":
    main()
