"""Who acts when: a wave's order and locks, and one application's way along its itinerary."""
