"""Events out: logs, statistics, metrics, health, terminal."""
