"""Every vendor's form from end to end: simulated people, the vendor's bytes, the driver's decoder, the hub's rule.

Nobody is lost, or counted twice, whatever the wire repeats and however often the counter's power is cut. A counter reports once
before people pass again: one without a word for its starts that passes its old total first cannot be told from one that went on.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.drivers._counting import Counters, decoder
from devices.testing.context import RecordingContext
from devices.testing.counters import FORMS, WINDOW_MS, SimulatedCounter
from sync.retail.visitors.footfall import Verdict, judge

NOW = 1_790_000_000_000
SIXTEEN_BITS = ("parametric_lorawan", "imbuildings_lorawan")
STEPS = st.lists(
    st.tuples(st.sampled_from(["pass", "pass", "twice", "late", "restart"]), st.integers(0, 300), st.integers(0, 300)),
    max_size=25,
)


@pytest.mark.parametrize("form", FORMS)
@given(steps=STEPS, first=st.integers(0, 65_535))
@settings(max_examples=40)
def test_the_hub_counts_everybody_who_passed_once(form: str, steps: list[tuple[str, int, int]], first: int) -> None:
    bits = 16 if form in SIXTEEN_BITS else 31
    door = SimulatedCounter(form, now_ms=NOW, entered=first, exited=first // 2, bits=bits)
    counters = Counters(RecordingContext("door"), decoder(form, None), {})
    sensors: dict[str, Any] = {}
    sums, sent, now_ms = [0, 0], [door.message()], NOW

    def hear(payload: bytes) -> None:
        for reading in counters.readings(payload, "door"):
            judged = judge(sensors.get(reading.sensor), reading, now_ms=now_ms)
            assert judged.verdict is not Verdict.AT_LEAST_ONCE, "an interval without a name"
            sensors[reading.sensor] = judged.sensor
            sums[0] += judged.entered
            sums[1] += judged.exited

    hear(sent[0])  # of totals it is the baseline
    for what, entered, exited in steps:
        now_ms += WINDOW_MS
        if what == "restart" and form not in SIXTEEN_BITS:
            door.restart()
        else:
            door.people(entered, exited)
        sent.append(door.message())
        for payload in (sent[-1], *((sent[-1],) if what == "twice" else ()), *((sent[-2],) if what == "late" else ())):
            hear(payload)
    assert sums == [door.entered, door.exited]
