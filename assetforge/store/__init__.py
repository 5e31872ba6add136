"""Results by content key; the state, which remembers what was built of what; and the folders of runs at work.

All of it may be deleted at any time: it only saves work.
"""
