"""Python's dateutil judges how ews-client expands recurrences: ten thousand generated rules, the same in every run.

Usage: ews_recurrence.py ORACLE, the program ews_oracle. Days are compared for every rule; instants, on the clock of a zone, as
far as that zone's clock is known. The rules of dateutil are made here, from the pattern, and not from the RRULE that
ews-client writes; that one is read by dateutil and compared as well.
"""

import json
import random
import subprocess
import sys
import zoneinfo
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from dateutil import rrule
from dateutil.tz import datetime_ambiguous, datetime_exists, resolve_imaginary

# The zones of the package tzdata, whatever the machine has.
zoneinfo.reset_tzpath(to=[])

RULES = 10_000
LIMIT = 40
# Windows ids, and the IANA zones that they mean: north, south, half an hour of summer, no summer at all.
ZONES = {
    "Romance Standard Time": "Europe/Paris",
    "Eastern Standard Time": "America/New_York",
    "AUS Eastern Standard Time": "Australia/Sydney",
    "Lord Howe Standard Time": "Australia/Lord_Howe",
    "New Zealand Standard Time": "Pacific/Auckland",
    "India Standard Time": "Asia/Kolkata",
    "UTC": "UTC",
}
# Beyond that, tables of zones end, and differ in what they say.
LAST_YEAR = 2036
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
RELATIVE = {**{name: [n] for n, name in enumerate(DAYS)}, "Day": [*range(7)], "Weekday": [*range(5)], "WeekendDay": [5, 6]}
INDEX = {"First": 1, "Second": 2, "Third": 3, "Fourth": 4, "Last": -1}


def pattern(chance):
    """A pattern in the words of the wire, and the arguments that dateutil wants for it."""
    kind = chance.choice(["daily", "weekly", "absolute monthly", "relative monthly", "absolute yearly", "relative yearly"])
    some = {"kind": kind}
    if kind in ("daily", "weekly", "absolute monthly", "relative monthly"):
        some["interval"] = chance.choice([1, 1, 1, 2, 3, 4, 7, 12, 13, 99])
    if kind == "weekly":
        days = chance.sample(range(7), chance.randint(1, 7))
        some["days"] = " ".join(DAYS[day] for day in days)
        some["first"] = chance.choice(DAYS)
        return some, {"freq": rrule.WEEKLY, "byweekday": days, "wkst": DAYS.index(some["first"])}
    if kind == "daily":
        return some, {"freq": rrule.DAILY}
    monthly = kind.endswith("monthly")
    args = {"freq": rrule.MONTHLY if monthly else rrule.YEARLY}
    if not monthly:
        some["month"] = chance.randint(1, 12)
        args["bymonth"] = some["month"]
    if kind.startswith("absolute"):
        some["day_of_month"] = day = chance.choice([chance.randint(1, 31), 28, 29, 30, 31])
        # Exchange takes the last day of a shorter month, which RFC 5545 leaves out.
        args |= {"bymonthday": [*range(min(day, 28), day + 1)], "bysetpos": -1}
    else:
        some["day"], some["index"] = chance.choice([*RELATIVE]), chance.choice([*INDEX])
        args |= {"byweekday": RELATIVE[some["day"]], "bysetpos": INDEX[some["index"]]}
    return some, args


def rule(chance):
    some, args = pattern(chance)
    start = date(2015, 1, 1) + timedelta(days=chance.randrange(20 * 365))
    args |= {"dtstart": datetime.combine(start, time()), "interval": some.get("interval", 1)}
    span = {"start": start.isoformat(), "kind": chance.choice(["no end", "end date", "numbered"])}
    if span["kind"] == "end date":
        end = start + timedelta(days=chance.choice([0, chance.randrange(60), chance.randrange(4000)]))
        span["end"] = end.isoformat()
        args["until"] = datetime.combine(end, time())
    elif span["kind"] == "numbered":
        span["occurrences"] = args["count"] = chance.choice([1, 2, chance.randint(1, 60)])
    return some, span, args


def instant(naive, zone):
    """What a clock reading means: the earlier of two, and moved on by the gap when there is none."""
    return resolve_imaginary(naive.replace(tzinfo=zone)).astimezone(UTC)


def plain(naive, zone):
    aware = naive.replace(tzinfo=zone)
    return datetime_exists(aware) and not datetime_ambiguous(aware)


def questions():
    chance = random.Random(20261121)
    for number in range(RULES):
        some, span, args = rule(chance)
        days = [at.date() for at in islice(rrule.rrule(**args), LIMIT)]
        name = chance.choice([*ZONES])
        zone = zoneinfo.ZoneInfo(ZONES[name])
        # Hours that changes of clocks leave out or repeat, midnights of all-day events, and the rest.
        at = chance.choice([time(2, 30), time(2, 0), time(1, 59), time(0, 0), time(3, 0), time(chance.randrange(24), chance.randrange(60))])
        minutes = chance.choice([30, 60, 24 * 60, 3 * 24 * 60])
        # The master itself must mean one instant only, else it says nothing about its time on the clock.
        if days and not (plain(datetime.combine(days[0], at), zone) and plain(datetime.combine(days[0], at) + timedelta(minutes=minutes), zone)):
            at, minutes = time(12), 60
        yield {"ask": "series", "pattern": some, "range": span, "zone": name, "time": at.isoformat(), "minutes": minutes, "limit": LIMIT}, args, days


def judge(question, args, days, answer, seen):
    if not days:
        return None if "error" in answer else f"no day, but {answer['dates']}"
    if "error" in answer:
        return answer["error"]
    if answer["dates"] != [day.isoformat() for day in days]:
        return f"{answer['dates']} instead of {[*map(str, days)]}"
    written = rrule.rrulestr(answer["rrule"], dtstart=args["dtstart"])
    if [at.date() for at in islice(written, LIMIT)] != days:
        return f"another meaning as {answer['rrule']}"
    seen["rules"] += 1
    zone = zoneinfo.ZoneInfo(ZONES[question["zone"]])
    at = time.fromisoformat(question["time"])
    if len(answer["starts"]) != len(days):
        return f"{len(answer['starts'])} events on {len(days)} days"
    for day, start, end in zip(days, answer["starts"], answer["ends"]):
        if day.year > LAST_YEAR:
            break
        begins = datetime.combine(day, at)
        wanted = instant(begins, zone)
        if datetime.fromisoformat(start) != wanted:
            return f"the event of {day} begins at {start} instead of {wanted}"
        seen["events"] += 1
        aware = begins.replace(tzinfo=zone)
        seen["begins in a gap"] += not datetime_exists(aware)
        seen["begins twice"] += datetime_ambiguous(aware)
        ends = begins + timedelta(minutes=question["minutes"])
        if plain(begins, zone) and plain(ends, zone):
            if datetime.fromisoformat(end) != instant(ends, zone):
                return f"the event of {day} ends at {end} instead of {instant(ends, zone)}"
            hours = (instant(ends, zone) - wanted).total_seconds() / 3600
            if question["minutes"] == 24 * 60:
                seen[f"days of {hours:g} hours"] += 1
    return None


def main(oracle):
    asked = [*questions()]
    lines = "".join(json.dumps(question) + "\n" for question, _, _ in asked)
    done = subprocess.run([oracle], input=lines, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != RULES:
        raise SystemExit(f"ews_recurrence: {len(answers)} answers to {RULES} rules")
    seen, kinds, red = Counter(), Counter(), 0
    for (question, args, days), answer in zip(asked, answers):
        kinds[question["pattern"]["kind"], question["range"]["kind"]] += 1
        why = judge(question, args, days, answer, seen)
        if why is not None:
            red += 1
            if red <= 10:
                print(f"FAIL  ews_recurrence: {json.dumps(question)}: {why}")
    # What the run is about must have been in it.
    for what, least in [("rules", 8_500), ("events", 100_000), ("begins in a gap", 50), ("begins twice", 50),
                        ("days of 23 hours", 20), ("days of 25 hours", 20), ("days of 24.5 hours", 1)]:
        if seen[what] < least:
            red += 1
            print(f"FAIL  ews_recurrence: {seen[what]} × {what}, {least} at least were expected")
    if len(kinds) != 18:
        red += 1
        print(f"FAIL  ews_recurrence: {len(kinds)} of 18 kinds of pattern and range")
    print(f"ews_recurrence: {RULES} rules, {red} failed; " + ", ".join(f"{n} {what}" for what, n in sorted(seen.items())))
    raise SystemExit(1 if red else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
