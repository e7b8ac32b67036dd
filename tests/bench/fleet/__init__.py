"""What a fleet of workers asks of its server, simulated with the product's own rules for waits and retries."""
