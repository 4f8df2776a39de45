"""Where a database is: a SQLite file, or a PostgreSQL server's URL.

A password in a URL is for the driver alone: whatever is said of a database goes through
`name_of`. It need not stand there: without one the driver looks into PGPASSWORD and `~/.pgpass`.
"""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from streams.errors import DataError

MASK = "***"
DRIVER = "postgresql+psycopg"

_SCHEMES = ("postgresql", "postgres", DRIVER)
_FORMS = "a path or postgresql://user:password@host/database"
_SCHEME_CHARACTERS_MAX = 20


def is_url(location: str | Path) -> bool:
    """Tell a URL from a path.

    >>> is_url("postgresql://db/assay"), is_url("features.db")
    (True, False)
    """
    return isinstance(location, str) and "://" in location


def url_of(location: str | Path) -> URL:
    """Return the URL that SQLAlchemy opens; shown as text it has no password.

    `render_as_string(hide_password=False)` is for those that take nothing but text. Raises
    DataError for a URL of another kind of database, or none.
    """
    if not is_url(location):
        return URL.create("sqlite", database=str(location))
    text = str(location)
    scheme = text.partition("://")[0][:_SCHEME_CHARACTERS_MAX]
    if scheme not in _SCHEMES:
        raise DataError(f"a database must be {_FORMS}, was {scheme}://")
    url = _parsed(text)
    if url is None:
        # What is wrong may be the password itself: none of it is repeated.
        raise DataError(
            f"a database must be {_FORMS}; what was given begins with {scheme}:// and cannot be "
            "read: write characters like @ : / in a password as %40 %3A %2F"
        )
    if not url.database:
        raise DataError(f"a database's URL must end in /DATABASE, was {name_of(location)}")
    return url.set(drivername=DRIVER)


def name_of(location: str | Path) -> str:
    """Return what a location is called in messages and logs: never its password.

    >>> name_of("postgresql://ann:secret@db/assay")
    'postgresql://ann:***@db/assay'
    """
    if not is_url(location):
        return str(location)
    url = _parsed(str(location))
    if url is None:
        return f"{str(location).partition('://')[0][:_SCHEME_CHARACTERS_MAX]}://{MASK}"
    return url.render_as_string()


def unlocked(location: str | Path) -> str:
    """Return a location without its password, for a file that is handed on. Errors as `url_of`.

    >>> unlocked("postgresql://ann:secret@db/assay"), unlocked("features.db")
    ('postgresql://ann@db/assay', 'features.db')
    """
    if not is_url(location):
        return str(location)
    url = url_of(location)
    bare = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    return bare.render_as_string()


def absolute(location: str | Path) -> str:
    """Return a location that another process finds too, wherever it works."""
    return str(location) if is_url(location) else str(Path(location).resolve())


def without_password(text: str, url: URL) -> str:
    """Return `text` with the password of `url` masked, however it came into it."""
    return text.replace(url.password, MASK) if url.password else text


def _parsed(text: str) -> URL | None:
    """The URL with its password in its place, or None where it cannot be told which part that is.

    A password may also be given as `?password=`, as libpq takes it.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        return None
    if "@" in (url.host or "") or "sslpassword" in url.query:
        return None
    password = url.query.get("password", "")
    if not password:
        return url
    given = password if isinstance(password, str) else password[-1]
    return url.difference_update_query(["password"]).set(password=given)
