"""Holds the instruction counts of a benchmark run against gates.toml.

Usage: gates.py COUNTS, the JSON lines that gungraun prints with --output-format=json. Fails over a gate, and when a gate's
benchmark is not in the counts.
"""

import json
import sys
import tomllib
from pathlib import Path


def counts(lines):
    """Instructions by `group::function`, all threads together."""
    found = {}
    for line in lines:
        if not line.startswith("{"):
            continue
        summary = json.loads(line)
        name = f"{summary['group']}::{summary['function_name']}"
        instructions = sum(
            part["metrics"]["Ir"]["values"]["new"]
            for profile in summary["profiles"]
            for part in profile["data"]["parts"]
        )
        if name in found or instructions <= 0:
            raise SystemExit(f"{name} was measured twice, or counted nothing")
        found[name] = instructions
    return found


def judged(gates, measured):
    """For each gate whether it holds, and a line that says so."""
    for gate in gates:
        calls, ours = gate["calls"], measured.get(gate["measure"])
        wanted = [gate["measure"], *(gate[key] for key in ("reference", "peer") if key in gate)]
        missing = [name for name in wanted if name not in measured]
        if missing:
            yield False, f"{gate['what']}: not measured: {', '.join(missing)}"
            continue
        if "reference" in gate:
            ratio = ours / measured[gate["reference"]]
            holds = ratio <= gate["at_most_ratio"]
            said = f"{ratio:.3f} of {measured[gate['reference']] / calls:,.0f} instructions, at most {gate['at_most_ratio']}"
        else:
            holds = ours / calls <= gate["at_most"]
            said = f"{ours / calls:,.0f} instructions, at most {gate['at_most']}"
        if "peer" in gate:
            said += f" (peer {gate['peer'].split('::')[1]}: {measured[gate['peer']] / calls:,.0f})"
        yield holds, f"{gate['what']}: {said}"


def main(path):
    gates = tomllib.loads((Path(__file__).parent / "gates.toml").read_text())["gate"]
    red = 0
    for holds, line in judged(gates, counts(Path(path).read_text().splitlines())):
        print(("ok    " if holds else "OVER  ") + line)
        red += not holds
    if red or not gates:
        raise SystemExit(f"{red} of {len(gates)} gates do not hold")


if __name__ == "__main__":
    main(*sys.argv[1:])
