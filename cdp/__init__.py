"""The kernel of Wayfinder.

Here live the things every other package needs and which need nothing themselves: settings, errors, clock, ids, the
domain words, the analytical engine, the operational store and the command line. No customer logic lives here.
"""

__version__ = "0.1.0"
