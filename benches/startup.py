"""Start-up cost: `python benches/startup.py` prints the median of interleaved runs of whole processes."""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python": ["-c", ""],
    "import numpy": ["-c", "import numpy"],
    "import biotl.signal": ["-c", "import biotl.signal"],
    "biotl --help": ["-m", "biotl", "--help"],
}


def main(rounds: int = 15) -> None:
    """Run each command once per round and print the medians in seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - start)
    for name, values in seconds.items():
        print(f"{name:<22} {statistics.median(values[1:]):.3f} s")  # the first round fills the file cache


if __name__ == "__main__":
    main()
