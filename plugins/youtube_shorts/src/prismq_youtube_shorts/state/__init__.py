"""What the plugin keeps on disk, for all workers of this machine: spent quota, read pages, snapshots of statistics.

Nothing here is needed: a file that cannot be read or written costs quota, and no task.
"""
