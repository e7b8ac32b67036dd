"""What a set of Shorts tells about a trend: pure functions over what was measured, no clock and no network."""
