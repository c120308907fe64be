"""``python -m orchestration``: see ``orchestration.command``."""

from orchestration.command import main

if __name__ == "__main__":
    main()
