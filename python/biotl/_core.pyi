"""Types of the compiled kernels; `python -m mypy.stubtest biotl._core` holds them to the binary."""
