"""What a response of heart rate is made of: the columns of its table, of its noise and of its trees."""

SPORTS = 3
TABLE = (
    "level", "gain", "drift", "daytime", "trees", "trust", "usual", "up_s", "down_s", "slow_s", "fast_start",
    "slow_start",
)  # fmt: skip
"""Of each user in each sport: bpm at the usual demand, bpm of the fast and of the slow response to it and of the rhythm
of the day, whether trees add to it (0 or 1), the share of the cost of a climb that is believed, the usual demand in
W/kg (0: the recording's own), time constants of the fast response upwards and downwards and of the slow one, and where
both begin, 1 being the steady state at the usual demand."""
NOISE = ("level", "gain", "drift", "known_level", "known_gain", "known_drift", "late", "early", "fade_s", "memory_s",
         "sensor", "outlier")  # fmt: skip
"""Standard deviations in bpm of what a stranger's and a known user's day may differ by; of the error later on and at
the start, how long that takes to fade and how long an error lasts; of the sensor; and from how many standard deviations
on a value counts less."""
TREE_COLUMNS = (
    "demand", "climb", "elapsed", "load", "grade", "demand_20s", "demand_60s", "demand_120s", "demand_400s",
    "climb_60s", "climb_300s",
)  # fmt: skip
NEEDS = (*TREE_COLUMNS, "sport", "typical", "daytime")
DEAD_S = 5.0
MOST_EFFORT = 3.0
