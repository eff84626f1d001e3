"""Trains. Whatever is imported from here comes before torch, whose threads read the environment once, when it is imported."""

import os

# While they wait for work, OpenMP's threads spin: on a machine that has something else to do, each of many small products then takes as
# long as a turn of the scheduler. Asleep, they cost nothing. Whoever has set one of these has decided otherwise.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & os.environ.keys():
    os.environ["OMP_WAIT_POLICY"] = "passive"
