"""What things cost, written a second time from docs/formats/cost.md: fractions, no code of mrun."""

import math
from fractions import Fraction as F

SECONDS_OF = {"instance_s": 1, "gpu_s": 1, "instance_h": 3600, "gpu_h": 3600}


def up(value, step):
    return value if step == 0 else F(math.ceil(value / step)) * step


def text(value, places=12):
    """The shortest decimal, rounded half to even."""
    scaled = round(value * 10**places)  # Python rounds fractions half to even
    sign, digits = "-" if scaled < 0 else "", str(abs(scaled)).rjust(places + 1, "0")
    whole, rest = digits[:-places], digits[-places:].rstrip("0")
    return sign + whole + ("." + rest if rest else "")


def decay(x):
    """e^-x as the documents round it: to 10^-12, of a double."""
    return F(round(math.exp(-float(x)) * 1e12), 10**12)


def runtime(rate, granularity, seconds):
    return rate * up(seconds, granularity)


def lone(rate, states, granularity, seconds, setup, warm):
    parts = [seconds if states["active"] else 0, setup if states.get("setup", 1) else 0, warm if states["idle"] else 0]
    return rate * up(F(sum(parts)), granularity)


def poisson(rate, states, seconds, setup, warm, per_second):
    cold = decay(per_second * warm)
    cost = rate * seconds if states["active"] else F(0)
    cost += rate * cold * setup if states.get("setup", 1) else 0
    return cost + (rate * (1 - cold) / per_second if states["idle"] else 0)


def conversation(turns, system, user, reply, window, cached):
    fresh = again = made = said = F(0)
    for turn in range(turns):
        before, sent = (system + said if turn else F(0)), system + said + user
        if window is not None and sent > window:
            sent, before = window, system if turn else F(0)
        kept = min(before, sent) if cached else F(0)
        fresh, again, made, said = fresh + sent - kept, again + kept, made + reply, said + user + reply
    return fresh, again, made


def action(first, retries, share, other):
    return (first + share * other) * (1 + retries)
