"""Tracing of one run with the OpenTelemetry SDK: spans as Protocol Buffers over HTTP, with the settings of its variables."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import etlrun
from etlrun.tracing import TraceSpan

KINDS = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT}


class SpanSender(SpanExporter):
    """Traces a run and sends its spans. `parent` is the `traceparent` of what started the run; `lost` counts the spans that could not be sent."""

    def __init__(self, parent: str) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)  # what it logs may show an address
        self.lost = 0
        self.exporter: SpanExporter = OTLPSpanExporter()
        self.parent = TraceContextTextMapPropagator().extract({"traceparent": parent})
        self.provider = TracerProvider(resource=Resource.create(_own_name()), shutdown_on_exit=False)
        self.provider.add_span_processor(BatchSpanProcessor(self))
        self.tracer = self.provider.get_tracer("etlrun", etlrun.__version__)

    @contextmanager
    def trace(self, span: TraceSpan) -> Iterator[None]:
        """A span for the block, without texts of exceptions, which may contain values."""
        is_first = not get_current_span().get_span_context().is_valid
        with self.tracer.start_as_current_span(
            span.name,
            self.parent if is_first else None,
            KINDS[span.kind],
            record_exception=False,
            set_status_on_exception=False,
        ) as started:
            try:
                yield
            finally:
                started.set_attributes(span.attributes)
                if span.error:
                    started.set_attribute("error.type", span.error)
                    started.set_status(StatusCode.ERROR)

    def close(self) -> None:
        """Send what is left."""
        self.provider.shutdown()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.lost += len(spans)
        result = self.exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.lost -= len(spans)
        return result

    def shutdown(self) -> None:
        self.exporter.shutdown()


def _own_name() -> dict[str, str]:
    """The name of the sending service, unless the variables give one."""
    is_named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return {} if is_named else {"service.name": "etlrun", "service.version": etlrun.__version__}
