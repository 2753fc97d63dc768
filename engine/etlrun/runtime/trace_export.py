"""Sends the spans of a run to the service in OpenTelemetry's standard variables. It never fails a run, and never delays one for long.

Spans are sent in a thread during the run; at its end, the rest has `SECONDS` to be sent. A service that failed is not tried again by the same
process. The variables are those of the standard: `OTEL_EXPORTER_OTLP_ENDPOINT` and its relatives for address, headers, certificate and
compression, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`, `OTEL_SDK_DISABLED`; and `TRACEPARENT` for the span of what
started this process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etlrun.diagnostics import counted
from etlrun.stopping import is_asked
from etlrun.tracing import traced_by
from etlrun.working import Reporter, in_background

if TYPE_CHECKING:
    from etlrun.runtime._open_telemetry import SpanSender

SECONDS = 5.0  # seconds to send spans at the end of a run
SECONDS_ONCE_STOPPED = 1.0  # the same, if the process was asked to end
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"
_given_up = threading.Event()  # whether the service has failed: then other runs of this process send no spans


@contextmanager
def sent_spans(reporter: Reporter) -> Iterator[None]:
    """Send the spans of the block, if the variables are set."""
    variable = _first_set(ENDPOINTS)
    if not variable or _is_off() or _given_up.is_set():
        yield
        return
    try:
        sender = _open()
    except _NotSentError as error:
        _given_up.set()
        reporter.warn(f"spans cannot be sent to the service in {variable}: {error}")
        yield
        return
    try:
        with traced_by(sender.trace):
            yield
    finally:
        if left := _finish(sender):
            _given_up.set()
            reporter.warn(f"the service in {variable} did not accept {left}")


def _first_set(variables: Sequence[str]) -> str:
    return next((name for name in variables if os.environ.get(name)), "")


def _is_off() -> bool:
    exporters = os.environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    is_disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return is_disabled or "otlp" not in (name.strip() for name in exporters.split(","))


class _NotSentError(Exception):
    """The reason why spans cannot be sent."""


def _open() -> SpanSender:
    protocol = _first_set(PROTOCOLS)
    if protocol and os.environ[protocol] != PROTOCOL:
        raise _NotSentError(f"set {protocol} to {PROTOCOL}, and the endpoint to the port for it, which often is 4318")
    try:
        from etlrun.runtime._open_telemetry import SpanSender
    except ImportError as error:
        raise _NotSentError("OpenTelemetry is not installed: pip install 'etlrun[otel]'") from error
    try:
        return SpanSender(os.environ.get("TRACEPARENT", ""))
    except (ValueError, OSError, RuntimeError) as error:
        raise _NotSentError(
            "a variable that begins with OTEL_ has a value that OpenTelemetry does not accept"
        ) from error


def _finish(sender: SpanSender) -> str:
    """Send the remaining spans within the time limit; returns a notice about lost ones."""
    seconds = SECONDS_ONCE_STOPPED if is_asked() else SECONDS
    try:
        in_background(sender.close).result(seconds)
    except TimeoutError:
        return f"the spans of this run within {seconds:g} seconds"
    return counted(sender.lost, "span") if sender.lost else ""
