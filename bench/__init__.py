"""Benchmarks against the tools that people use today; none of them asserts an absolute time."""
