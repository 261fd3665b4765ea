"""What no tracked file may say."""

import re
import subprocess
import sys

EVERYWHERE = [
    # Where packages come from is the builder's business; only the lock file knows.
    (re.compile(r"crates\.io|pypi\.org|pythonhosted\.org|npmjs\.(org|com)|proxy\.golang\.org", re.I), "a registry's host"),
    (re.compile(r"(registry|sparse)\+https?://", re.I), "a registry's address"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\r\n]+[A-Za-z0-9+/=]"), "a private key"),
]
IN_RUST = [
    (re.compile(r"\bdbg!\("), "a forgotten debugging line"),
    (re.compile(r"\b(TODO|FIXME|XXX)\b"), "a note to oneself: open an issue instead"),
    (re.compile(r"\bunsafe\s*(\{|fn\b|impl\b|extern\b)"), "unsafe code"),
]


def violations(path, text):
    """One `file:line` per word that does not belong there."""
    if path.rsplit("/", 1)[-1] == "Cargo.lock":
        return
    for pattern, what in EVERYWHERE + (IN_RUST if path.endswith(".rs") else []):
        for match in pattern.finditer(text):
            yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {what}"


if __name__ == "__main__":
    listing = subprocess.run(["git", "ls-files", "-z"], check=True, stdout=subprocess.PIPE).stdout
    paths = [path for path in listing.decode().split("\0") if path]
    found = []
    for path in paths:
        with open(path, "rb") as file:
            found += violations(path, file.read().decode("utf-8", "replace"))
    print("\n".join(found) or f"{len(paths)} files read, nothing found")
    sys.exit(bool(found) or not paths)
