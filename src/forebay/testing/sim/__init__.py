"""Hub, agents, people, lake, disks and clocks in one seeded simulation, over the very machines that decide in earnest.

No event loop, no thread, no real time: a heap of events. The same seed gives the same trace, event for event.
"""
