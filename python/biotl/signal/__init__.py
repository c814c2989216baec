"""The fast preprocessing module: NumPy arrays in and out."""
