"""Numbers as vendors write them in text."""

import polars as pl

_THOUSANDS = r"^-?\d{1,3}(,\d{3})+(\.\d+)?$"
_SCALES = {"K": 1e3, "M": 1e6, "B": 1e9}


def parse_numbers(text: pl.Series, *, has_decimal_commas: bool, is_volume: bool) -> pl.Series:
    """Return the numbers as float64, null where one cannot be read.

    Read: `1.5`, `1,5` where decimals may be commas, `$1.50`, `1,234.5`; of volumes also `1.2M`.
    """
    text = text.str.strip_chars()
    if has_decimal_commas:
        text = text.str.replace(",", ".", literal=True)
    number = text.cast(pl.Float64, strict=False)
    if number.null_count() == text.null_count():
        return number
    bare = pl.col("text").str.strip_prefix("$")
    bare = (
        pl.when(bare.str.contains(_THOUSANDS)).then(bare.str.replace_all(",", "")).otherwise(bare)
    )
    seen = bare.cast(pl.Float64, strict=False)
    if is_volume:
        scale = bare.str.slice(-1).str.to_uppercase().replace_strict(_SCALES, default=None)
        scaled = bare.str.head(-1).cast(pl.Float64, strict=False) * scale.cast(pl.Float64)
        seen = pl.coalesce(seen, scaled)
    return number.fill_null(pl.DataFrame({"text": text}).select(seen).to_series())
