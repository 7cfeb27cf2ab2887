"""A small shop, as anybody might have one: HTTP, gRPC, SQL, a queue, instrumented with OpenTelemetry's own packages.

It knows nothing of tracelab. Where its telemetry goes is said by the standard OTEL_* variables alone.
"""
