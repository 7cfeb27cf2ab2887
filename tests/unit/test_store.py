"""What the dashboard shows follows the lake, without anybody asking twice."""

from __future__ import annotations

import time
from pathlib import Path

from dashboards.store import EVERYTHING, SETTLE_NS, Store
from tests.support.builders import span, span_table
from tests.support.system import until
from tracelab.lake import Lake


def test_a_single_span_shows_up_in_a_live_window_that_was_empty(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    store = Store(Lake.open(lake.path))
    assert store.view("15m").summaries == []
    now = time.time_ns()
    lake.write(span_table([span(1, None, now, now + 1000, kind="SERVER")]))
    assert time.time_ns() - now < SETTLE_NS
    until(lambda: len(store.view("15m").summaries) == 1)  # no other file comes, only time goes by


def test_a_lake_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    lake.write(span_table([span(1, None, 10, 20, kind="SERVER")]))
    store = Store(Lake.open(lake.path))
    assert len(store.view(EVERYTHING).summaries) == 1
    (lake.path / "spans").rename(lake.path / "away")
    (lake.path / "spans").write_text("in the way")
    time.sleep(2.5)
    (lake.path / "spans").unlink()
    (lake.path / "away").rename(lake.path / "spans")
    lake.write(span_table([{**span(2, None, 10, 20, kind="SERVER"), "trace_id": f"{2:032x}"}]))
    until(lambda: len(store.view(EVERYTHING).summaries) == 2)


def test_a_service_has_the_namespace_that_most_of_its_spans_say(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    said = [("web", "sales"), ("web", "sales"), ("web", "old"), ("stock", "depot"), ("mail", None)]
    spans = [
        {**span(number, None, 10, 20, service, kind="SERVER"), "trace_id": f"{number:032x}"}
        | {"resource": {"service.name": service} | ({"service.namespace": namespace} if namespace else {})}
        for number, (service, namespace) in enumerate(said, 1)
    ]
    for one in spans:  # each in a file of its own, with dictionaries of its own
        lake.write(span_table([one]))
    assert Store(lake).view(EVERYTHING).details.namespaces == {"web": "sales", "stock": "depot"}
