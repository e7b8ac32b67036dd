#!/usr/bin/env bash
# cronsim in the hour that comes twice, when clocks are set back.
#
# Guess: the first time that CronSim(expression, start) gives is later than start, as its loop goes forward from there and
# its zone-aware datetimes know which of the two hours they are in (fold).
# Seen: it is not. For a start in the second hour it gives the time of the first hour, up to an hour ago; comparing wall
# times hides it, since 02:45 is after 02:30. A scheduler that asks for the next time after now and fires what is due
# fires at once, asks again, and goes on so until the second 02:45 has passed. With `*` in minute or hour it is right.
# With: cronsim 2.8 (2.4 to 2.7 alike), tzdata 2026.6, Python 3.11. Exit 1 when this changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cronsim==2.8 tzdata==2026.6

cat > next.py <<'PY'
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo
from cronsim import CronSim

BERLIN = ZoneInfo("Europe/Berlin")

def later(expression, start):
    """Minutes from an instant to the next time."""
    return (next(CronSim(expression, start.astimezone(BERLIN))) - start) / timedelta(minutes=1)

def fired(expression, now, until):
    """How often a scheduler fires that looks once a minute and takes the next time after each look."""
    number, next_at = 0, next(CronSim(expression, now.astimezone(BERLIN)))
    while now < until:
        if next_at.timestamp() <= now.timestamp():
            number += 1
            next_at = next(CronSim(expression, now.astimezone(BERLIN)))
        now += timedelta(minutes=1)
    return number

first = datetime(2026, 10, 25, 0, 30, tzinfo=timezone.utc)   # 02:30, the first time
second = datetime(2026, 10, 25, 1, 30, tzinfo=timezone.utc)  # 02:30, the second time
match sys.argv[1]:
    case "first":
        print(later("45 2 * * *", first))
    case "second":
        print(later("45 2 * * *", second))
    case "star":
        print(later("*/15 * * * *", second))
    case "fired":
        print(fired("45 2 * * *", second, second + timedelta(hours=2)))
PY

result=0
expect() { # name, wanted, got
    printf '%-52s %s\n' "$1" "$3"
    [ "$2" = "$3" ] || { echo "  was: $2"; result=1; }
}
expect "minutes to 02:45 from the first 02:30" "15.0" "$(venv/bin/python next.py first)"
expect "minutes to 02:45 from the second 02:30" "-45.0" "$(venv/bin/python next.py second)"
expect "minutes to the next quarter from the second 02:30" "15.0" "$(venv/bin/python next.py star)"
expect "firings of 45 2 * * * in the two hours from there" "16" "$(venv/bin/python next.py fired)"
exit $result
