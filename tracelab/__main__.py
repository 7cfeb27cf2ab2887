"""`python -m tracelab`."""

from tracelab.commands.main import main

if __name__ == "__main__":
    main()
