"""All that rests on how RQ works inside: what we override, which of its keys we read, how its records are spelled.

Written against the RQ that ``tests/gpu_worker/test_rq_seams.py`` names for each seam; with another release the test
says which seam to look at. Everything else in ``gpu_worker`` speaks to RQ by its public functions, or not at all.

- ``allowed_jobs``: records as data, and RQ's worker for one queue and its table. The website uses it too.
- ``one_job_worker``: RQ's worker for one job at a time in one process, by a handful of hooks.
- ``render_queue``: the pop.
- ``scripts``: what the pop and a report run in Valkey.
- ``dead_worker``: what a dead worker leaves.
- ``unique_job``: putting a report in line.
"""
