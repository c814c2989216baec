"""The staged training engine: stages as data, one trainer, exact resume, nothing frozen or lost in silence.

`config` reads and checks, `stages` says what trains and how, `losses` and `metrics` are registries of names, `trainer`
runs stages and epochs and `learner` takes each update, `checkpoint` keeps, `guards` refuse, `distributed` spreads over
processes, `logging` writes the run folder.
"""
