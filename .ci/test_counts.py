"""Sums what `cargo test` reported. A run without a single test is a failure."""

import re
import sys

RESULT = re.compile(r"^test result: (\w+)\. (\d+) passed; (\d+) failed; (\d+) ignored;", re.M)


def counts(log):
    """(suites, passed, failed, ignored) of a log."""
    rows = RESULT.findall(log)
    return (len(rows), *(sum(int(row[column]) for row in rows) for column in (1, 2, 3)))


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8", errors="replace") as file:
        suites, passed, failed, ignored = counts(file.read())
    print(f"{passed} tests passed, {failed} failed, {ignored} ignored, in {suites} suites")
    sys.exit(passed == 0 or failed > 0)
