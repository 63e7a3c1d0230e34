"""The log of a service is rate limited."""

from __future__ import annotations

from roadseg.runtime.service import EventLog


def test_a_log_tells_a_line_of_a_kind_in_an_interval() -> None:
    lines: list[str] = []
    now = [0.0]
    log = EventLog(10.0, lines.append, lambda: now[0])
    for number in range(100):
        now[0] = number / 10
        log.tell("drops", f"drop {number}")
        log.flush()
    log.tell("other", "something else")
    assert lines == ["drop 0", "something else"]
    now[0] = 10.0
    log.flush()
    log.flush()
    assert lines[2:] == ["drop 99 (98 lines like it left out)"]
    log.tell("drops", "drop 100")
    log.flush()
    assert len(lines) == 3
    log.flush(all_kinds=True)
    assert lines[3:] == ["drop 100"]
