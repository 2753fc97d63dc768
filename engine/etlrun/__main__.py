"""`python -m etlrun`: the command line, where its script is not on the PATH."""

from etlrun.cli.main import main

main()
