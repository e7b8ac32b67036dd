"""What `prismq-worker doctor` looks at; the rules are pure, what they judge is asked for in `examining`."""
