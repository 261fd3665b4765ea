"""The table of Windows zones of ews-client beside that of tzlocal, which is made from Unicode's data by other hands.

Usage: ews_zones.py ORACLE, the program ews_oracle. Two names of IANA are the same zone when tzdata links one to the other.
A difference must stand in ALLOWED, with its reason; one that stands there and is none any more is red, too.
"""

import json
import subprocess
import sys
from importlib import resources

from tzlocal.windows_tz import tz_win, win_tz

# Windows id: (ours, theirs, why).
ALLOWED = {}
# IANA name: (ours, theirs, why).
NEW_IN_CANADA = "Windows got an id of its own in 2026; servers without that update do not know it, so it is read and not written"
ALLOWED_BACK = {
    "America/Edmonton": ("Mountain Standard Time", "Alberta Standard Time", NEW_IN_CANADA),
    "America/Inuvik": ("Mountain Standard Time", "Alberta Standard Time", NEW_IN_CANADA),
    "America/Yellowknife": ("Mountain Standard Time", "Alberta Standard Time", NEW_IN_CANADA),
    "Canada/Mountain": ("Mountain Standard Time", "Alberta Standard Time", NEW_IN_CANADA),
    "America/Rainy_River": ("Central Standard Time", "Manitoba Standard Time", NEW_IN_CANADA),
    "America/Winnipeg": ("Central Standard Time", "Manitoba Standard Time", NEW_IN_CANADA),
    "Canada/Central": ("Central Standard Time", "Manitoba Standard Time", NEW_IN_CANADA),
    "America/Vancouver": ("Pacific Standard Time", "British Columbia Standard Time", NEW_IN_CANADA),
    "Canada/Pacific": ("Pacific Standard Time", "British Columbia Standard Time", NEW_IN_CANADA),
    "": (None, "Central Standard Time (Mexico)", "an entry without a name is a slip of tzlocal's generator"),
}


def links():
    """Every name of IANA's database with the one that it is a link to."""
    text = resources.files("tzdata").joinpath("zoneinfo", "tzdata.zi").read_text()
    found = {}
    for line in text.splitlines():
        if line.startswith("L "):
            _, target, name = line.split()
            found[name] = target
    return found


def ask(oracle, questions):
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run([oracle], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main(oracle):
    link = links()
    if not link:
        raise SystemExit("ews_zones: tzdata has no links")

    def canonical(name):
        seen = set()
        while name in link and name not in seen:
            seen.add(name)
            name = link[name]
        return name

    answer = ask(oracle, [{"ask": "zones"}])[0]
    known = sorted({*answer["zones"], *win_tz})
    replies = ask(oracle, [{"ask": "iana", "windows": key} for key in known])
    ours = {key: reply["iana"] for key, reply in zip(known, replies, strict=True)}
    red, allowed = [], 0

    def compare(what, key, mine, theirs, same, exceptions):
        nonlocal allowed
        exception = exceptions.get(key)
        if exception is not None:
            if (mine, theirs) != exception[:2] or same:
                red.append(f"{what} {key}: {mine} and {theirs}, the allowed difference was {exception[:2]}")
            allowed += 1
        elif not same:
            red.append(f"{what} {key}: ours says {mine}, tzlocal {theirs}")

    for key in known:
        mine, theirs = ours[key], win_tz.get(key)
        same = None not in (mine, theirs) and canonical(mine) == canonical(theirs)
        compare("Windows id", key, mine, theirs, same, ALLOWED)
    names = sorted(tz_win)
    for name, reply in zip(names, ask(oracle, [{"ask": "windows", "iana": name} for name in names]), strict=True):
        mine, theirs = reply["windows"], tz_win[name]
        compare("IANA zone", name, mine, theirs, mine == theirs, ALLOWED_BACK)
    for key in {*ALLOWED} - {*known} | {*ALLOWED_BACK} - {*names}:
        red.append(f"{key} is allowed to differ, and is in no table")
    for line in red:
        print(f"FAIL  ews_zones: {line}")
    print(f"ews_zones: {len(known)} Windows ids, CLDR {answer['cldr']}, {len(names)} names of IANA, {allowed} allowed differences, "
          f"{len(red)} failed")
    raise SystemExit(1 if red or len(known) < 130 or len(names) < 400 else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
