"""How long a person waits before anything starts: planning a grid, listing the units. The fastest of three each."""

import subprocess
import sys
import time

COMMANDS = {
    "plan the default grid (snakemake -n)": [sys.executable, "-m", "snakemake", "-n", "--quiet", "all"],
    "list the units (breakeven list)": [sys.executable, "-m", "breakeven", "list"],
    "python alone": [sys.executable, "-c", "pass"],
}


def main() -> None:
    for name, command in COMMANDS.items():
        times = []
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            times.append(time.perf_counter() - began)
        print(f"{name}: {min(times):.2f} s")


if __name__ == "__main__":
    main()
