"""The commands that README.md promises, so that the gate runs the very same lines."""

import re
import sys

MARKER = "<!-- The gate runs this block as it stands. -->"
BLOCK = re.compile(re.escape(MARKER) + r"\n+```sh\n(.*?)\n```\n", re.S)


def commands(readme):
    """The lines of the marked block."""
    blocks = BLOCK.findall(readme)
    if len(blocks) != 1:
        raise SystemExit(f"README.md has {len(blocks)} marked blocks of commands instead of one")
    lines = [line for line in blocks[0].splitlines() if line.strip()]
    if not any(line.split()[:2] == ["cargo", "test"] for line in lines):
        raise SystemExit("README.md's block has no test command")
    return lines


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        print("\n".join(commands(file.read())))
