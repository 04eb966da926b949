"""The plan, the phases, the manifest's entries, the events and the reports: pure data that every package speaks."""
