"""Passes when standard input is JSON: one document, or one per line."""

import json
import sys


def is_json(text):
    """Whether a program's output can be read by another program."""
    try:
        json.loads(text)
        return True
    except ValueError:
        pass
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        for line in lines:
            json.loads(line)
    except ValueError:
        return False
    return bool(lines)


if __name__ == "__main__":
    if not is_json(sys.stdin.read()):
        raise SystemExit("the output is not JSON")
