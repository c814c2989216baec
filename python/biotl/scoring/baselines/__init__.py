"""What a model must beat: simple answers to the same question, learnt from the same training recordings.

Each kind has a ``table`` (features of what is answered) and a ``run`` that fits on training tables and answers test
tables, by baseline name.
"""
