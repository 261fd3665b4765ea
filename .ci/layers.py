"""Dependencies run one way down. Every edge between our crates must be in this table, and reqwest stays in one place."""

import sys

from workspace import metadata

MIDDLE = {"graph-auth", "exchange-admin", "ews-client"}
LIBRARIES = MIDDLE | {"m365-core", "mail-access"}

# What a crate may build on.
ALLOWED = {
    "m365-core": set(),
    "graph-auth": {"m365-core"},
    "exchange-admin": {"m365-core"},
    "ews-client": {"m365-core"},
    "mail-access": MIDDLE | {"m365-core"},
    # A misreading of the protocol shared by both sides would stay green.
    "tenant-sim": set(),
    "examples": LIBRARIES | {"tenant-sim"},
    # Foreign servers on the other side.
    "peers": LIBRARIES | {"tenant-sim"},
}

# What its tests may use on top.
ALLOWED_IN_TESTS = {
    "m365-core": {"m365-core", "tenant-sim"},
    "graph-auth": {"graph-auth", "tenant-sim"},
    # Its stories need a credential.
    "exchange-admin": {"graph-auth", "tenant-sim"},
    "ews-client": {"tenant-sim"},
    "mail-access": {"tenant-sim"},
    "tenant-sim": set(),
    "examples": set(),
    "peers": set(),
}

# The shipped transport is behind m365-core's seam; nobody else may reach around it.
ONLY_IN_CORE = {"reqwest"}


def violations(data):
    """One sentence per edge that the architecture does not have."""
    members = {package["name"] for package in data["packages"]}
    for name in sorted(members - ALLOWED.keys()):
        yield f"{name} is new: say in .ci/layers.py what it may depend on"
    for name in sorted(ALLOWED.keys() - members):
        yield f"{name} is in .ci/layers.py and not in the workspace"
    for package in data["packages"]:
        name = package["name"]
        for dependency in package["dependencies"]:
            target, in_tests = dependency["name"], dependency["kind"] == "dev"
            allowed = ALLOWED.get(name, set()) | (ALLOWED_IN_TESTS.get(name, set()) if in_tests else set())
            where = "in its tests " if in_tests else ""
            if target in members and target not in allowed:
                yield f"{name} must not depend {where}on {target}"
            if target in ONLY_IN_CORE and not in_tests and name != "m365-core":
                yield f"{name} must not depend on {target}: that is m365-core's"


if __name__ == "__main__":
    data = metadata()
    found = list(violations(data))
    print("\n".join(found) or f"{len(data['packages'])} crates, every edge allowed")
    sys.exit(bool(found))
