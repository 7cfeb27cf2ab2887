"""The lab: faults with a known truth in the demo shop, releases, lessons. docs/how-it-works/lab.md."""
