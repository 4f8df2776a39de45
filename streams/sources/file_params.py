"""What sources that read files can be told beside SourceSettings."""

from typing import Literal

import msgspec


class FileParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the sources csv, parquet and folder.

    `date_order` is that of dates such as 01/02/2020: mdy month first, dmy day first, auto as the
    whole column tells. With `volume` zero a volume that is not there counts as 0; else a file
    without that column is refused.
    """

    date_order: Literal["auto", "mdy", "dmy"] = "auto"
    volume: Literal["required", "zero"] = "required"
