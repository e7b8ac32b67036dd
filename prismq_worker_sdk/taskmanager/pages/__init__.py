"""The pages of the TaskManager at `/`: what it holds, who works, and the acts of its API as buttons."""
