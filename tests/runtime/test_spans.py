"""The spans of a run, as a collector of OpenTelemetry gets them from the real exporter. None of it fails a run or shows a value."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

from asked import SECRET, run, service
from asked import asking_project as project_that_asks
from etlrun.runtime import trace_export
from etlrun.tracing import span
from projects import Project, wait_for

PIPELINE = """sources:
  sales: {csv: {path: data/sales.csv, columns: {shop: string, units: int}}}
steps:
  totals:
    - from: sales
    - aggregate: {by: shop, columns: {units: sum(units)}}
checks:
  totals: [{unique: shop}, {expression: "units < 5"}]
sinks:
  totals: {table: {from: totals, connection: warehouse, write: replace}}
"""
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector(ThreadingHTTPServer):
    """Takes spans over OTLP, or answers with `status`."""

    daemon_threads = True
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.is_open = threading.Event()
        self.is_open.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> dict[str, Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        scopes = [scope for found in requests for resource in found.resource_spans for scope in resource.scope_spans]
        return {span.name: span for scope in scopes for span in scope.spans}


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.is_open.wait(60)
        self.server.bodies.append(body)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.is_open.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path)
    found.write("data/sales.csv", "shop,units\nHue,2\nHanoi,1\n")
    found.pipeline(PIPELINE, "sales")
    return found


def facts(span: Any) -> dict[str, Any]:
    """The attributes of a span, as plain values."""
    found = {}
    for pair in span.attributes:
        kind = pair.value.WhichOneof("value")
        value = getattr(pair.value, kind)
        found[pair.key] = [item.string_value for item in value.values] if kind == "array_value" else value
    return found


def test_a_run_and_each_of_its_parts_is_a_span(project: Project, collector: Collector) -> None:
    outcome = project.run(
        "run",
        "pipelines/sales.yaml",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_HEADERS="x-token=abc",
        TRACEPARENT=f"00-{TRACE}-{PARENT}-01",
    )
    assert outcome.code == 0 and "warning" not in outcome.err, outcome.err
    found = collector.spans()
    begun, followed = list(found)[:2], list(found)[2:]
    assert sorted(begun) == ["read sales", "start duckdb"]  # at the same time
    assert followed == [
        "compute totals",
        "check unique",
        "check expression",
        "publish totals",
        "run sales",
    ]
    root = found["run sales"]
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, PARENT)
    assert all(part.parent_span_id == root.span_id for name, part in found.items() if name != "run sales")
    assert facts(root)["etlrun.status"] == "done" and facts(root)["etlrun.pipeline"] == "sales"
    assert facts(found["read sales"]) == {"etlrun.source": "sales", "etlrun.source.kind": "csv", "etlrun.rows": 2}
    assert facts(found["publish totals"]) == {"etlrun.sinks": ["totals"], "etlrun.rows": 2}
    assert facts(found["check unique"])["etlrun.check.status"] == "ok"
    assert collector.headers[0]["content-type"] == "application/x-protobuf"
    assert collector.headers[0]["x-token"] == "abc"


def test_a_failure_is_its_code_and_nothing_that_it_says(project: Project, collector: Collector) -> None:
    project.write("data/sales.csv", "shop,units\nHue,2\nHanoi,7654321\n")
    outcome = project.run(
        "run", "pipelines/sales.yaml", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/v1/traces"
    )
    assert outcome.code == 3
    root = collector.spans()["run sales"]
    assert root.status.code == root.status.STATUS_CODE_ERROR and not root.status.message and not root.events
    assert facts(root)["error.type"] == "check-failed"
    assert facts(collector.spans()["check expression"])["etlrun.check.status"] == "failed"
    assert not any(b"Hanoi" in body or b"7654321" in body for body in collector.bodies)


def test_a_resumed_run_is_a_span_of_its_own(project: Project, collector: Collector) -> None:
    with duckdb.connect(str(project.folder / "warehouse.duckdb")) as connection:
        connection.execute("CREATE TABLE totals (shop VARCHAR, units BIGINT, CHECK (units < 2))")
    on = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    assert project.run("run", "pipelines/sales.yaml", **on).code == 1
    failed = collector.spans()
    assert facts(failed["publish totals"])["error.type"] == facts(failed["run sales"])["error.type"] == "rows-refused"
    with duckdb.connect(str(project.folder / "warehouse.duckdb")) as connection:
        connection.execute("DROP TABLE totals")
    collector.bodies.clear()
    run_id = facts(failed["run sales"])["etlrun.run.id"]
    resumed = project.run("resume", run_id, **on)
    assert resumed.code == 0, resumed.err
    assert list(collector.spans()) == ["publish totals", "resume sales"]


def test_a_collector_that_refuses_is_a_warning(project: Project, collector: Collector) -> None:
    collector.status = 401
    outcome = project.run("run", "pipelines/sales.yaml", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert outcome.code == 0
    assert "warning: the service in OTEL_EXPORTER_OTLP_ENDPOINT did not accept 7 spans" in outcome.err
    assert collector.url not in outcome.err and "Traceback" not in outcome.err


class Warnings:
    """A reporter that keeps what it is warned of."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def say(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        self.found.append(text)

    def progress(self, label: str, done: int, total: int) -> None:
        pass


def test_a_slow_collector_is_waited_for_once(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_export, "SECONDS", 0.1)
    monkeypatch.setattr(trace_export, "_given_up", threading.Event())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    reporter = Warnings()
    collector.is_open.clear()
    for name in ("first", "second"):
        with trace_export.sent_spans(reporter), span(name, {}):
            pass
    assert reporter.found == [
        "the service in OTEL_EXPORTER_OTLP_ENDPOINT did not accept the spans of this run within 0.1 seconds"
    ]
    collector.is_open.set()
    wait_for(lambda: len(collector.bodies) == 1)
    assert list(collector.spans()) == ["first"]


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "set OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", "a variable that begins with OTEL_ has a value"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "nothing at all", "did not accept 7 spans"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/none.pem", "did not accept 7 spans"),
    ],
)
def test_settings_that_do_not_work_are_a_warning(project: Project, variable: str, value: str, why: str) -> None:
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1", variable: value}
    outcome = project.run("run", "pipelines/sales.yaml", **given)
    assert outcome.code == 0 and "Traceback" not in outcome.err
    assert outcome.err.count("warning:") == 1 and why in outcome.err, outcome.err


def test_a_disabled_sdk_sends_nothing(project: Project, collector: Collector) -> None:
    on = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    for off in ({"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}):
        assert project.run("run", "pipelines/sales.yaml", **on, **off).code == 0
    assert not collector.bodies


def test_a_request_to_a_model_is_a_span_by_the_conventions(tmp_path: Path, collector: Collector) -> None:
    project = project_that_asks(tmp_path)
    with service() as served:
        outcome = run(project, served, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert outcome.code == 0, outcome.err
    sent = collector.spans()
    asking = next(part for name, part in sent.items() if name.startswith("generate_content "))
    step = next(part for name, part in sent.items() if name.startswith("enrich "))
    assert asking.parent_span_id == step.span_id and asking.kind == asking.SPAN_KIND_CLIENT
    found = facts(asking)
    model = found["gen_ai.request.model"]
    assert asking.name == f"generate_content {model}" and found["gen_ai.response.model"] == model
    assert found["gen_ai.provider.name"] == "gcp.gemini" and found["gen_ai.response.finish_reasons"] == ["STOP"]
    assert found["gen_ai.usage.input_tokens"] > 0 and found["gen_ai.usage.output_tokens"] > 0
    assert found["server.address"] == "127.0.0.1"
    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    assert {name for name in found if name.startswith("gen_ai.")} <= known
    assert facts(step)["etlrun.requests"] == sum(name.startswith("generate_content") for name in sent)
    for text in ("running man", "bóng đá", "Channel", SECRET):
        assert not any(text.encode() in body for body in collector.bodies), text
