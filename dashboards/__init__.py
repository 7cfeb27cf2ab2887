"""The dashboard: the lake in a browser. Uses tracelab's public names alone."""
