"""The readable NumPy and SciPy twin of every kernel: slow, short, and what the Rust is held to."""
