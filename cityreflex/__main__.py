"""`python -m cityreflex` is the command `city`."""

from cityreflex.cli import main

main()
