"""What a feature may know beside its own symbol's bars, as one float64 vector.

The session's clock is that of the bar's close. All else is as of an instant strictly before it, and
NaN where it is not served: `engine.context_book` says when. Names here are positions there:
`context[UTC_OFFSET_SECONDS]`.
"""

CONTEXT_FIELDS = (
    "utc_offset_seconds",
    "market_return_1",
    "market_return_5",
    "market_return_20",
    "market_volatility_20",
    "market_sma_distance_200",
    "sector_return_1",
    "sector_return_5",
    "sector_return_20",
    "market_own_return_20",
    "sector_own_return_20",
    "market_own_log_return",
    "breadth_above_sma_50",
    "breadth_advancing",
)
"""`utc_offset_seconds`: local time of the session's zone minus UTC at the bar's close.

`market_return_n`, `sector_return_n`: simple return of a reference symbol over its own last n bars;
`market_volatility_20`: sample standard deviation of its last 20 log returns;
`market_sma_distance_200`: its close over its 200-bar mean, less 1.

`market_own_return_20`, `sector_own_return_20`: the reference's simple return over the very stretch
of time that the series' own last 20 completed bars span, from close to close;
`market_own_log_return`: its log return over the series' own last completed bar.

`breadth_above_sma_50`, `breadth_advancing`: share of the symbols with a bar at one instant that
closed above their 50-bar mean, or above their bar before.

Returns, distances and volatilities lie within ±VALUE_MAX of `models.feature_set`.
"""

CONTEXT_SIZE = len(CONTEXT_FIELDS)
UTC_OFFSET_SECONDS = CONTEXT_FIELDS.index("utc_offset_seconds")
MARKET = CONTEXT_FIELDS.index("market_return_1")
"""The first of the market's five."""
SECTOR = CONTEXT_FIELDS.index("sector_return_1")
"""The first of the sector's three."""
MARKET_OWN_RETURN_20 = CONTEXT_FIELDS.index("market_own_return_20")
SECTOR_OWN_RETURN_20 = CONTEXT_FIELDS.index("sector_own_return_20")
MARKET_OWN_LOG_RETURN = CONTEXT_FIELDS.index("market_own_log_return")
BREADTH = CONTEXT_FIELDS.index("breadth_above_sma_50")
"""The first of breadth's two."""
