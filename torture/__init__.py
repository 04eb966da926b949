"""What is done to migrator on purpose: kills, cuts and faults at every point there is. `make torture`."""
