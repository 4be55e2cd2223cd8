"""`python -m strongroom` is the command `strongroom`."""

from strongroom.cli import main

if __name__ == "__main__":
    main()
