"""Real trace files, by the command line: everything that is read, and what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard

from tests.support.golden import SHARED, golden_cases, shared, table_of
from tests.support.otlp import otlp_requests
from tests.support.system import run, run_json
from tracelab.codecs.export import otlp_json_lines
from tracelab.codecs.files import read_file
from tracelab.codecs.sink import Sink
from tracelab.errors import InputError
from tracelab.lake import Lake


def _manifest() -> list[dict[str, Any]]:
    path = SHARED / "traces" / "manifest.json"
    files = json.loads(path.read_text())["files"] if path.exists() else []
    return [entry for entry in files if not entry["file"].startswith("csv/")]


GOOD = [entry for entry in _manifest() if entry["counts"]]
BAD = [entry["file"] for entry in _manifest() if not entry["counts"]]
needs_shared = pytest.mark.skipif(not GOOD, reason="no shared test data at ../shared/traces")
ODD = {
    "otlp/otel-demo-fragments.jsonl": "base64_ids", "otlp/gcp-exporter-fixture.json": "concatenated_documents",
    "otlp/tempo-api-shop.json": "named_kinds", "tempo/istio-bookinfo-batches.json": "tempo_batches",
    "jaeger/deathstarbench-compose-post.json.gz": "nested_references", "jaeger/genai-trace.json": "bare_traces",
    "otlp/links-example.json": "short_ids", "jaeger/ui-test-trace.json": "made_up_ids",
    "zipkin/ascend.json": "split_shared_spans", "zipkin/envoy.json": "shared_without_client",
    "zipkin/receiver-sample1-same-id.json": "merged_parts",
}  # fmt: skip


def _read(path: Path) -> tuple[pa.Table, Sink]:
    sink = Sink()
    return pa.concat_tables(list(read_file(path, sink))), sink


@needs_shared
@pytest.mark.parametrize("entry", GOOD, ids=lambda entry: entry["file"])
def test_counts_agree_with_the_manifest(entry: dict[str, Any]) -> None:
    table, sink = _read(shared("traces", entry["file"]))
    counts = entry["counts"]
    assert table.num_rows + sink.diagnostics["merged_parts"] == counts["spans"]
    assert len(table.column("trace_id").unique()) == counts["traces"]
    assert len({name for name in table.column("service_name").to_pylist() if name}) == counts["services"]
    assert entry["file"] not in ODD or sink.diagnostics[ODD[entry["file"]]] > 0


@needs_shared
@pytest.mark.parametrize("file", BAD)
def test_what_cannot_be_read_is_refused_in_words(file: str) -> None:
    path = shared("traces", file)
    with pytest.raises(InputError, match=str(path)) as refused:
        _read(path)
    assert len(str(refused.value)) > len(str(path)) + 20


@needs_shared
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("otlp/authenticate-error.json", "jaeger/authenticate-error.json"),
        ("otlp/pushbytes.json", "jaeger/pushbytes.json"),
        ("otlp/otel-demo-fragments.jsonl", "otlp/otel-demo-fragments.pb"),
        ("otlp/one-request.json", "otlp/one-request.pb"),
    ],
)
def test_twins_are_the_same_spans(one: str, other: str) -> None:
    def spans(file: str) -> list[Any]:
        table, _ = _read(shared("traces", file))
        coarse = "jaeger" in one + other
        return sorted(
            (row["trace_id"], row["span_id"], row["parent_span_id"], row["name"], row["kind"], row["service_name"],
             row["status_code"], row["start_ns"] // 1000, None if coarse else row["duration_ns"],
             sorted(row["attributes"]) if not coarse else len(row["events"] or ()))
            for row in table.to_pylist()
        )  # fmt: skip

    assert spans(one) == spans(other)


@needs_shared
def test_three_exports_of_one_trace_are_one_tree(tmp_path: Path) -> None:
    for part in (3, 1, 2):
        run("import", shared("traces", f"otlp/late-root-part{part}.json"), "--lake", tmp_path / "lake")
    found = run_json("traces", "--lake", tmp_path / "lake")["traces"]
    assert [(trace["span_count"], trace["incomplete"]) for trace in found] == [(9, False)]


@needs_shared
def test_a_folder_a_pipe_and_packed_files(tmp_path: Path) -> None:
    source = shared("traces", "otlp/oteldb-shop.jsonl").read_bytes()
    folder = tmp_path / "in"
    folder.mkdir()
    lines = source.splitlines(keepends=True)
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(b"".join(lines[:8])))
    (folder / "b.jsonl.zst").write_bytes(zstandard.compress(b"".join(lines[8:16])))
    (folder / "notes.txt").write_text("not a trace file")
    done = run("import", folder, "--lake", tmp_path / "lake", "--json")
    assert json.loads(done.stdout)["files"] == 2
    run("import", "-", "--lake", tmp_path / "lake", stdin=b"".join(lines[16:]))
    info = run_json("lake", "info", "--lake", tmp_path / "lake")
    assert (info["spans"], info["traces"]) == (156, 23)


@needs_shared
def test_importing_an_export_gives_the_same_answers(tmp_path: Path) -> None:
    files = [shared("traces", entry["file"]) for entry in GOOD if not entry["file"].startswith("zipkin/messaging")]
    run("import", *files, "--lake", tmp_path / "one")
    run("export", "--lake", tmp_path / "one", "--output", tmp_path / "all.jsonl")
    run("import", tmp_path / "all.jsonl", "--lake", tmp_path / "two")
    one, two = (Lake.open(tmp_path / name).scan() for name in ("one", "two"))
    assert sorted(map(repr, one.to_pylist())) == sorted(map(repr, two.to_pylist()))
    for verb in ("topology", "critical-path"):
        assert run_json(verb, "--lake", tmp_path / "one") == run_json(verb, "--lake", tmp_path / "two")


def test_a_bad_record_ends_the_import_or_is_skipped_and_counted(tmp_path: Path) -> None:
    good = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"%032x","spanId":"%016x","name":"a"}]}]}]}\n'
    bad = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz","spanId":"1","name":"b"}]}]}]}\n'
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(good % (1, 1) + bad + b"{broken\n" + good % (2, 2))
    refused = run("import", path, "--lake", tmp_path / "lake", check=False)
    assert refused.returncode == 2
    assert f"{path}: line 2: resourceSpans[0].scopeSpans[0].spans[0].traceId: 'xyz'" in refused.stderr
    assert "--on-error=skip" in refused.stderr
    assert run_json("lake", "info", "--lake", tmp_path / "lake")["spans"] == 0
    skipped = run("import", path, "--lake", tmp_path / "lake", "--on-error", "skip", "--json")
    told = json.loads(skipped.stdout)
    assert (told["spans"], told["diagnostics"]["skipped_records"]) == (2, 2)
    assert "line 3" in skipped.stderr


def test_a_file_that_is_no_trace_file_is_skipped_too(tmp_path: Path) -> None:
    good = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"%032x","spanId":"%016x","name":"a"}]}]}]}\n'
    broken, whole = tmp_path / "broken.json", tmp_path / "whole.jsonl"
    broken.write_bytes(b'{"resourceSpans": [oops')
    whole.write_bytes(good % (1, 1))
    lake = tmp_path / "lake"
    assert run("import", broken, whole, "--lake", lake, check=False).returncode == 2
    skipped = run("import", broken, whole, "--lake", lake, "--on-error", "skip", "--json")
    told = json.loads(skipped.stdout)
    assert (told["files"], told["skipped_files"], told["spans"]) == (1, 1, 1)
    assert "broken.json" in skipped.stderr
    alone = run("import", broken, "--lake", lake, "--on-error", "skip", check=False)
    assert (alone.returncode, "none of the files" in alone.stderr) == (2, True)


@pytest.mark.parametrize("name", [case["name"] for case in golden_cases("cases.json")][::7])
def test_golden_cases_from_a_file(tmp_path: Path, name: str) -> None:
    """The same answers from a file as from memory, in OTLP JSON and in protobuf."""
    case = next(case for case in golden_cases("cases.json") if case["name"] == name)
    table = table_of(case)
    (tmp_path / "case.json").write_bytes(b"".join(otlp_json_lines(table)))
    (tmp_path / "case.pb").write_bytes(next(iter(otlp_requests(table))).SerializeToString())
    labels = {span["span_id"]: span["label"] for span in case["spans"]}
    options = ["--no-skew-correction"] if (case.get("options") or {}).get("skew_correction") is False else []
    for file in ("case.json", "case.pb"):
        traces = run_json("critical-path", tmp_path / file, *options)["traces"]
        got = [
            [[labels.get(s["span_id"], s["span_id"]), s["start_ns"], s["end_ns"]] for s in trace["sections"]]
            for trace in traces
        ]
        assert got == [root["sections"] for root in case["ours"]]
