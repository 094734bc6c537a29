#!/usr/bin/env python3
"""Rows a second of other detectors on the rows that `aegis bench detector` makes up.

    python3 -m venv .venv && .venv/bin/pip install scikit-learn river
    taskset -c 0 .venv/bin/python aegis/benches/compare.py --rows 4000
    taskset -c 0 target/release/aegis bench detector

scikit-learn's IsolationForest is fitted once on 4,096 rows and scores batches of 256, because one row at a time costs it
milliseconds; it learns nothing more. river's HalfSpaceTrees scores and learns each row, as Aegis does.
"""
import argparse
import os
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rows", type=int, default=4_000, help="rows that HalfSpaceTrees takes in (default %(default)s)")
ROWS = max(1, parser.parse_args().rows)

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from river.anomaly import HalfSpaceTrees
from sklearn.ensemble import IsolationForest

MADE = 4_096


def table(metrics):
    """Rows that follow five common waves, with noise of their own."""
    row, metric = np.arange(MADE)[:, None], np.arange(metrics)[None, :]
    noise = np.random.default_rng(7).uniform(-0.2, 0.2, (MADE, metrics))
    return np.sin(row / (40.0 + 30.0 * (metric % 5))) + noise


def isolation_forest(rows):
    forest = IsolationForest(n_estimators=100, max_samples=256, random_state=1, n_jobs=1).fit(rows)
    begun = time.perf_counter()
    for start in range(0, MADE - 255, 256):
        forest.score_samples(rows[start:start + 256])
    return MADE / (time.perf_counter() - begun)


def half_space_trees(rows):
    low, high = rows.min(), rows.max()
    limits = {metric: (low, high) for metric in range(rows.shape[1])}
    trees = HalfSpaceTrees(n_trees=25, height=8, window_size=250, limits=limits, seed=1)
    inputs = [dict(enumerate(rows[n % MADE])) for n in range(ROWS)]
    begun = time.perf_counter()
    for row in inputs:
        trees.score_one(row)
        trees.learn_one(row)
    return ROWS / (time.perf_counter() - begun)


print("metrics  IsolationForest rows/s  HalfSpaceTrees rows/s")
for metrics in (1, 8, 38):
    rows = table(metrics)
    print(f"{metrics:>7}  {isolation_forest(rows):>22.0f}  {half_space_trees(rows):>21.0f}")
