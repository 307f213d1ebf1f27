"""What another program or library said, in one line."""


def first_line(text: object) -> str:
    """The first line that has words, or ""."""
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "")


def last_line(text: object) -> str:
    """The last line that has words, or "": of a traceback the error itself."""
    return next((line.strip() for line in reversed(str(text).splitlines()) if line.strip(". ")), "")


def visible(text: object, also: str = "") -> str:
    """The text in characters that print, and those of `also`; any other as Python writes it, such as `\\x1b`.

    So a terminal or a page shows control characters, and those that turn text round or take no room, and obeys none.
    """
    return "".join(each if each.isprintable() or each in also else repr(each)[1:-1] for each in str(text))
