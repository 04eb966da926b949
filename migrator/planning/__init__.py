"""What would happen, and what speaks against it: rules, order and forecast, which decide and never act."""
