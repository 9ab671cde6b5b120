"""`python -m benchmarks [--peers] [--quick] [SUITE ...]`."""

import argparse

SUITES = ("core", "control", "jsonl", "langchain")


def main() -> None:
    """Run the suites that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What Relay costs.")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; by default all")
    parser.add_argument("--peers", action="store_true", help="beside peers, where they are installed")
    parser.add_argument("--quick", action="store_true", help="fewer operations: to see that it works, not to quote")
    arguments = parser.parse_args()
    unknown = set(arguments.suites) - set(SUITES)
    if unknown:
        parser.error(f"unknown suite {', '.join(sorted(unknown))}; known are {', '.join(SUITES)}")
    for suite in arguments.suites or SUITES:
        module = __import__(f"benchmarks.{suite}", fromlist=["run"])
        module.run(peers=arguments.peers, quick=arguments.quick)


if __name__ == "__main__":
    main()
