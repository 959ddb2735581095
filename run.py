"""`python run.py COMMAND ...`: the same as the installed `dialogue-expander`."""

from expander.start import main

if __name__ == "__main__":
    main()
