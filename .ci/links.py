"""Relative links of the Markdown files must lead somewhere in the repository."""

import os
import re
import subprocess
import sys

FENCED = re.compile(r"^```.*?^```", re.S | re.M)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def targets(text):
    """Paths that a page links to; links to the web, to Rust items and within the page are not ours to check."""
    for link in LINK.findall(FENCED.sub("", text)):
        path = link.split("#", 1)[0]
        if path and "::" not in path and not re.match(r"[a-z]+:", path):
            yield path


if __name__ == "__main__":
    listing = subprocess.run(["git", "ls-files", "-z", "*.md"], check=True, stdout=subprocess.PIPE).stdout
    pages = [page for page in listing.decode().split("\0") if page]
    dead = []
    for page in pages:
        with open(page, encoding="utf-8") as file:
            found = targets(file.read())
        dead += [f"{page}: {path}" for path in found if not os.path.exists(os.path.join(os.path.dirname(page), path))]
    print("\n".join(dead) or f"{len(pages)} pages, no dead link")
    sys.exit(bool(dead) or not pages)
