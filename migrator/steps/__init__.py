"""The steps of the itinerary, one file each."""
