"""How long a training run lasts, and how its learning rate goes."""
import math
import time


def cpu_minutes(total):
    """The CPU minutes used so far, again and again until `total` are: a paused run loses nothing."""
    start = time.process_time()
    while (used := (time.process_time() - start) / 60) < total:
        yield used


def rate(done, step, warmup, hold, end):
    """The learning rate as a share of its full value: up over `warmup` steps, held until `hold` of the run is done, down a cosine to `end`."""
    share = min(1, (step + 1) / warmup)
    if done > hold:
        share *= end + (1 - end) * 0.5 * (1 + math.cos(math.pi * (done - hold) / (1 - hold)))
    return share
