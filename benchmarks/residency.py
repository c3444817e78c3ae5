"""How much loading each way of sharing one card costs: simulated with the sizes of real models, and measured on real
checkpoints; then what the worker adds to a render.

Traces are drawn by ``residency_ways.trace`` from the seeds 0, 1, 2 …; ``--trace SEED`` prints one.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import diffusers
import torch
import transformers

from benchmarks import machine
from benchmarks.residency_gap import measure
from benchmarks.residency_measured import print_hit, print_measured, print_rates
from benchmarks.residency_simulated import SERVICE_SECONDS, print_counts, print_simulated
from benchmarks.residency_ways import ARRIVALS_PER_RENDER, BOUNDS, LINE, ZIPF, trace


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--jobs", type=int, default=200, help="jobs of each trace")
    arguments.add_argument("--seeds", type=int, default=5, help="traces of each")
    arguments.add_argument("--measured", action="store_true", help="leave the simulation out")
    arguments.add_argument("--checkpoints", action="store_true", help="real checkpoints alone")
    arguments.add_argument(
        "--processor-time",
        action="store_true",
        help="of loading real checkpoints, in place of the clock's: on a machine that others use",
    )
    arguments.add_argument("--counts", action="store_true", help="loads and evictions of the simulation alone")
    arguments.add_argument("--trace", type=int, metavar="SEED", help="print a trace and do nothing else")
    options = arguments.parse_args()
    if options.trace is not None:
        drawn = trace(SERVICE_SECONDS, options.jobs, options.trace)
        for second, model in zip(drawn.arrivals, drawn.models, strict=True):
            print(f"{second:.1f} {model}")
        return
    torch.set_num_threads(1)
    for library in (diffusers.utils.logging, transformers.utils.logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    print(machine.facts())
    if options.counts:
        print_counts(options.jobs, options.seeds)
        return
    if options.checkpoints:
        print_checkpoints(options)
        return
    if not options.measured:
        print(
            f"\n### Simulated\n\n{options.jobs} jobs a trace, seeds 0 to {options.seeds - 1}, Zipf {ZIPF} over "
            f"{len(SERVICE_SECONDS)} models, disk at 2 GiB/s, arrivals {ARRIVALS_PER_RENDER} × what the card could "
            f"render without loading; {LINE} jobs in line, at most {BOUNDS.max_skips} skips. Mean ± half of the "
            "95 % interval."
        )
        print_simulated(options.jobs, options.seeds)
    print("\n### Loading\n")
    with tempfile.TemporaryDirectory() as scratch:
        print_rates(Path(scratch))
    print_hit()
    with tempfile.TemporaryDirectory() as scratch:
        gaps = measure(Path(scratch), 24).gaps
    walls, own = [gap.to_begin for gap in gaps], [gap.own_seconds for gap in gaps]
    print(
        f"\nBetween two jobs on the real loop: median {statistics.median(walls) * 1000:.0f} ms, fastest "
        f"{min(walls) * 1000:.0f} ms, of which {statistics.median(own) * 1000:.0f} ms are the worker's own processor "
        f"time, of {len(gaps)} (at most 50)."
    )
    print_checkpoints(options)


def print_checkpoints(options: argparse.Namespace) -> None:
    seconds = time.process_time if options.processor_time else time.perf_counter
    print("\n### Real checkpoints")
    with tempfile.TemporaryDirectory() as scratch:
        print_measured(Path(scratch), options.jobs, options.seeds, seconds)


if __name__ == "__main__":
    main()
