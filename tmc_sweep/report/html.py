"""HTML from Jinja templates. Whatever is put into one is escaped, and a name that is not given is an error."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_HERE = Path(__file__).parent


def render(template: Path, **values: object) -> str:
    """The HTML of a template file with these values in it; it may import the macros of report/macros.html.j2."""
    environment = Environment(
        loader=FileSystemLoader([template.parent, _HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(values)
