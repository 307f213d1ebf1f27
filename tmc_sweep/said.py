"""What another program or library said, in one line."""


def first_line(text: object) -> str:
    """The first line that has words, or ""."""
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "")


def last_line(text: object) -> str:
    """The last line that has words, or "": of a traceback the error itself."""
    return next((line.strip() for line in reversed(str(text).splitlines()) if line.strip(". ")), "")
