"""Releases: traffic split step by step, judged from traces, rolled back by itself. docs/how-it-works/releases.md."""
