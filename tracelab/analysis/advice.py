"""What each finding means, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping

ADVICE: Mapping[str, tuple[str, str]] = {
    "n_plus_one": ("The same query again and again, one after another.", "Fetch all in one query: a join, or WHERE id IN (…)."),
    "chatty": ("Many calls of one kind to another service below one span.", "Ask for all at once: a batch call, or a cache."),
    "retries": ("A call failed and was made again.", "Look at why the first one fails; the retry hides it and costs its time."),
    "retry_storm": ("A call failed and was repeated several times.", "Retry at one level only, few times, with backoff and a budget."),
    "same_call_twice": ("The very same read was made more than once in one request.", "Keep the first answer for the rest of the request."),
    "could_be_parallel": ("Reads that do not wait for each other run one after another.", "Start them together (gather, a thread pool), or ask in one call."),
    "time_out": ("A call was given up after a time limit.", "Compare the limit with the callee's p99; look at what the callee did meanwhile."),
    "orphan_spans": ("Spans whose parent was not seen.", "Look whether the calling service reports its spans, and keeps the context."),
    "clock_skew": ("Servers whose clock differs from their callers'.", "Mend the hosts' clocks (NTP); times were shifted for the analysis."),
}  # fmt: skip
