"""What Cargo says about the workspace, one item a line."""

import json
import subprocess
import sys


def metadata():
    """`cargo metadata` of the workspace's own packages."""
    command = ["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def kinds(package):
    return {kind for target in package["targets"] for kind in target["kind"]}


def feature_sets(data):
    """Every library crate without features, and with each of its features alone: `crate` or `crate feature`."""
    for package in data["packages"]:
        if "lib" in kinds(package):
            yield package["name"]
            yield from (f"{package['name']} {name}" for name in sorted(package["features"]) if name != "default")


def examples(data):
    """Names of all examples."""
    names = sorted(
        target["name"]
        for package in data["packages"]
        for target in package["targets"]
        if "example" in target["kind"]
    )
    if not names:
        raise SystemExit("the workspace has no example")
    return names


if __name__ == "__main__":
    listing = {"feature-sets": feature_sets, "examples": examples}[sys.argv[1]]
    print("\n".join(listing(metadata())))
