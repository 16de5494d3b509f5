"""The command line. Commands parse, call one function of a package and print; heavy libraries load inside commands."""
